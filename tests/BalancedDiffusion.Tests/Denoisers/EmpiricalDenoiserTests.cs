using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Denoisers;

public class EmpiricalDenoiserTests
{
    private static torch.Tensor Normal(long seed, params long[] shape)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn(shape, generator: generator);
    }

    /// <summary>The posterior mean and the weights by plain loops over doubles, from direct differences.</summary>
    private static (double[][] Mean, double[][] Weights) BruteForce(
        torch.Tensor samples,
        torch.Tensor noisy,
        double[] sigmas
    )
    {
        double[][] Rows(torch.Tensor t)
        {
            using var doubles = t.to_type(torch.float64, copy: true).reshape(t.shape[0], -1);
            return doubles.data<double>().ToArray().Chunk((int)doubles.shape[1]).ToArray();
        }
        var (x, y) = (Rows(samples), Rows(noisy));
        var weights = y.Select(
                (row, b) =>
                {
                    var logits = x.Select(s =>
                            -s.Zip(row, (p, q) => (p - q) * (p - q)).Sum() / (2 * sigmas[b] * sigmas[b])
                        )
                        .ToArray();
                    var top = logits.Max();
                    var raw = logits.Select(l => Math.Exp(l - top)).ToArray();
                    return raw.Select(r => r / raw.Sum()).ToArray();
                }
            )
            .ToArray();
        var mean = weights
            .Select(w => Enumerable.Range(0, x[0].Length).Select(j => w.Select((v, i) => v * x[i][j]).Sum()).ToArray())
            .ToArray();
        return (mean, weights);
    }

    private static void AssertNear(double[][] truth, torch.Tensor actual, double tolerance)
    {
        using var doubles = actual.to_type(torch.float64, copy: true).reshape(actual.shape[0], -1);
        var rows = doubles.data<double>().ToArray().Chunk((int)doubles.shape[1]).ToArray();
        Assert.Equal(truth.Length, rows.Length);
        foreach (var (t, a) in truth.Zip(rows))
        {
            var error = Math.Sqrt(t.Zip(a, (p, q) => (p - q) * (p - q)).Sum());
            Assert.True(
                error <= tolerance * Math.Sqrt(t.Sum(p => p * p)),
                $"relative error {error / Math.Sqrt(t.Sum(p => p * p))}"
            );
        }
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.02)]
    [InlineData(0.1)]
    [InlineData(0.5)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(100)]
    public void TheFloat32AnswerIsTheBruteForceOneAtEveryNoiseLevel(double sigma)
    {
        using var scope = torch.NewDisposeScope();
        // Clusters whose members are about sigma apart, so that several samples share the weight at every level.
        var samples = (Normal(1, 6, 1, 300).mul(2) + Normal(2, 6, 50, 300).mul(sigma / 15)).reshape(300, 300);
        var noisy = samples.narrow(0, 100, 9) + Normal(3, 9, 300) * sigma;
        var (mean, weights) = BruteForce(samples, noisy, Enumerable.Repeat(sigma, 9).ToArray());
        Assert.True(weights.Average(w => w.Max()) < 0.9, "the test should not be decided by one sample alone");
        using var denoiser = new EmpiricalDenoiser(samples);
        AssertNear(mean, denoiser.Denoise(noisy, sigma), 1e-5);
        AssertNear(weights, denoiser.PosteriorWeights(noisy, sigma), 1e-6);
    }

    [Fact]
    public void DataFarFromTheOriginLoseNothing()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Normal(1, 40, 20).to_type(torch.float64).add_(1e6);
        var noisy = samples.narrow(0, 0, 5) + Normal(2, 5, 20).mul(0.5);
        var (mean, weights) = BruteForce(samples, noisy, Enumerable.Repeat(1.5, 5).ToArray());
        using var denoiser = new EmpiricalDenoiser(samples);
        AssertNear(mean, denoiser.Denoise(noisy, 1.5), 1e-15 * 10);
        AssertNear(weights, denoiser.PosteriorWeights(noisy, 1.5), 1e-8);
    }

    /// <summary>The posterior mean in float64 by direct differences from every sample, one query after
    /// another.</summary>
    private static torch.Tensor Reference(torch.Tensor samples, torch.Tensor noisy, IReadOnlyList<double> sigmas)
    {
        var (x, y) = (samples.to_type(torch.float64).flatten(1), noisy.to_type(torch.float64).flatten(1));
        return torch.stack([
            .. sigmas.Select(
                (sigma, b) =>
                {
                    using var scope = torch.NewDisposeScope();
                    var logits = (x - y[b]).square().sum(1).mul(-0.5 / (sigma * sigma));
                    return torch.softmax(logits, 0).matmul(x).MoveToOuterDisposeScope();
                }
            ),
        ]);
    }

    /// <summary>The error in units of 1e-6 of what is averaged: of the mean's length, or of the samples' spread where
    /// that is larger.</summary>
    private static double InFloat32(torch.Tensor samples, torch.Tensor truth, torch.Tensor actual)
    {
        var spread = samples.to_type(torch.float64).flatten(1).var(0, unbiased: false).sum().sqrt();
        return ((actual.to_type(torch.float64).flatten(1) - truth).norm() / truth.norm().maximum(spread)).item<double>()
            / 1e-6;
    }

    [Theory]
    [InlineData("normal")]
    [InlineData("faces")]
    [InlineData("clusters")]
    [InlineData("near duplicates")]
    [InlineData("duplicates")]
    [InlineData("far")]
    [InlineData("outlier")]
    [InlineData("one side")]
    public void LargeSetsInFloat32AreAnsweredAsInFloat64FromTheSmallestToTheLargestNoise(string kind)
    {
        using var scope = torch.NewDisposeScope();
        const int n = 2400,
            d = 500; // two blocks
        var samples = kind switch
        {
            "faces" => new ParametricFaces(seed: 4).Train(n).Images.flatten(1),
            "clusters" => (Normal(1, 30, 1, d).mul(2) + Normal(2, 30, n / 30, d).mul(0.02)).reshape(n, d),
            // Within float32's rounding of one another, so that only float64 tells them apart.
            "near duplicates" => (Normal(1, 5, 1, d) + Normal(2, 5, n / 5, d).mul(1e-5)).reshape(n, d),
            "duplicates" => Normal(1, 20, d).repeat(n / 20, 1),
            "far" => Normal(1, n, d) + 3000,
            "outlier" => Normal(1, n, d) * torch.where(torch.arange(n).eq(1234), 1e6f, 1f).unsqueeze(1),
            "one side" => torch.where(torch.arange(n).lt(n / 2), 1f, -1f).unsqueeze(1) + Normal(1, n, d) * 0.1,
            _ => Normal(1, n, d),
        };
        using var denoiser = new EmpiricalDenoiser(samples);
        double[] sigmas = [1e-3, 1e-2, 0.05, 0.3, 1, 3, 10, 30, 80];
        var rows = torch.tensor(sigmas.Select((_, i) => (long)(i * 331 % n)).ToArray());
        var noisy =
            samples.index_select(0, rows)
            + Normal(7, sigmas.Length, samples.shape[1])
                * torch.tensor(sigmas.Select(s => (float)s).ToArray()).unsqueeze(1);
        var truth = Reference(samples, noisy, sigmas);
        var together = denoiser.Denoise(noisy, torch.tensor(sigmas));
        for (var b = 0; b < sigmas.Length; b++)
        {
            var alone = denoiser.DenoiseAt(noisy.narrow(0, b, 1), sigmas[b]);
            foreach (var answer in new[] { together.narrow(0, b, 1), alone })
                Assert.True(
                    InFloat32(samples, truth.narrow(0, b, 1), answer) < 1,
                    $"{kind}, sigma {sigmas[b]}: {InFloat32(samples, truth.narrow(0, b, 1), answer)} millionths"
                );
            var doubles = denoiser.DenoiseAt(noisy.narrow(0, b, 1).to_type(torch.float64), sigmas[b]);
            Assert.True(
                InFloat32(samples, truth.narrow(0, b, 1), doubles) < 1e-3,
                $"{kind}, sigma {sigmas[b]}, in float64: {InFloat32(samples, truth.narrow(0, b, 1), doubles)} "
                    + "millionths"
            );
        }
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3000, 700)] // several blocks of samples: 2^20 / 700 = 1497 rows each
    [InlineData(2, 3000)]
    public void BlocksAndPerRowNoiseLevelsDoNotMatter(int n, int d)
    {
        using var scope = torch.NewDisposeScope();
        var samples = Normal(4, n, d);
        double[] levels = [0.3, 5, 40, 1e-3, 700];
        var noisy = Normal(5, 5, d) * torch.tensor(levels).unsqueeze(1) + samples[n - 1];
        var (mean, _) = BruteForce(samples, noisy, levels);
        using var denoiser = new EmpiricalDenoiser(samples);
        AssertNear(mean, denoiser.Denoise(noisy, torch.tensor(levels)), 1e-10);
        AssertNear(
            mean,
            denoiser.Denoise(noisy.to_type(torch.float32), torch.tensor(levels)),
            1e-3 / Math.Sqrt(d) + 1e-5
        );
        for (var b = 0; b < 5; b++)
            AssertNear([mean[b]], denoiser.Denoise(noisy.narrow(0, b, 1), levels[b]), 1e-10);
    }

    [Fact]
    public void ManyQueriesAreAnsweredAsOneByOne()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Normal(6, 30, 3);
        using var denoiser = new EmpiricalDenoiser(samples);
        var noisy = Normal(7, 40_000, 3);
        var all = denoiser.Denoise(noisy, 0.5);
        foreach (var b in new[] { 0, 1, 34_951, 34_952, 34_953, 39_999 })
            Assert.True(torch.allclose(all.narrow(0, b, 1), denoiser.Denoise(noisy.narrow(0, b, 1), 0.5), 1e-6, 1e-7));
        Assert.Equal([0L, 3], denoiser.Denoise(noisy.narrow(0, 0, 0), 0.5).shape);
    }

    [Fact]
    public void ImagesKeepTheirShapeAndType()
    {
        using var scope = torch.NewDisposeScope();
        var images = Normal(8, 10, 3, 4, 5);
        using var denoiser = new EmpiricalDenoiser(images);
        Assert.Equal([3L, 4, 5], denoiser.SampleShape);
        Assert.Equal(10, denoiser.Count);
        var clean = denoiser.Denoise(images, 1e-3);
        Assert.Equal(images.shape, clean.shape);
        Assert.Equal(torch.float32, clean.dtype);
        Assert.True(torch.allclose(clean, images, 1e-6, 1e-6));
        Assert.Equal(torch.float64, denoiser.Denoise(images.to_type(torch.float64), 1e-3).dtype);
        var (mean, _) = BruteForce(images, images, Enumerable.Repeat(3.0, 10).ToArray());
        AssertNear(mean, denoiser.Denoise(images, 3.0), 1e-5);
    }

    [Fact]
    public void DuplicatesShareTheirWeight()
    {
        using var scope = torch.NewDisposeScope();
        var samples = torch.tensor(
            new[,]
            {
                { 1f, 0 },
                { 1f, 0 },
                { -1f, 0 },
            }
        );
        using var denoiser = new EmpiricalDenoiser(samples);
        var weights = denoiser.PosteriorWeights(torch.zeros(1, 2), 1).data<double>().ToArray();
        foreach (var weight in weights)
            Assert.Equal(1.0 / 3, weight, 1e-12);
        Assert.Equal(1.0 / 3, denoiser.Denoise(torch.zeros(1, 2), 1)[0, 0].item<float>(), 1e-6);
        Assert.Equal(
            [1f, 0],
            denoiser
                .Denoise(
                    torch.tensor(
                        new[,]
                        {
                            { 0.9f, 0.1f },
                        }
                    ),
                    1e-200
                )
                .data<float>()
                .ToArray()
        );
        Assert.Equal(
            1.0 / 3,
            denoiser
                .Denoise(
                    torch.tensor(
                        new[,]
                        {
                            { 0.9f, 0.1f },
                        }
                    ),
                    1e200
                )[0, 0]
                .item<float>(),
            1e-6
        );
    }

    [Fact]
    public void ADenoiserOutlivesTheScopeItWasMadeInAndLeaksNothing()
    {
        EmpiricalDenoiser denoiser;
        using (torch.NewDisposeScope())
            denoiser = new EmpiricalDenoiser(Normal(1, 4, 2));
        using var scope = torch.NewDisposeScope();
        var noisy = Normal(2, 3, 2);
        for (var i = 0; i < 3; i++)
        {
            denoiser.DenoiseAt(noisy, 0.5).Dispose();
            denoiser.Score(noisy, 0.5).Dispose();
            denoiser.PosteriorWeights(noisy, 0.5).Dispose();
        }
        Assert.Equal(1, scope.DisposablesCount);
        denoiser.Dispose();
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        string Of(torch.Tensor samples) =>
            Assert.Throws<ArgumentException>(() => new EmpiricalDenoiser(samples)).Message;
        Assert.StartsWith("samples is empty", Of(torch.empty(0, 3)));
        Assert.StartsWith(
            "samples must have shape (n, d) or (n, channels, height, width), was (3)",
            Of(torch.zeros(3))
        );
        Assert.StartsWith("samples must have shape", Of(torch.zeros(3, 0)));
        Assert.StartsWith("samples holds NaN", Of(torch.full([3, 2], float.NaN)));
        Assert.StartsWith("samples must hold floating-point numbers", Of(torch.zeros([3, 2], torch.int64)));
        using var denoiser = new EmpiricalDenoiser(torch.zeros(3, 2));
        string Denoise(torch.Tensor noisy, torch.Tensor sigma) =>
            Assert.ThrowsAny<ArgumentException>(() => denoiser.Denoise(noisy, sigma)).Message;
        Assert.StartsWith("noisy must have shape (any, 2), was (1, 3)", Denoise(torch.zeros(1, 3), torch.tensor(1.0)));
        Assert.StartsWith("noisy holds NaN", Denoise(torch.full([1, 2], float.NaN), torch.tensor(1.0)));
        Assert.StartsWith(
            "noisy must hold floating-point",
            Denoise(torch.zeros([1, 2], torch.int32), torch.tensor(1.0))
        );
        Assert.StartsWith("sigma must have shape () or (1), was (2)", Denoise(torch.zeros(1, 2), torch.ones(2)));
        foreach (var sigma in new[] { 0, -0.2, double.NaN, double.PositiveInfinity })
        {
            Assert.StartsWith(
                $"sigma must be positive and finite, was {sigma}",
                Denoise(torch.zeros(1, 2), torch.tensor(sigma))
            );
            Assert.StartsWith(
                $"sigma must be positive and finite, was {sigma}",
                Assert.ThrowsAny<ArgumentException>(() => denoiser.PosteriorWeights(torch.zeros(1, 2), sigma)).Message
            );
        }
    }
}
