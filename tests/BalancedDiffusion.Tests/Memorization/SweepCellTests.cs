using BalancedDiffusion.Memorization;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class SweepCellTests
{
    private static SweepCell Cell(params double[] scores) =>
        new("relu", 0.1, SpikinessMeasure.StandardDeviation, scores);

    [Fact]
    public void TheAreaIsTheShareOfPairsInOrder()
    {
        // 3 and 2 against 1, 2 and 0: five of six pairs are won and one is even.
        bool[] labels = [false, true, false, true, false];
        Assert.Equal(5.5 / 6, Cell(1, 3, 2, 2, 0).Auroc(labels), 15);
        Assert.Equal(0.5 / 6, Cell(-1, -3, -2, -2, 0).Auroc(labels), 15);
        Assert.Equal(0.5, Cell(1, 1, 1, 1, 1).Auroc(labels));
    }

    [Fact]
    public void LabelsThatDoNotFitAreRefused()
    {
        string Refused(params bool[] labels) =>
            Assert.Throws<ArgumentException>(() => Cell(1, 2, 3).Auroc(labels)).Message;
        Assert.StartsWith("3 samples need as many labels, was 2", Refused(true, false));
        Assert.StartsWith("positives must hold at least one score, was empty", Refused(false, false, false));
        Assert.StartsWith("negatives must hold at least one score, was empty", Refused(true, true, true));
        Assert.Throws<ArgumentNullException>(() => Cell(1).Auroc(null!));
    }
}
