using BalancedDiffusion.Memorization;
using BalancedDiffusion.Sampling;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class ConsistencyDetectorTests
{
    [Fact]
    public void CopiesThatComeBackTheSameScoreZero()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([0, 0], Scores(new ConsistencyDetector(Zero(3), 2), ones(2, 3)));
    }

    [Fact]
    public void CopiesThatKeepTheirNoiseLieRootTwoSigmaApart()
    {
        using var scope = NewDisposeScope();
        const int dimension = 2000;
        const double sigma = 3;
        var scores = Scores(
            new ConsistencyDetector(Identity(dimension), sigma, 3),
            zeros(4, dimension, dtype: float64)
        );
        // The root mean square of d numbers deviates by a share 1/sqrt(2 d).
        Assert.All(scores, s => Near(-Math.Sqrt(2) * sigma, s, 5 * Math.Sqrt(2) * sigma / Math.Sqrt(2 * dimension)));
        Assert.All(
            scores.Zip(
                Scores(new ConsistencyDetector(Scaled(dimension, 0.5), sigma, 3), zeros(4, dimension, dtype: float64))
            ),
            pair => Near(pair.First / 2, pair.Second, 1e-12)
        );
    }

    [Fact]
    public void AllPairsAreAveraged()
    {
        using var scope = NewDisposeScope();
        // In one dimension with copies +1 or -1 by the sign of the noise: of K copies m are +1, and the mean distance
        // is 2 m (K - m)/(K (K - 1)/2), 2 times the share of unlike pairs.
        const int copies = 5;
        var detector = new ConsistencyDetector(new Answers([1], y => y.sign()), 1, copies);
        var possible = Enumerable
            .Range(0, copies + 1)
            .Select(m => Math.Round(-2.0 * m * (copies - m) / (copies * (copies - 1) / 2), 9))
            .ToHashSet();
        var scores = Scores(detector, zeros(600, 1));
        Assert.All(scores, s => Assert.Contains(Math.Round(s, 9), possible));
        // Two copies differ in sign half the time: mean -1.
        Near(-1, scores.Average(), 5 * Math.Sqrt(1.0 / 600));
    }

    [Fact]
    public void ASamplerTakesEachNoisyVersionAndItsNoiseDiffersBetweenThem()
    {
        using var scope = NewDisposeScope();
        // Euler to zero with the right answer 0 ends there, whatever the noise; with the identity it stays where it
        // was.
        double[] levels = [1, 0.5, 0];
        Assert.Equal([0], Scores(new ConsistencyDetector(Zero(3), new EulerSampler(), levels), ones(1, 3)));
        Assert.Equal(
            Scores(new ConsistencyDetector(Identity(3), 1), ones(1, 3, dtype: float64)),
            Scores(new ConsistencyDetector(Identity(3), new EulerSampler(), levels), ones(1, 3, dtype: float64))
        );
        // Where the output is 0, the reverse-diffusion step from 1 to 1/2 leaves a quarter of the start and adds noise
        // of variance 3/4: the copies differ in both.
        const int dimension = 4000;
        var expected = Math.Sqrt(2 * (1.0 / 16 + 0.75));
        Near(
            -expected,
            Scores(
                new ConsistencyDetector(Zero(dimension), new ReverseDiffusionSampler(), [1, 0.5], 2),
                zeros(1, dimension, dtype: float64)
            )[0],
            5 * expected / Math.Sqrt(2 * dimension)
        );
    }

    [Fact]
    public void OneCopyOrRisingLevelsAreRefused()
    {
        Assert.StartsWith(
            "versions must be at least 2, was 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => new ConsistencyDetector(Zero(2), 1, 1)).Message
        );
        Assert.StartsWith(
            "sigmas must decrease, but 2 at position 1 follows 1",
            Assert.Throws<ArgumentException>(() => new ConsistencyDetector(Zero(2), new EulerSampler(), [1, 2])).Message
        );
    }
}
