using BalancedDiffusion.Runtime;
using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// Judges a detector whose settings (layer, noise level, …) must be chosen on samples whose kind is known. Memorized
/// samples of one training image are not independent, and a layer may respond to one image: chosen and judged on
/// samples of the same images it looks better than it is. So each memorized image in turn is left out: the settings
/// are chosen on samples of the others, against one half of the new samples, and its own samples are judged against
/// the other half.
/// </summary>
public static class LeaveOneImageOut
{
    /// <summary>Judges a family of settings.</summary>
    /// <param name="settings">The scores under each setting, at least one, all on the same samples.</param>
    /// <param name="labels">One a sample, true for memorized.</param>
    /// <param name="images">The training image that a sample replicates, one per sample; not read where a sample is not
    /// memorized.</param>
    /// <param name="seed">The seed of the bootstrap.</param>
    /// <param name="bootstrap">How often images, and new samples, are redrawn for the intervals at 95 %, ≥ 1.</param>
    /// <returns>Areas and rates over all folds. Folds whose settings differ are never ranked against each
    /// other.</returns>
    /// <exception cref="ArgumentException">There are no settings, the numbers of scores, labels and images differ,
    /// fewer than two images are memorized, or there are fewer than two new samples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">bootstrap is below 1.</exception>
    public static LeaveOneImageOutResult Run(
        IReadOnlyList<ScoredDetector> settings,
        IReadOnlyList<bool> labels,
        IReadOnlyList<int> images,
        long seed,
        int bootstrap = 1000
    )
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentNullException.ThrowIfNull(images);
        Guard.AtLeast(bootstrap, 1);
        if (settings.Count == 0)
            throw new ArgumentException("settings must hold at least one, was empty", nameof(settings));
        if (images.Count != labels.Count)
            throw new ArgumentException(
                $"{labels.Count} labels need as many images, was {images.Count}",
                nameof(images)
            );
        foreach (var setting in settings)
            if (setting.Scores.Count != labels.Count)
                throw new ArgumentException(
                    $"{labels.Count} labels need as many scores, '{setting.Name}' has {setting.Scores.Count}",
                    nameof(settings)
                );
        var others = Enumerable.Range(0, labels.Count).Where(i => !labels[i]).ToArray();
        var memorized = Enumerable
            .Range(0, labels.Count)
            .Where(i => labels[i])
            .GroupBy(i => images[i])
            .OrderBy(g => g.Key)
            .Select(g => (Image: g.Key, Samples: g.ToArray()))
            .ToArray();
        if (memorized.Length < 2)
            throw new ArgumentException(
                "memorized samples of at least two images are needed to leave one out, there are some of "
                    + $"{memorized.Length}; draw more samples",
                nameof(labels)
            );
        if (others.Length < 2)
            throw new ArgumentException(
                "at least two samples that are not memorized are needed, one to choose on and one to judge "
                    + $"on; there are {others.Length}",
                nameof(labels)
            );
        var (choosing, judging) = (
            others.Where((_, i) => i % 2 == 0).ToArray(),
            others.Where((_, i) => i % 2 == 1).ToArray()
        );
        static double[] Pick(IReadOnlyList<double> scores, IEnumerable<int> which) => [.. which.Select(i => scores[i])];

        var folds = memorized
            .Select(left =>
            {
                var known = memorized.Where(c => c.Image != left.Image).SelectMany(c => c.Samples).ToArray();
                var best = settings.MaxBy(s => new RocCurve(Pick(s.Scores, known), Pick(s.Scores, choosing)).Auroc)!;
                return (left.Image, Best: best, left.Samples);
            })
            .ToArray();
        var curves = folds
            .Select(f => new RocCurve(Pick(f.Best.Scores, f.Samples), Pick(f.Best.Scores, judging)))
            .ToArray();
        var weight = curves.Sum(c => (double)c.PositiveCount);
        double Mean(Func<RocCurve, double> statistic) => curves.Sum(c => c.PositiveCount * statistic(c)) / weight;
        static double Rate(RocCurve curve) =>
            curve.TruePositiveRateAt(DetectionBenchmark.FalsePositiveRate).TruePositiveRate;

        var (areas, rates) = (new double[bootstrap], new double[bootstrap]);
        for (var b = 0; b < bootstrap; b++)
        {
            SafePoint.Pass();
            var random = new Random(unchecked((int)Seeds.Derive(seed, b)));
            var drawn = judging.Select(_ => judging[random.Next(judging.Length)]).ToArray();
            double area = 0,
                rate = 0,
                sum = 0;
            for (var f = 0; f < folds.Length; f++)
            {
                var fold = folds[random.Next(folds.Length)];
                var curve = new RocCurve(Pick(fold.Best.Scores, fold.Samples), Pick(fold.Best.Scores, drawn));
                (area, rate, sum) = (
                    area + curve.PositiveCount * curve.Auroc,
                    rate + curve.PositiveCount * Rate(curve),
                    sum + curve.PositiveCount
                );
            }
            (areas[b], rates[b]) = (area / sum, rate / sum);
        }
        return new LeaveOneImageOutResult(
            Interval(Mean(c => c.Auroc), areas),
            Interval(Mean(Rate), rates),
            [.. folds.Zip(curves, (f, c) => (f.Image, f.Best.Name, c))]
        );
    }

    private static ConfidenceInterval Interval(double estimate, double[] redrawn)
    {
        Array.Sort(redrawn);
        return new ConfidenceInterval(
            estimate,
            SortedSample.Quantile(redrawn, 0.025),
            SortedSample.Quantile(redrawn, 0.975),
            0.95
        );
    }
}
