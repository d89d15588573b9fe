using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Sampling;
using MathNet.Numerics.Distributions;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

public class LangevinSamplerTests
{
    [Theory]
    [InlineData(0.09, 0.3, 0.1)]
    [InlineData(0.5, 0.2, 0.02)]
    [InlineData(0, 0.5, 0.9)]
    public void OnGaussianDataItsLawIsTheOneStatedWithItsBias(double data, double sigma, double step)
    {
        using var scope = torch.NewDisposeScope();
        const int rows = 10_000,
            d = 10;
        const double mean = -0.4;
        var smoothed = data + sigma * sigma;
        var steps = (int)Math.Ceiling(Math.Log(1e-4) / Math.Log(Math.Abs(1 - step / (2 * smoothed)))) + 1;
        var sampler = new LangevinSampler(sigma, step, steps, Denoise: false);
        var start = torch.zeros(rows, d, dtype: torch.float64);
        var y = sampler.Sample(SamplerLab.Gaussian(d, mean, data), start, new SamplingOptions { Seed = 3 });
        // y' - m = (1 - ε/(2V)) (y - m) + sqrt(ε) z has the variance ε/(1 - (1 - ε/(2V))²).
        var factor = 1 - step / (2 * smoothed);
        var variance = step / (1 - factor * factor);
        Assert.Equal(smoothed / (1 - step / (4 * smoothed)), variance, 1e-12);
        var n = (double)rows * d;
        Assert.InRange((y.mean().item<double>() - mean) / Math.Sqrt(variance / n), -4, 4);
        Assert.InRange((y.var().item<double>() / variance - 1) / Math.Sqrt(2 / n), -4, 4);
        // The same chain with the noise taken off: f(y) = m + data/V (y - m).
        var clean = (sampler with { Denoise = true }).Sample(
            SamplerLab.Gaussian(d, mean, data),
            start,
            new SamplingOptions { Seed = 3 }
        );
        Assert.True(torch.allclose((y - mean) * (data / smoothed) + mean, clean, 0, 1e-12));
        Assert.Equal(0, start.abs().max().item<double>());
    }

    [Fact]
    public void OnAMixtureItFillsTheSmoothedDistribution()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = new GaussianMixture(
            GaussianComponent.LowRank(0.3, torch.tensor([-1.0]), torch.ones(1, 1), torch.tensor([0.1]), 0),
            GaussianComponent.LowRank(0.7, torch.tensor([1.0]), torch.ones(1, 1), torch.tensor([0.2]), 0)
        );
        const double sigma = 0.7;
        const int n = 8000;
        // All start in the lighter mode, so that only a chain that mixes gets the weights right.
        var start = torch.full([n, 1], -1.0, dtype: torch.float64);
        var y = new LangevinSampler(sigma, 0.04, 800, Denoise: false)
            .Sample(new MixtureDenoiser(mixture), start)
            .data<double>()
            .ToArray()
            .Order()
            .ToArray();
        double Below(double x) =>
            0.3 * Normal.CDF(-1, Math.Sqrt(0.1 + sigma * sigma), x)
            + 0.7 * Normal.CDF(1, Math.Sqrt(0.2 + sigma * sigma), x);
        var distance = y.Select(
                (x, i) => Math.Max(Math.Abs(Below(x) - i / (double)n), Math.Abs(Below(x) - (i + 1.0) / n))
            )
            .Max();
        // 1.95/sqrt(n) for the draw, and half a percent for the bias of the step.
        Assert.True(distance < 1.95 / Math.Sqrt(n) + 0.005, $"distance {distance}");
    }

    [Fact]
    public void ASingleSigmaNetworkIsSampledWithRecordProgressAndCancellation()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        var start = SamplerExtensions.Starts([6], 5, 0.2, 3);
        using var path = new Trajectory([0, 10, 19]);
        var steps = new SamplerLab.Steps();
        var sampler = new LangevinSampler(0.2, 0.004, 20);
        var all = sampler.Sample(
            dae,
            start,
            new SamplingOptions
            {
                Seed = 1,
                Record = path,
                Progress = steps,
            }
        );
        Assert.Equal(Enumerable.Range(1, 20), steps.Seen);
        Assert.Equal([0, 10, 19], path.Steps);
        Assert.True(torch.allclose(path.Points[0], start));
        Assert.True(torch.allclose(dae.DenoiseAt(path.Points[1], 0.2), path.Estimates[1]));
        Assert.True(
            torch.allclose(
                all[3],
                sampler.Sample(dae, start.narrow(0, 3, 1), new SamplingOptions { Seed = 1, FirstIndex = 3 })[0],
                1e-5,
                1e-6
            )
        );
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() =>
            sampler.Sample(dae, start, new SamplingOptions { Cancellation = source.Token })
        );
    }

    [Theory]
    [InlineData(0, 0.1, 5, "Sigma must be positive and finite, was 0")]
    [InlineData(0.2, 0, 5, "StepSize must be positive and finite, was 0")]
    [InlineData(0.5, 1, 5, "StepSize must be below 4 Sigma² = 1, where the chain grows without bound, was 1")]
    [InlineData(0.2, 0.1, 0, "Steps must be at least 1, was 0")]
    public void BadNumbersAreNamed(double sigma, double step, int steps, string words)
    {
        using var scope = torch.NewDisposeScope();
        Assert.StartsWith(
            words,
            Assert
                .ThrowsAny<ArgumentException>(() =>
                    new LangevinSampler(sigma, step, steps).Sample(SamplerLab.Gaussian(2, 0, 1), torch.ones(1, 2))
                )
                .Message
        );
    }

    [Fact]
    public void AChainThatDivergesSaysSo()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = GaussianMixture.SeparatedLowRank(2, 2, 1, 1);
        var away = new SamplerLab.From(2, (y, _) => y * 1e30);
        Assert.Contains(
            "at step 2 of 9 (sigma = 0.5)",
            Assert
                .Throws<InvalidOperationException>(() =>
                    new LangevinSampler(0.5, 0.9, 9).Sample(away, torch.ones(1, 2))
                )
                .Message
        );
    }
}
