using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Statistics;

/// <summary>How two independent groups of numbers differ in their mean: with a bootstrap interval, and the chance of so
/// large a difference were the labels a matter of luck.</summary>
/// <param name="Interval">Mean of the first group less that of the second, with its percentile bootstrap
/// interval.</param>
/// <param name="PValue">Two-sided, from random permutations of the labels: <c>(1 + those with at least this
/// difference)/(1 + permutations)</c>, in (0, 1].</param>
public sealed record GroupDifference(ConfidenceInterval Interval, double PValue)
{
    /// <summary>Compares two groups. Numbers that belong together (noisy versions of one image, say) must be averaged
    /// first: they are not independent, and the test would be too sure.</summary>
    /// <param name="first">At least two finite numbers.</param>
    /// <param name="second">At least two finite numbers.</param>
    /// <param name="seed">The seed of permutations and draws.</param>
    /// <param name="draws">How many permutations, and how many bootstrap draws, ≥ 1. The p-value cannot fall below
    /// 1/(1 + draws).</param>
    /// <param name="level">The interval's coverage, in (0, 1).</param>
    /// <exception cref="ArgumentException">A group is too small or not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">draws or level is out of its range.</exception>
    public static GroupDifference OfMeans(
        IReadOnlyList<double> first,
        IReadOnlyList<double> second,
        long seed,
        int draws = 9999,
        double level = 0.95
    )
    {
        Check(first, nameof(first));
        Check(second, nameof(second));
        Guard.AtLeast(draws, 1);
        if (!(level > 0 && level < 1))
            throw new ArgumentOutOfRangeException(nameof(level), $"level must be above 0 and below 1, was {level}");
        var observed = first.Average() - second.Average();
        double[] all = [.. first, .. second];
        var total = all.Sum();
        var random = new Random(unchecked((int)Seeds.Derive(seed, "permutation")));
        var asLarge = 0;
        for (var b = 0; b < draws; b++)
        {
            random.Shuffle(all);
            var sum = 0.0;
            for (var i = 0; i < first.Count; i++)
                sum += all[i];
            // The bound is lowered by 1e-12 of itself: a permutation that leaves the groups as they are counts
            // whatever the rounding.
            if (Math.Abs(sum / first.Count - (total - sum) / second.Count) >= Math.Abs(observed) * (1 - 1e-12))
                asLarge++;
        }
        random = new Random(unchecked((int)Seeds.Derive(seed, "bootstrap")));
        var drawn = new double[draws];
        for (var b = 0; b < draws; b++)
            drawn[b] = Mean(first) - Mean(second);
        Array.Sort(drawn);
        return new(
            new(
                observed,
                SortedSample.Quantile(drawn, (1 - level) / 2),
                SortedSample.Quantile(drawn, (1 + level) / 2),
                level
            ),
            (1.0 + asLarge) / (1.0 + draws)
        );

        double Mean(IReadOnlyList<double> values)
        {
            var sum = 0.0;
            for (var i = 0; i < values.Count; i++)
                sum += values[random.Next(values.Count)];
            return sum / values.Count;
        }
    }

    private static void Check(IReadOnlyList<double> values, string name)
    {
        ArgumentNullException.ThrowIfNull(values, name);
        if (values.Count < 2)
            throw new ArgumentException(
                $"{name} must hold at least two numbers, had {values.Count}; draw more samples",
                name
            );
        if (values.Any(v => !double.IsFinite(v)))
            throw new ArgumentException(
                $"{name} holds NaN or infinity; leave such samples out or find where it came from",
                name
            );
    }
}
