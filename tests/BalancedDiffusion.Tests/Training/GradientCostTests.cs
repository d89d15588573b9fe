using BalancedDiffusion.Training;

namespace BalancedDiffusion.Tests.Training;

public class GradientCostTests
{
    [Fact]
    public void TheProductsOfThePapersSizesAreCounted()
    {
        // Five products of 256 × 1024 × 100 against two of (256 + 100) × 1024 × 100 and four of 256 × 100 × 100.
        var sampled = GradientCost.Sampled(256, 1024, 100);
        var projected = GradientCost.Projected(256, 1024, 100, isTied: true, noiseDraws: 1);
        Assert.InRange(sampled, 10.0 * 256 * 1024 * 100, 1.5 * 10 * 256 * 1024 * 100);
        var products = 4.0 * 356 * 1024 * 100 + 8.0 * 256 * 100 * 100;
        Assert.InRange(projected, products, 1.5 * products);
        Assert.True(projected < sampled);
    }

    [Theory]
    [InlineData(5, 1024, 100), InlineData(256, 64, 512), InlineData(256, 1024, 4096)]
    public void FewSamplesOrManyUnitsAreCheaperSampled(long batch, long dimension, long units) =>
        Assert.True(
            GradientCost.Sampled(batch, dimension, units)
                < GradientCost.Projected(batch, dimension, units, isTied: true, noiseDraws: 2)
        );

    [Fact]
    public void EverythingMoreCostsMore()
    {
        var least = GradientCost.Projected(64, 128, 32, isTied: true, noiseDraws: 1);
        Assert.True(GradientCost.Projected(65, 128, 32, true, 1) > least);
        Assert.True(GradientCost.Projected(64, 129, 32, true, 1) > least);
        Assert.True(GradientCost.Projected(64, 128, 33, true, 1) > least);
        Assert.True(GradientCost.Projected(64, 128, 32, false, 1) > least);
        Assert.True(GradientCost.Projected(64, 128, 32, true, 2) > least);
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientCost.Projected(64, 128, 32, true, 3));
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientCost.Projected(0, 128, 32, true, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientCost.Sampled(64, 0, 32));
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientCost.Sampled(64, 128, 0));
    }
}
