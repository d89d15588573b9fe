using BalancedDiffusion.Generation.SampleQuality;
using TorchSharp;
using static BalancedDiffusion.Tests.Generation.SampleQuality.QualityLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Generation.SampleQuality;

public class PrecisionRecallTests
{
    private static (double, double) Both(PrecisionRecall found) => (found.Precision.Estimate, found.Recall.Estimate);

    [Fact]
    public void DisjointSetsHaveNeitherAndEqualSetsHaveBoth()
    {
        using var scope = torch.NewDisposeScope();
        // More than one block of rows.
        var set = Normal(1, 700, 3);
        Assert.Equal((0, 0), Both(PrecisionRecall.Of(set, Normal(2, 600, 3) + 100)));
        Assert.Equal((1, 1), Both(PrecisionRecall.Of(set, set)));
        Assert.Equal((1, 1), Both(PrecisionRecall.Of(set * 1e6 + 1e8, set * 1e6 + 1e8)));
        // Duplicates shrink balls to points, which still hold themselves.
        var twice = torch.cat([set[..50], set[..50], set[..50], set[..50]]);
        Assert.Equal((1, 1), Both(PrecisionRecall.Of(twice, twice)));
    }

    [Fact]
    public void ASubsetOfTheModesIsPreciseAndRecallsItsShare()
    {
        using var scope = torch.NewDisposeScope();
        // Four modes far apart, of which one is generated: each generated sample lies among 300 real ones of its mode.
        Tensor Mode(long seed, int k, long n) => (Normal(seed, n, 2) * 0.01).clamp(-0.02, 0.02) + 10 * k;
        var real = torch.cat([Mode(1, 0, 300), Mode(2, 1, 300), Mode(3, 2, 300), Mode(4, 3, 300)]);
        var found = PrecisionRecall.Of(real, Mode(5, 2, 300), 10);
        Assert.InRange(found.Precision.Estimate, 0.99, 1);
        Assert.InRange(found.Recall.Estimate, 0.245, 0.25);
        var missed = PrecisionRecall.Of(Mode(5, 2, 300), real, 10);
        Assert.InRange(missed.Precision.Estimate, 0.245, 0.25);
        Assert.InRange(missed.Recall.Estimate, 0.99, 1);
        Assert.True(found.Recall.Contains(found.Recall.Estimate) && found.Recall.High < 0.3);
    }

    [Fact]
    public void BallsReachToTheKthNeighbour()
    {
        using var scope = torch.NewDisposeScope();
        Tensor Line(params double[] places) => torch.tensor(places).unsqueeze(1);
        // k = 1: radii of 0, 1, 3 are 1, 1 and 2, so the balls are [-1, 1], [0, 2] and [1, 5].
        var found = PrecisionRecall.Of(Line(0, 1, 3), Line(-1, -1.01, 5, 5.01, 2.5), 1);
        Assert.Equal(3.0 / 5, found.Precision.Estimate, 1e-15);
        // Radii of the generated: 0.01 twice (to each other), 5 and 5.01 likewise, 2.5 from 2.5: [0, 5] holds all real.
        Assert.Equal(1, found.Recall.Estimate);
        // k = 2: radii 3, 2 and 3: [-3, 3], [-1, 3], [0, 6].
        Assert.Equal(1, PrecisionRecall.Of(Line(0, 1, 3), Line(-2.9, 5.9, 5.99), 2).Precision.Estimate);
        Assert.Equal(1.0 / 3, PrecisionRecall.Of(Line(0, 1, 3), Line(-3.1, 6.1, 5.99), 2).Precision.Estimate, 1e-15);
    }

    [Fact]
    public void BadNumbersAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        var set = Normal(1, 4, 2);
        Refused("generated must hold at least 4 samples, was 3", () => PrecisionRecall.Of(set, set[..3]));
        Refused("real must hold at least 5 samples, was 4", () => PrecisionRecall.Of(set, set, 4));
        Refused("neighbours must be at least 1, was 0", () => PrecisionRecall.Of(set, set, 0));
    }
}
