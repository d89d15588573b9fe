using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Memorization;

/// <summary>How well a detector did in a <see cref="DetectionBenchmark"/>.</summary>
/// <param name="Name">The detector.</param>
/// <param name="Auroc">The area under the curve.</param>
/// <param name="TruePositiveRate">The share of memorized samples flagged at 1 % of false positives.</param>
/// <param name="SecondsPerImage">Wall time of scoring over the number of samples.</param>
/// <param name="Scores">The score of each sample, in their order.</param>
public sealed record DetectionRow(
    string Name,
    ConfidenceInterval Auroc,
    ConfidenceInterval TruePositiveRate,
    double SecondsPerImage,
    IReadOnlyList<double> Scores
)
{
    /// <summary>A line such as <c>std of relu: AUROC 0.987 [0.975, 0.996], TPR@1%FPR 0.961 [0.920, 0.990], 0.0123
    /// s/image</c>.</summary>
    public override string ToString() =>
        FormattableString.Invariant(
            $"{Name}: AUROC {Auroc}, TPR@1%FPR {TruePositiveRate}, {SecondsPerImage:G3} s/image"
        );
}
