using BalancedDiffusion.Noise;
using BalancedDiffusion.Theory;
using TorchSharp;
using static BalancedDiffusion.Tests.Theory.TheoryData64;

namespace BalancedDiffusion.Tests.Theory;

public class MemorizedSteeringTests
{
    [Fact]
    public void ThresholdIsOneForEqualLengths()
    {
        using var samples = Simplex(5, 16, 16, 16, 16);
        var steering = new MemorizedSteering(samples, 0.2);
        Assert.Equal(1, steering.Threshold(0, 1), 1e-12);
    }

    [Theory]
    [InlineData(16, 9, 0.2, 0)]
    [InlineData(9, 16, 0.2, 0)]
    [InlineData(12, 12.5, 1.5, 0)]
    [InlineData(16, 9, 0.2, 4)]
    public void TheMemorizerItselfJumpsThere(double first, double second, double sigma, double lambda)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var samples = Simplex(5, first, second, 14);
        var steering = new MemorizedSteering(samples, sigma, lambda);
        using var memorizer = new MemorizationMinimizer(samples, sigma, lambda).Denoiser(dtype: torch.float64);
        int Ends(double strength)
        {
            var h = memorizer.Encode(samples.narrow(0, 0, 1)) + strength * memorizer.Encode(samples.narrow(0, 1, 1));
            var picture = memorizer.Decode(h);
            for (var t = 0; t < 2000; t++)
                picture = torch.nn.functional.normalize(memorizer.DenoiseAt(picture, sigma), dim: 1) * 10;
            return (int)torch.nn.functional.cosine_similarity(picture, samples, dim: 1).argmax().item<long>();
        }
        var threshold = steering.Threshold(0, 1);
        Assert.Equal(0, Ends(threshold * 0.999));
        Assert.Equal(1, Ends(threshold * 1.001));
    }

    [Fact]
    public void StandardDeviationIsThatOfTheRepresentationsPeakUnderNoise()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var samples = Simplex(5, 16, 9, 14);
        var steering = new MemorizedSteering(samples, 0.5);
        using var memorizer = new MemorizationMinimizer(samples, 0.5).Denoiser(dtype: torch.float64);
        var noisy = samples.narrow(0, 0, 1) + 0.5 * GaussianNoise.Draw([20_000, 5], 1, torch.float64);
        var peaks = memorizer.Encode(noisy)[torch.TensorIndex.Colon, 0];
        var relative = (peaks.std() / peaks.mean()).item<double>();
        Assert.Equal(relative, steering.ThresholdStandardDeviation(0, 1) / steering.Threshold(0, 1), 0.02 * relative);
    }

    [Fact]
    public void GainsAreThoseOfTheCorollary()
    {
        using var samples = Simplex(5, 3, 4);
        var steering = new MemorizedSteering(samples, 0.5, 0.25);
        // (‖x‖² - n lambda)/(‖x‖² + sigma²)
        Assert.Equal((9 - 0.5) / 9.25, steering.Gains[0], 1e-12);
        Assert.Equal((16 - 0.5) / 16.25, steering.Gains[1], 1e-12);
    }

    [Fact]
    public void RefusesWhatTheFormDoesNotCover()
    {
        using var samples = Simplex(5, 16, 2, 16);
        var steering = new MemorizedSteering(samples, 0.2, 4);
        Assert.Contains(
            "sample 1 is dropped by the penalty",
            Assert.Throws<ArgumentException>(() => steering.Threshold(0, 1)).Message
        );
        Assert.Contains(
            "two different samples",
            Assert.Throws<ArgumentException>(() => steering.Threshold(2, 2)).Message
        );
        Assert.Contains(
            "numbered from 0 to 2, was 3",
            Assert.Throws<ArgumentOutOfRangeException>(() => steering.Threshold(0, 3)).Message
        );
        using var acute = torch.tensor(
            new double[,]
            {
                { 1, 0 },
                { 1, 1 },
            }
        );
        Assert.Contains(
            "which must be negative",
            Assert.Throws<ArgumentException>(() => new MemorizedSteering(acute, 0.2).Threshold(0, 1)).Message
        );
        using var one = torch.ones(1, 5, dtype: torch.float64);
        Assert.Throws<ArgumentOutOfRangeException>(() => new MemorizedSteering(one, 0.2));
        Assert.Throws<ArgumentOutOfRangeException>(() => new MemorizedSteering(samples, 0));
    }
}
