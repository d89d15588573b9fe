using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using MathNet.Numerics.Distributions;
using TorchSharp;

namespace BalancedDiffusion.Tests.Noise;

public class SigmaDistributionsTests
{
    [Fact]
    public void GaussianNoiseWithSeed123IsTorchsKnownDraw()
    {
        using var noise = GaussianNoise.Draw([1, 4], 123);
        Assert.Equal([1, 4], noise.shape);
        Assert.Equal(
            [-0.1115f, 0.1204f, -0.3696f, -0.2404f],
            noise.data<float>().ToArray(),
            (a, b) => Math.Abs(a - b) < 1e-4
        );
    }

    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void GaussianNoiseHasTheMomentsOfANormalDistribution(torch.ScalarType dtype)
    {
        const int count = 200_000;
        using var scope = torch.NewDisposeScope();
        var noise = GaussianNoise.Draw([count], 7, dtype);
        Assert.Equal(dtype, noise.dtype);
        var x = noise.to_type(torch.float64);
        // Standard errors of the first, second and fourth moment of a standard normal distribution: 1, sqrt(2),
        // sqrt(96) over sqrt(n).
        Assert.InRange(x.mean().item<double>() * Math.Sqrt(count), -5, 5);
        Assert.InRange((x.square().mean().item<double>() - 1) * Math.Sqrt(count / 2.0), -5, 5);
        Assert.InRange((x.square().square().mean().item<double>() - 3) * Math.Sqrt(count / 96.0), -5, 5);
    }

    [Fact]
    public void GaussianNoiseDependsOnTheSeedOnly()
    {
        using var scope = torch.NewDisposeScope();
        Assert.True(GaussianNoise.Draw([5, 3], 1).equal(GaussianNoise.Draw([5, 3], 1)).all().item<bool>());
        Assert.False(GaussianNoise.Draw([5, 3], 1).equal(GaussianNoise.Draw([5, 3], 2)).any().item<bool>());
    }

    [Fact]
    public void LogUniformNoiseStaysInItsBoundsAndIsUniformInTheLogarithm()
    {
        const int count = 20_000;
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(3);
        var levels = new LogUniformSigma(0.02, 2)
            .Draw(count, generator, torch.CPU)
            .to_type(torch.float64)
            .data<double>()
            .ToArray();
        Assert.InRange(levels.Min(), 0.02 * (1 - 1e-6), 2);
        Assert.InRange(levels.Max(), 0.02, 2 * (1 + 1e-6));
        // Kolmogorov–Smirnov distance to the uniform distribution of the logarithm; 1.95/sqrt(n) is passed with
        // probability 0.001.
        var shares = levels.Select(s => Math.Log(s / 0.02) / Math.Log(100)).Order().ToArray();
        var distance = shares
            .Select((u, i) => Math.Max(Math.Abs(u - i / (double)count), Math.Abs(u - (i + 1) / (double)count)))
            .Max();
        Assert.True(distance < 1.95 / Math.Sqrt(count), $"distance {distance}");
    }

    [Fact]
    public void FixedNoiseIsItsLevelEveryTime()
    {
        using var generator = Seeds.Generator(3);
        using var levels = new FixedSigma(0.2).Draw(7, generator, torch.CPU);
        Assert.Equal(Enumerable.Repeat(0.2f, 7), levels.data<float>().ToArray());
    }

    [Fact]
    public void LogNormalNoiseHasANormalLogarithm()
    {
        const int count = 20_000;
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(4);
        var logs = new LogNormalSigma()
            .Draw(count, generator, torch.CPU)
            .to_type(torch.float64)
            .log()
            .data<double>()
            .ToArray()
            .Order()
            .ToArray();
        var distance = logs.Select(
                (x, i) =>
                    Math.Max(
                        Math.Abs(Normal.CDF(-1.2, 1.2, x) - i / (double)count),
                        Math.Abs(Normal.CDF(-1.2, 1.2, x) - (i + 1.0) / count)
                    )
            )
            .Max();
        Assert.True(distance < 1.95 / Math.Sqrt(count), $"distance {distance}");
    }

    [Theory]
    [InlineData(0, 0, "std must be positive and finite, was 0")]
    [InlineData(75, 1, "mean must stay within")]
    [InlineData(double.NaN, 1, "mean must stay within")]
    public void ALogNormalDistributionThatFloatsCannotHoldIsNamed(double mean, double std, string words) =>
        Assert.StartsWith(
            words,
            Assert.Throws<ArgumentOutOfRangeException>(() => new LogNormalSigma(mean, std)).Message
        );
}
