using BalancedDiffusion.Memorization;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class NoiseNormDetectorTests
{
    [Fact]
    public void WhoSeesNoNoiseScoresZero()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([0, 0], Scores(new NoiseNormDetector(Identity(3), 2), ones(2, 3)));
    }

    [Fact]
    public void WhoRecognisesAllNoiseScoresItsOwnSizeAtEveryLevel()
    {
        using var scope = NewDisposeScope();
        const int count = 1000,
            dimension = 8;
        // f = 0 is right for the sample 0: what is left is the noise, whose mean square is 1 with variance 2/d a
        // sample.
        var one = Scores(new NoiseNormDetector(Zero(dimension), 1), zeros(count, dimension, dtype: float64));
        Near(1, one.Average(s => s * s), 5 * Math.Sqrt(2.0 / dimension / count));
        Assert.All(
            one.Zip(Scores(new NoiseNormDetector(Zero(dimension), 40), zeros(count, dimension, dtype: float64))),
            pair => Near(pair.First, pair.Second, 1e-12)
        );
        Assert.All(
            one.Zip(Scores(new NoiseNormDetector(Scaled(dimension, 0.25), 1), zeros(count, dimension, dtype: float64))),
            pair => Near(0.75 * pair.First, pair.Second, 1e-12)
        );
    }

    [Fact]
    public void FarFromTheNoiseItIsTheDistanceOverSigma()
    {
        using var scope = NewDisposeScope();
        Near(1000, Scores(new NoiseNormDetector(Zero(4), 1e-3), ones(1, 4, dtype: float64))[0], 5);
    }

    [Fact]
    public void DrawsAreAveraged()
    {
        using var scope = NewDisposeScope();
        const int count = 500,
            draws = 16;
        // |eps| of one number has mean sqrt(2/pi) and variance 1 - 2/pi.
        var scores = Scores(new NoiseNormDetector(Zero(1), 1, draws), zeros(count, 1));
        var (mean, variance) = (Math.Sqrt(2 / Math.PI), 1 - 2 / Math.PI);
        Near(mean, scores.Average(), 5 * Math.Sqrt(variance / draws / count));
        Near(variance / draws, scores.Average(s => (s - mean) * (s - mean)), 0.35 * variance / draws);
        Assert.StartsWith(
            "draws must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => new NoiseNormDetector(Zero(1), 1, 0)).Message
        );
    }
}
