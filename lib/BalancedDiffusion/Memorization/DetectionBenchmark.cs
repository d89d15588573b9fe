using System.Diagnostics;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Statistics;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>Compares detectors on the same samples in one run.</summary>
/// <example><code>
/// var labels = ReplicationLabels.Of(samples, training);
/// var rows = DetectionBenchmark.Run([new SpikinessDetector(model, "relu", 0.05), new JacobianDimensionDetector(model,
/// 0.05), new NearestNeighbourDetector(training)], samples, labels, seed: 1);
/// </code></example>
public static class DetectionBenchmark
{
    /// <summary>The false-positive rate of <see cref="DetectionRow.TruePositiveRate"/>.</summary>
    public const double FalsePositiveRate = 0.01;

    /// <summary>Scores all samples with each detector, and measures how well the scores tell memorized ones.</summary>
    /// <remarks>
    /// Intervals are percentile bootstraps at 95 %; every detector meets the same redrawn samples, so rows may be
    /// compared. With fewer than 100 samples that are not memorized, 1 % of false positives means none.
    /// Each detector scores one sample first, untimed, so that no row pays for loading.
    /// </remarks>
    /// <param name="detectors">At least one, of different names.</param>
    /// <param name="samples">(n, SampleShape…), those of both classes mixed in any order.</param>
    /// <param name="labels">One a sample, true for memorized; see <see cref="ReplicationLabels"/>. Both must
    /// occur.</param>
    /// <param name="seed">The seed of noise and bootstrap.</param>
    /// <param name="bootstrap">How often samples are redrawn, ≥ 1.</param>
    /// <param name="batch">How many samples are scored at once, ≥ 1. It changes times, not scores.</param>
    /// <param name="groups">Which samples belong together (memorized samples of one training image, say, by
    /// <see cref="NearestNeighbours"/>), one number a sample; whole groups are redrawn. Null where all are
    /// independent.</param>
    /// <param name="progress">Receives the number of samples scored, over all detectors, or null.</param>
    /// <param name="cancellation">Stops between two batches.</param>
    /// <returns>A row a detector, in their order.</returns>
    /// <exception cref="ArgumentException">There is no detector or no sample, two names are the same, labels or groups
    /// are not as many as samples, or a class is missing.</exception>
    /// <exception cref="ArgumentOutOfRangeException">bootstrap or batch is below 1.</exception>
    /// <exception cref="InvalidOperationException">A detector failed, or gave NaN or a wrong shape; the message names
    /// it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IReadOnlyList<DetectionRow> Run(
        IReadOnlyList<IMemorizationDetector> detectors,
        torch.Tensor samples,
        IReadOnlyList<bool> labels,
        long seed,
        int bootstrap = 1000,
        int batch = 64,
        IReadOnlyList<int>? groups = null,
        IProgress<long>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(detectors);
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(labels);
        Guard.AtLeast(bootstrap, 1);
        Guard.AtLeast(batch, 1);
        if (detectors.Count == 0)
            throw new ArgumentException("detectors must hold at least one detector, was empty", nameof(detectors));
        foreach (var detector in detectors)
            ArgumentNullException.ThrowIfNull(detector, nameof(detectors));
        if (detectors.GroupBy(d => d.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new ArgumentException(
                $"{twice.Count()} detectors are called {Listing.Quoted(twice.Key)}; give each a Name of its own",
                nameof(detectors)
            );
        if (samples.dim() == 0 || samples.NumberOfElements == 0)
            throw new ArgumentException(
                $"samples are empty, was ({string.Join(", ", samples.shape)}); give at least one sample",
                nameof(samples)
            );
        var count = samples.shape[0];
        if (labels.Count != count)
            throw new ArgumentException($"{count} samples need as many labels, was {labels.Count}", nameof(labels));
        if (groups is not null && groups.Count != count)
            throw new ArgumentException($"{count} samples need as many groups, was {groups.Count}", nameof(groups));
        var memorized = Where(labels, true);
        var others = Where(labels, false);
        if (memorized.Length == 0 || others.Length == 0)
            throw new ArgumentException(
                $"detection needs samples of both kinds, but {(memorized.Length == 0 ? "none" : "each")} of "
                    + $"the {count} is memorized; add samples of the other kind",
                nameof(labels)
            );

        var rows = new List<DetectionRow>();
        foreach (var detector in detectors)
        {
            var (scores, seconds) = Scores(detector, samples, seed, batch, rows.Count * count, progress, cancellation);
            var curve = new RocCurve([.. memorized.Select(i => scores[i])], [.. others.Select(i => scores[i])]);
            ConfidenceInterval Interval(Func<RocCurve, double> statistic) =>
                curve.Bootstrap(
                    statistic,
                    bootstrap,
                    seed,
                    positiveGroups: GroupsOf(groups, memorized),
                    negativeGroups: GroupsOf(groups, others)
                );
            rows.Add(
                new DetectionRow(
                    detector.Name,
                    Interval(roc => roc.Auroc),
                    Interval(roc => roc.TruePositiveRateAt(FalsePositiveRate).TruePositiveRate),
                    seconds / count,
                    scores
                )
            );
        }
        return rows;
    }

    private static (double[] Scores, double Seconds) Scores(
        IMemorizationDetector detector,
        torch.Tensor samples,
        long seed,
        int batch,
        long before,
        IProgress<long>? progress,
        CancellationToken cancellation
    )
    {
        var count = samples.shape[0];
        var scores = new double[count];
        using (var warm = torch.NewDisposeScope())
            Score(detector, samples.narrow(0, 0, 1), seed, 0);
        var seconds = 0.0;
        for (var offset = 0L; offset < count; offset += batch)
        {
            cancellation.ThrowIfCancellationRequested();
            SafePoint.Pass();
            using var scope = torch.NewDisposeScope();
            var part = samples.narrow(0, offset, Math.Min(batch, count - offset));
            var start = Stopwatch.GetTimestamp();
            var found = Score(detector, part, seed, offset);
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds;
            found.CopyTo(scores, offset);
            progress?.Report(before + offset + part.shape[0]);
        }
        return (scores, seconds);
    }

    private static double[] Score(IMemorizationDetector detector, torch.Tensor part, long seed, long firstIndex)
    {
        torch.Tensor scores;
        try
        {
            scores = detector.Score(part, seed, firstIndex);
        }
        catch (Exception e) when (e is InvalidOperationException and not ObjectDisposedException)
        {
            throw new InvalidOperationException($"the detector {Listing.Quoted(detector.Name)} failed: {e.Message}", e);
        }
        if (scores.dim() != 1 || scores.shape[0] != part.shape[0])
            throw new InvalidOperationException(
                $"the detector {Listing.Quoted(detector.Name)} gave shape ({string.Join(", ", scores.shape)}) "
                    + $"for {part.shape[0]} samples"
            );
        var values = scores.to_type(torch.float64).cpu().data<double>().ToArray();
        if (Array.FindIndex(values, double.IsNaN) is >= 0 and var wrong)
            throw new InvalidOperationException(
                $"the detector {Listing.Quoted(detector.Name)} gave NaN for sample {firstIndex + wrong}"
            );
        return values;
    }

    private static int[] Where(IReadOnlyList<bool> labels, bool label) =>
        [.. Enumerable.Range(0, labels.Count).Where(i => labels[i] == label)];

    private static int[]? GroupsOf(IReadOnlyList<int>? groups, int[] indices) =>
        groups is null ? null : [.. indices.Select(i => groups[i])];
}
