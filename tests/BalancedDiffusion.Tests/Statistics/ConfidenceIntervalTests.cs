using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Tests.Statistics;

public class ConfidenceIntervalTests
{
    [Theory]
    [
        InlineData(5, 10, 0.2366, 0.7634),
        InlineData(0, 10, 0, 0.2775),
        InlineData(10, 10, 0.7225, 1),
        InlineData(81, 263, 0.2553, 0.3662)
    ]
    public void WilsonsIntervalHasItsKnownValues(long successes, long trials, double low, double high)
    {
        var interval = ConfidenceInterval.OfShare(successes, trials);
        Assert.Equal(successes / (double)trials, interval.Estimate, 1e-15);
        Assert.Equal(low, interval.Low, 1e-4);
        Assert.Equal(high, interval.High, 1e-4);
    }

    [Theory]
    [InlineData(1, 7, 0.9, 1.6448536), InlineData(30, 200, 0.99, 2.5758293), InlineData(199, 200, 0.95, 1.9599640)]
    public void ItsEndsAreWhereTheScoreTestIsOnTheEdge(long successes, long trials, double level, double quantile)
    {
        var interval = ConfidenceInterval.OfShare(successes, trials, level);
        foreach (var p in new[] { interval.Low, interval.High })
            Assert.Equal(quantile, Math.Abs(p - interval.Estimate) / Math.Sqrt(p * (1 - p) / trials), 1e-6);
    }

    [Theory]
    [
        InlineData(-1, 5, 0.95, "was -1"),
        InlineData(6, 5, 0.95, "was 6"),
        InlineData(0, 0, 0.95, "must be at least 1, was 0"),
        InlineData(1, 5, 1.0, "was 1"),
        InlineData(1, 5, double.NaN, "was NaN")
    ]
    public void BadNumbersAreRefused(long successes, long trials, double level, string said) =>
        Assert.Contains(
            said,
            Assert
                .Throws<ArgumentOutOfRangeException>(() => ConfidenceInterval.OfShare(successes, trials, level))
                .Message
        );
}
