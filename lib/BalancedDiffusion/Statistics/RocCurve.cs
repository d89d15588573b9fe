using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Statistics;

/// <summary>
/// The receiver operating characteristic of a detector that flags high scores: the share of positives (for us memorized
/// samples) against that of negatives that lie above a threshold, over all thresholds. Immutable; may be used from
/// several threads.
/// </summary>
public sealed class RocCurve
{
    private readonly double[] positives,
        negatives;
    private readonly int[] positiveOrder,
        negativeOrder;

    /// <summary>The curve of two sets of scores.</summary>
    /// <param name="positives">Scores of the samples that should be flagged, at least one; infinities allowed, NaN
    /// not.</param>
    /// <param name="negatives">Scores of the samples that should not, at least one.</param>
    /// <exception cref="ArgumentException">A set is empty or holds NaN.</exception>
    public RocCurve(IReadOnlyList<double> positives, IReadOnlyList<double> negatives)
    {
        (this.positives, positiveOrder) = Sorted(positives, nameof(positives));
        (this.negatives, negativeOrder) = Sorted(negatives, nameof(negatives));
        Auroc = Area(this.positives, this.negatives);
    }

    private RocCurve(double[] sortedPositives, double[] sortedNegatives)
    {
        (positives, negatives, positiveOrder, negativeOrder) = (sortedPositives, sortedNegatives, [], []);
        Auroc = Area(positives, negatives);
    }

    /// <summary>
    /// The area under the curve, in [0, 1]: the chance that a positive scores above a negative, ties counted one half
    /// (the Mann–Whitney statistic over the number of pairs). 1/2 for a detector that tells nothing, below where it
    /// points the wrong way.
    /// </summary>
    public double Auroc { get; }

    /// <summary>The number of positives.</summary>
    public int PositiveCount => positives.Length;

    /// <summary>The number of negatives.</summary>
    public int NegativeCount => negatives.Length;

    /// <summary>The corners of the curve, one a distinct score, from (0, 0) with threshold +∞ to (1, 1) with
    /// threshold -∞; both rates never fall.</summary>
    public IReadOnlyList<RocPoint> Points
    {
        get
        {
            var points = new List<RocPoint> { new(double.PositiveInfinity, 0, 0) };
            int p = positives.Length,
                n = negatives.Length;
            while (p > 0 || n > 0)
            {
                var score = Math.Max(
                    p > 0 ? positives[p - 1] : double.NegativeInfinity,
                    n > 0 ? negatives[n - 1] : double.NegativeInfinity
                );
                while (p > 0 && positives[p - 1] == score)
                    p--;
                while (n > 0 && negatives[n - 1] == score)
                    n--;
                var next = Math.Max(
                    p > 0 ? positives[p - 1] : double.NegativeInfinity,
                    n > 0 ? negatives[n - 1] : double.NegativeInfinity
                );
                points.Add(
                    new(
                        next,
                        (negatives.Length - n) / (double)negatives.Length,
                        (positives.Length - p) / (double)positives.Length
                    )
                );
            }
            return points;
        }
    }

    /// <summary>
    /// The working point at a false-positive rate, as in "TPR at 1 % FPR": the threshold is the quantile of the
    /// negatives' scores above which at most this share of them lies, so the rate that is met is never above the one
    /// asked for (ties may push it below).
    /// </summary>
    /// <param name="falsePositiveRate">The greatest share of negatives that may be flagged, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate is outside [0, 1].</exception>
    public RocPoint TruePositiveRateAt(double falsePositiveRate)
    {
        if (!(falsePositiveRate >= 0 && falsePositiveRate <= 1))
            throw new ArgumentOutOfRangeException(
                nameof(falsePositiveRate),
                $"falsePositiveRate must be between 0 and 1, was {falsePositiveRate}"
            );
        // 1e-9 is added so that 0.29 of 100 negatives allows 29, although 0.29 · 100 is 28.999… in binary.
        var allowed = (int)Math.Floor(falsePositiveRate * negatives.Length + 1e-9);
        var threshold = allowed >= negatives.Length ? double.NegativeInfinity : negatives[^(allowed + 1)];
        return new(threshold, Above(negatives, threshold), Above(positives, threshold));
    }

