using System.Diagnostics;

namespace BalancedDiffusion.Benchmarks;

/// <summary>Times of two things in turn.</summary>
public static class Paired
{
    /// <summary>The median over rounds of the first's time over the second's, which follows at once; each is run once
    /// before.</summary>
    public static double Ratio(Action first, Action second, int rounds)
    {
        first();
        second();
        return MedianOf(Enumerable.Range(0, rounds).Select(_ => Seconds(first) / Seconds(second)));
    }

    /// <summary>The median time of five runs, in seconds, after one that does not count.</summary>
    public static double Median(Action action)
    {
        action();
        return MedianOf(Enumerable.Range(0, 5).Select(_ => Seconds(action)));
    }

    private static double Seconds(Action action)
    {
        var watch = Stopwatch.StartNew();
        action();
        return watch.Elapsed.TotalSeconds;
    }

    private static double MedianOf(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
