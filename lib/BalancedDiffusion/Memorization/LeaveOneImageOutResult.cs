using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Memorization;

/// <summary>How well a detector does on memorized samples of images that its settings were not chosen on, see
/// <see cref="LeaveOneImageOut"/>.</summary>
/// <param name="Auroc">The area under the ROC curve, mean over the memorized samples.</param>
/// <param name="TruePositiveRate">The share of memorized samples flagged at 1 % of false positives.</param>
/// <param name="Folds">For each memorized image, in the order of its number: the image, the settings chosen on the
/// others, the ROC curve of its memorized samples against new ones, and how many there are.</param>
public sealed record LeaveOneImageOutResult(
    ConfidenceInterval Auroc,
    ConfidenceInterval TruePositiveRate,
    IReadOnlyList<(int Image, string Chosen, RocCurve Curve)> Folds
)
{
    /// <summary>The settings chosen most often.</summary>
    public string Usual => Folds.GroupBy(f => f.Chosen).MaxBy(g => g.Count())!.Key;

    /// <summary>How many different settings were chosen: 1 where the choice does not depend on any single
    /// image.</summary>
    public int Choices => Folds.Select(f => f.Chosen).Distinct().Count();

    /// <summary>The share of memorized samples flagged at a false-positive rate, mean over them.</summary>
    /// <param name="falsePositiveRate">In [0, 1].</param>
    public double TruePositiveRateAt(double falsePositiveRate) =>
        Folds.Sum(f => f.Curve.PositiveCount * f.Curve.TruePositiveRateAt(falsePositiveRate).TruePositiveRate)
        / Folds.Sum(f => f.Curve.PositiveCount);
}