    /// <summary>A percentile bootstrap interval of a statistic of the curve, such as <c>roc =&gt; roc.Auroc</c>: both
    /// sets are resampled with replacement.</summary>
    /// <remarks>
    /// Scores must be independent, or the interval is too narrow: where several belong together (noisy versions of one
    /// image), name the groups, and whole groups are drawn. With complete separation every draw is separated too and
    /// the interval has no width; it then tells less than it seems to.
    /// </remarks>
    /// <param name="statistic">The statistic.</param>
    /// <param name="samples">How many draws, ≥ 1; a thousand or more for an interval at 0.95.</param>
    /// <param name="seed">The seed of the draws.</param>
    /// <param name="level">The intended coverage, in (0, 1).</param>
    /// <param name="positiveGroups">The group of each positive, in the order given to the constructor; null where all
    /// are independent.</param>
    /// <param name="negativeGroups">The group of each negative; null where all are independent.</param>
    /// <exception cref="ArgumentOutOfRangeException">samples is below 1 or level is outside (0, 1).</exception>
    /// <exception cref="ArgumentException">Groups are not as many as scores.</exception>
    public ConfidenceInterval Bootstrap(
        Func<RocCurve, double> statistic,
        int samples,
        long seed,
        double level = 0.95,
        IReadOnlyList<int>? positiveGroups = null,
        IReadOnlyList<int>? negativeGroups = null
    )
    {
        ArgumentNullException.ThrowIfNull(statistic);
        Guard.AtLeast(samples, 1);
        if (!(level > 0 && level < 1))
            throw new ArgumentOutOfRangeException(nameof(level), $"level must be above 0 and below 1, was {level}");
        var members = Members(positiveGroups, positives.Length, nameof(positiveGroups));
        var others = Members(negativeGroups, negatives.Length, nameof(negativeGroups));
        var random = new Random(unchecked((int)Seeds.Derive(seed, "bootstrap")));
        var drawn = new double[samples];
        for (var i = 0; i < samples; i++)
            drawn[i] = statistic(
                new RocCurve(
                    Resampled(positives, positiveOrder, members, random),
                    Resampled(negatives, negativeOrder, others, random)
                )
            );
        Array.Sort(drawn);
        return new(
            statistic(this),
            SortedSample.Quantile(drawn, (1 - level) / 2),
            SortedSample.Quantile(drawn, (1 + level) / 2),
            level
        );
    }

    /// <summary>A percentile bootstrap interval of <see cref="Auroc"/>; see the other overload.</summary>
    /// <inheritdoc cref="Bootstrap(Func{RocCurve,double},int,long,double,IReadOnlyList{int},IReadOnlyList{int})"/>
    public ConfidenceInterval Bootstrap(
        int samples,
        long seed,
        double level = 0.95,
        IReadOnlyList<int>? positiveGroups = null,
        IReadOnlyList<int>? negativeGroups = null
    ) => Bootstrap(roc => roc.Auroc, samples, seed, level, positiveGroups, negativeGroups);

    private static (double[] Values, int[] Order) Sorted(IReadOnlyList<double> scores, string name)
    {
        ArgumentNullException.ThrowIfNull(scores, name);
        if (scores.Count == 0)
            throw new ArgumentException($"{name} must hold at least one score, was empty", name);
        double[] values = [.. scores];
        int[] order = [.. Enumerable.Range(0, values.Length)];
        if (Array.FindIndex(values, double.IsNaN) is >= 0 and var index)
            throw new ArgumentException(
                $"{name} holds NaN at index {index}; leave such samples out or find where it came from",
                name
            );
        Array.Sort(values, order);
        return (values, order);
    }

    private static double Area(double[] positives, double[] negatives)
    {
        // Twice the number of pairs won, ties one each: whole numbers, exact.
        long twice = 0;
        int below = 0,
            upTo = 0;
        foreach (var score in positives)
        {
            while (below < negatives.Length && negatives[below] < score)
                below++;
            while (upTo < negatives.Length && negatives[upTo] <= score)
                upTo++;
            twice += below + upTo;
        }
        return twice / (2.0 * positives.Length * negatives.Length);
    }

    private static double Above(double[] sorted, double threshold)
    {
        int low = 0,
            high = sorted.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sorted[middle] > threshold)
                high = middle;
            else
                low = middle + 1;
        }
        return (sorted.Length - low) / (double)sorted.Length;
    }

    private static int[][] Members(IReadOnlyList<int>? groups, int count, string name)
    {
        if (groups is null)
            return [.. Enumerable.Range(0, count).Select(i => new[] { i })];
        if (groups.Count != count)
            throw new ArgumentException($"{count} scores need as many {name}, was {groups.Count}", name);
        return [.. Enumerable.Range(0, count).GroupBy(i => groups[i]).Select(group => group.ToArray())];
    }

    /// <summary>A draw with replacement of whole groups, in ascending order without sorting: each score as often as its
    /// group was drawn.</summary>
    private static double[] Resampled(double[] sorted, int[] order, int[][] members, Random random)
    {
        var times = new int[sorted.Length];
        var total = 0;
        for (var k = 0; k < members.Length; k++)
        {
            var group = members[random.Next(members.Length)];
            foreach (var i in group)
                times[i]++;
            total += group.Length;
        }
        var drawn = new double[total];
        var next = 0;
        for (var i = 0; i < sorted.Length; i++)
        for (var t = times[order[i]]; t > 0; t--)
            drawn[next++] = sorted[i];
        return drawn;
    }
}
