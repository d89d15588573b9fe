using BalancedDiffusion.Noise;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;

namespace BalancedDiffusion.Tests.Noise;

public class VariancePreservingTests
{
    [Fact]
    public void TheMapKeepsTheRatioOfSignalToNoiseAndTheUnitSumOfSquares() =>
        Prop.ForAll(
                Gen.Choose(-6000, 6000).Select(i => Math.Exp(i / 1000.0)).ToArbitrary(),
                sigma =>
                {
                    var (signal, noise) = (VariancePreserving.SignalScale(sigma), VariancePreserving.NoiseScale(sigma));
                    Assert.Equal(1, signal * signal + noise * noise, 1e-12);
                    Assert.Equal(1, noise / signal / sigma, 1e-12);
                    Assert.Equal(1, VariancePreserving.AlphaBar(sigma) / (signal * signal), 1e-12);
                    Assert.Equal(Math.Log(signal * signal / (noise * noise)), VariancePreserving.LogSnr(sigma), 1e-9);
                    Assert.Equal(1, VariancePreserving.Sigma(VariancePreserving.AlphaBar(sigma)) / sigma, 1e-9);
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void TensorsGoThereAndBackAndPredictionsGiveTheCleanSample()
    {
        using var scope = torch.NewDisposeScope();
        const double sigma = 1.7;
        var alphaBar = 1 / (1 + sigma * sigma);
        var (clean, noise) = (
            GaussianNoise.Draw([5, 3], 1, torch.float64),
            GaussianNoise.Draw([5, 3], 2, torch.float64)
        );
        var y = clean + noise * sigma;
        var z = VariancePreserving.FromExploding(y, sigma);
        Assert.True(torch.allclose(z, clean * Math.Sqrt(alphaBar) + noise * Math.Sqrt(1 - alphaBar), 0, 1e-12));
        Assert.True(torch.allclose(VariancePreserving.ToExploding(z, sigma), y, 0, 1e-12));
        Assert.True(torch.allclose(VariancePreserving.CleanFromNoise(y, noise, sigma), clean, 0, 1e-12));
        var velocity = noise * Math.Sqrt(alphaBar) - clean * Math.Sqrt(1 - alphaBar);
        Assert.True(torch.allclose(VariancePreserving.CleanFromVelocity(y, velocity, sigma), clean, 0, 1e-12));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void AnAlphaBarOutsideItsRangeIsNamed(double alphaBar) =>
        Assert.StartsWith(
            $"alphaBar must be above 0 and at most 1, was {alphaBar}",
            Assert.Throws<ArgumentOutOfRangeException>(() => VariancePreserving.Sigma(alphaBar)).Message
        );

    [Fact]
    public void BadLevelsAndShapesAreNamed()
    {
        using var scope = torch.NewDisposeScope();
        Assert.StartsWith(
            "sigma must be zero or more and finite, was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => VariancePreserving.AlphaBar(-1)).Message
        );
        Assert.StartsWith(
            "sigma must be positive and finite, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => VariancePreserving.LogSnr(0)).Message
        );
        Assert.StartsWith(
            "epsilon must have shape (2, 3), was (2, 4)",
            Assert
                .Throws<ArgumentException>(() =>
                    VariancePreserving.CleanFromNoise(torch.zeros(2, 3), torch.zeros(2, 4), 1)
                )
                .Message
        );
    }
}
