using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Tests.Statistics;

public class KolmogorovSmirnovTests
{
    [Fact]
    public void StatisticsAreThoseOfSmallSamplesByHand()
    {
        Assert.Equal(1, KolmogorovSmirnov.Of([1, 2, 3], [4, 5]).Statistic);
        Assert.Equal(0, KolmogorovSmirnov.Of([1, 2, 2, 3], [3, 2, 1, 2]).Statistic);
        Assert.Equal(1, KolmogorovSmirnov.Of([1, 2, 2, 3], [3, 2, 1, 2]).PValue);
        // F1 rises at 1, 2, 3, 4 and F2 at 2.5, 3.5: at 2 they are 1/2 and 0.
        Assert.Equal(0.5, KolmogorovSmirnov.Of([1, 2, 3, 4], [2.5, 3.5]).Statistic, 1e-15);
        Assert.Equal(0.5, KolmogorovSmirnov.Of([2.5, 3.5], [4, 1, 3, 2]).Statistic, 1e-15);
    }

    [Theory]
    // Two of the C(2n, n) equally likely orders part the samples.
    [InlineData(3, 2.0 / 20)]
    [InlineData(5, 2.0 / 252)]
    [InlineData(8, 2.0 / 12870)]
    public void PartedSamplesHaveTheirExactPValue(int n, double expected)
    {
        var first = Enumerable.Range(0, n).Select(i => (double)i).ToArray();
        var second = first.Select(x => x + n).ToArray();
        Assert.Equal(expected, KolmogorovSmirnov.Of(first, second).PValue, 1e-15);
    }

    [Fact]
    public void ExactPValuesAreThoseOfAllOrders()
    {
        // All C(9, 4) ways to place four of nine numbers.
        var draws = (
            from mask in Enumerable.Range(0, 1 << 9)
            where int.PopCount(mask) == 4
            let first = Enumerable.Range(0, 9).Where(i => (mask >> i & 1) == 1).Select(i => (double)i).ToArray()
            let second = Enumerable.Range(0, 9).Where(i => (mask >> i & 1) == 0).Select(i => (double)i).ToArray()
            select KolmogorovSmirnov.Of(first, second)
        ).ToArray();
        Assert.Equal(126, draws.Length);
        foreach (var draw in draws)
        {
            var atLeast = draws.Count(other => other.Statistic >= draw.Statistic - 1e-12) / 126.0;
            Assert.Equal(atLeast, draw.PValue, 1e-12);
        }
    }

    [Theory]
    // Quantiles of Kolmogorov's distribution (Smirnov 1948) to four decimals, at slopes below 2.
    [InlineData(1.2238, 0.10)]
    [InlineData(1.3581, 0.05)]
    [InlineData(1.6276, 0.01)]
    [InlineData(0.8276, 0.50)]
    public void TheLimitHasItsPublishedQuantiles(double lambda, double survival) =>
        Assert.Equal(survival, KolmogorovSmirnov.Survival(lambda), 1e-4);

    [Fact]
    public void LargeSamplesGoOverToTheLimit()
    {
        // 2,000 × 2,000 is the last exact size; shifted grids have one D on both sides of it.
        KolmogorovSmirnov Shifted(int n) =>
            KolmogorovSmirnov.Of(
                [.. Enumerable.Range(0, n).Select(i => i / (double)n)],
                [.. Enumerable.Range(0, n).Select(i => i / (double)n + 0.04 + 0.1 / n)]
            );
        var (exact, limit) = (Shifted(2000), Shifted(2001));
        Assert.Equal(exact.Statistic, limit.Statistic, 1e-3);
        Assert.Equal(exact.PValue, limit.PValue, 0.05 * exact.PValue);
        Assert.NotEqual(exact.PValue, limit.PValue);
    }

    [Fact]
    public void BadSamplesAreRefused()
    {
        Assert.Contains(
            "first must hold",
            Assert.Throws<ArgumentException>(() => KolmogorovSmirnov.Of([], [1])).Message
        );
        Assert.Contains(
            "second holds NaN",
            Assert.Throws<ArgumentException>(() => KolmogorovSmirnov.Of([1], [double.NaN])).Message
        );
    }
}
