using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Tests.Statistics;

public class HolmCorrectionTests
{
    [Fact]
    public void ValuesAreThoseByHand()
    {
        // 0.005 × 4, 0.01 × 3, 0.03 × 2, 0.04 × 1 raised to what came before.
        double[] expected = [0.03, 0.06, 0.06, 0.02];
        var adjusted = HolmCorrection.Of([0.01, 0.04, 0.03, 0.005]);
        for (var i = 0; i < 4; i++)
            Assert.Equal(expected[i], adjusted[i], 1e-15);
        Assert.Equal([0.3], HolmCorrection.Of([0.3]));
        Assert.Equal([1, 1, 1], HolmCorrection.Of([0.5, 0.9, 0.6]));
    }

    [Fact]
    public void BadValuesAreRefused()
    {
        Assert.Throws<ArgumentException>(() => HolmCorrection.Of([]));
        Assert.Contains(
            "between 0 and 1, was 1.5",
            Assert.Throws<ArgumentException>(() => HolmCorrection.Of([0.5, 1.5])).Message
        );
        Assert.Throws<ArgumentException>(() => HolmCorrection.Of([double.NaN]));
    }
}
