using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Networks.StableDiffusion;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Sampling;

public class DdimInversionTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(100)]
    public void OfAGaussianTheRoundTripIsAKnownFactor(int steps)
    {
        using var scope = torch.NewDisposeScope();
        const double variance = 0.49;
        var denoiser = SamplerLab.Gaussian(5, 0, variance);
        var levels = new GeometricSchedule(10, 0.05).Levels(steps + 1).SkipLast(1).ToList();
        var x = GaussianNoise.Draw([3, 5], 1, torch.ScalarType.Float64);
        var back = new DdimSampler().Sample(denoiser, DdimInversion.Invert(denoiser, x, levels), levels);
        // The noise is e = y s/(s² + variance), so that every step is a factor.
        double Slope(double s) => s / (s * s + variance);
        var factor = levels
            .Zip(levels.Skip(1))
            .Aggregate(
                1.0,
                (product, pair) =>
                    product
                    * (1 + (pair.First - pair.Second) * Slope(pair.Second))
                    * (1 - (pair.First - pair.Second) * Slope(pair.First))
            );
        Assert.True((back - factor * x).abs().max().item<double>() < 1e-12);
        // Each step up and down again is off from one by h (a(s) - a(s')) - h² a(s) a(s').
        var bound =
            Math.Exp(
                levels
                    .Zip(levels.Skip(1))
                    .Sum(p =>
                        (p.First - p.Second)
                        * (
                            Math.Abs(Slope(p.Second) - Slope(p.First))
                            + (p.First - p.Second) * Slope(p.First) * Slope(p.Second)
                        )
                    )
            ) - 1;
        Assert.InRange(Math.Abs(factor - 1), 0, bound);
    }

    [Fact]
    public void TheRoundTripComesNearerTheSampleAsTheStepsShrink()
    {
        using var scope = torch.NewDisposeScope();
        var denoiser = SamplerLab.Gaussian(5, 0.3, 0.49);
        var x = GaussianNoise.Draw([3, 5], 1, torch.ScalarType.Float64);
        double Missed(int steps)
        {
            var levels = new GeometricSchedule(10, 0.05).Levels(steps + 1).SkipLast(1).ToList();
            return (new DdimSampler().Sample(denoiser, DdimInversion.Invert(denoiser, x, levels), levels) - x)
                .norm()
                .item<double>();
        }
        // Of second order in a step, so of first order in all: twice the steps, half the miss.
        Assert.Equal(2, Missed(200) / Missed(400), 0.05);
        Assert.Equal(2, Missed(400) / Missed(800), 0.03);
    }

    [Fact]
    public void AStepUpAndDownMissesByTheTurnOfTheNoise()
    {
        using var scope = torch.NewDisposeScope();
        using var narrow = StableDiffusionGolden.Nano();
        using var network = new ConditionalUNet(StableDiffusionGolden.NanoUNet, narrow.state_dict(), torch.float64);
        var denoiser = new LatentDenoiser(network, Normal(4, 1, 3, 6));
        var x = Normal(3, 2, 4, 4, 4).to_type(torch.float64);
        torch.Tensor Noise(torch.Tensor y, double sigma) => (y - denoiser.DenoiseAt(y, sigma)) / sigma;
        foreach (var (low, high) in new[] { (0.03, 0.05), (0.5, 0.8), (3, 14) })
        {
            var up = DdimInversion.Invert(denoiser, x, [high, low]);
            Assert.True(Difference(up, x + (high - low) * Noise(x, low)) < 1e-10);
            var back = new DdimSampler().Sample(denoiser, up, [high, low]);
            Assert.True(
                ((back - x) - (high - low) * (Noise(x, low) - Noise(up, high))).abs().max().item<double>() < 1e-10
            );
        }
    }

    [Fact]
    public void ItReportsStopsAndRefusesAsSamplersDo()
    {
        using var scope = torch.NewDisposeScope();
        var denoiser = SamplerLab.Gaussian(5, 0, 1);
        var x = torch.zeros([2, 5], dtype: torch.float64);
        var steps = new SamplerLab.Steps();
        DdimInversion.Invert(denoiser, x, [3, 2, 1], new SamplingOptions { Progress = steps });
        Assert.Equal([1, 2], steps.Seen);
        using var stop = new CancellationTokenSource();
        stop.Cancel();
        Assert.Throws<OperationCanceledException>(() =>
            DdimInversion.Invert(denoiser, x, [3, 2, 1], new SamplingOptions { Cancellation = stop.Token })
        );
        void Refused(string words, Func<object> attempt) =>
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(attempt).Message);
        Refused(
            "sigmas must end above 0, where the noise can be told from the sample, ended at 0",
            () => DdimInversion.Invert(denoiser, x, [3, 1, 0])
        );
        Refused("sigmas must decrease", () => DdimInversion.Invert(denoiser, x, [1, 3]));
        Refused(
            "must have shape (any, 5), was (2, 4)",
            () => DdimInversion.Invert(denoiser, torch.zeros(2, 4), [3, 1])
        );
    }
}
