using System.Runtime.InteropServices;
using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

public class SamplerDistributionTests(ITestOutputHelper output)
{
    // A mixture with mean 0, so that starts of mean 0 fit it, of two round components.
    private const double Weight = 0.3,
        Variance0 = 0.2,
        Variance1 = 0.35;
    private static readonly double[] Mean0 = [2.1, -0.7],
        Mean1 = [-0.9, 0.3];

    private static GaussianMixture Mixture() =>
        new(
            GaussianComponent.Full(Weight, torch.tensor(Mean0), torch.eye(2, dtype: torch.float64) * Variance0),
            GaussianComponent.Full(1 - Weight, torch.tensor(Mean1), torch.eye(2, dtype: torch.float64) * Variance1)
        );

    /// <summary>Its posterior mean by a plain loop in float32, ten times as fast as the library's; both are compared
    /// below.</summary>
    private sealed class Fast : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => [2];

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
        {
            var s2 = Math.Pow(sigma.to_type(torch.float64).item<double>(), 2);
            var (wide0, wide1) = (Variance0 + s2, Variance1 + s2);
            var offset = (float)Math.Log(Weight / wide0 / ((1 - Weight) / wide1));
            var (h0, h1, g0, g1) = (
                (float)(0.5 / wide0),
                (float)(0.5 / wide1),
                (float)(Variance0 / wide0),
                (float)(Variance1 / wide1)
            );
            var (ax, ay, bx, by) = ((float)Mean0[0], (float)Mean0[1], (float)Mean1[0], (float)Mean1[1]);
            var clean = torch.empty_like(noisy);
            Span<float> from = MemoryMarshal.Cast<byte, float>(noisy.bytes),
                to = MemoryMarshal.Cast<byte, float>(clean.bytes);
            for (var i = 0; i + 1 < from.Length; i += 2)
            {
                var (x0, y0, x1, y1) = (from[i] - ax, from[i + 1] - ay, from[i] - bx, from[i + 1] - by);
                var share = 1 / (1 + MathF.Exp(h0 * (x0 * x0 + y0 * y0) - h1 * (x1 * x1 + y1 * y1) - offset));
                to[i] = share * (ax + g0 * x0) + (1 - share) * (bx + g1 * x1);
                to[i + 1] = share * (ay + g0 * y0) + (1 - share) * (by + g1 * y1);
            }
            return clean;
        }
    }

    [Theory]
    [InlineData(0.05)]
    [InlineData(0.7)]
    [InlineData(20)]
    public void TheFastDenoiserIsThePosteriorMeanOfTheMixture(double sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Mixture();
        var noisy = GaussianNoise.Draw([500, 2], 1) * (1.5 + sigma);
        Assert.True(
            torch.allclose(
                new MixtureDenoiser(mixture).DenoiseAt(noisy, sigma),
                new Fast().DenoiseAt(noisy, sigma),
                1e-4,
                1e-4
            )
        );
    }

    public static TheoryData<string, int> Samplers =>
        new()
        {
            { "authors", 1000 },
            { "ddpm", 1000 },
            { "ddim 0.5", 1000 },
            { "heun with churn", 200 },
            { "dpm-solver++", 150 },
        };

    [Theory]
    [MemberData(nameof(Samplers))]
    public void AHundredThousandSamplesMeetMeanCovarianceAndWeights(string name, int steps)
    {
        const int n = 100_000;
        using var scope = torch.NewDisposeScope();
        using var mixture = Mixture();
        ISampler sampler = name switch
        {
            "authors" => new ReverseDiffusionSampler(),
            "ddpm" => new DdpmSampler(),
            "ddim 0.5" => new DdimSampler(0.5),
            "dpm-solver++" => new DpmSolverSampler(),
            _ => new HeunSampler(Churn: 20),
        };
        var samples = sampler
            .Draw(
                new Fast(),
                n,
                new KarrasSchedule(40, 0.02).Levels(steps),
                new SamplingOptions { Seed = 5, BatchSize = 10_000 }
            )
            .to_type(torch.float64);
        var covariance = mixture.Covariance();
        // z-scores: the mean's by the true covariance, the second moments' by their own spread among as many true
        // samples, the weights' by the binomial distribution.
        var mean = samples.mean([0L]) / (covariance.diag() / n).sqrt();
        var truth = mixture.Draw(n, 6, torch.ScalarType.Float64).Samples;
        var products = torch.stack([truth.square()[.., 0], truth.square()[.., 1], truth.prod(1)], 1);
        var seen = torch.stack([samples.square()[.., 0], samples.square()[.., 1], samples.prod(1)], 1).mean([0L]);
        var expected = torch.stack([covariance[0, 0], covariance[1, 1], covariance[0, 1]]);
        var second = (seen - expected) / (products.var(0) / n).sqrt();
        // With the level near 0 the mean of the posterior probabilities is the weight exactly; its spread is at most
        // the binomial's.
        var weight =
            (mixture.Responsibilities(samples, 1e-6).mean([0L])[0].item<double>() - Weight)
            / Math.Sqrt(Weight * (1 - Weight) / n);
        var all = mean.data<double>().ToArray().Concat(second.data<double>().ToArray()).Append(weight).ToArray();
        output.WriteLine(
            $"{name}, {steps} steps: z of mean, second moments and weight "
                + $"{string.Join(", ", all.Select(z => z.ToString("f2")))}"
        );
        Assert.All(all, z => Assert.InRange(z, -4, 4));
    }
}
