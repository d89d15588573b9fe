using BalancedDiffusion.Statistics;

namespace BalancedDiffusion.Memorization;

/// <summary>What one module gave at one noise level in a <see cref="SpikinessSweep"/>.</summary>
/// <param name="Module">The module.</param>
/// <param name="Sigma">The noise level.</param>
/// <param name="Measure">What spiky means.</param>
/// <param name="Scores">The score of each sample, in their order; the higher, the more likely memorized.</param>
public sealed record SweepCell(string Module, double Sigma, SpikinessMeasure Measure, IReadOnlyList<double> Scores)
{
    /// <summary>The area under the ROC curve of the scores.</summary>
    /// <param name="labels">One a sample, true for memorized; both must occur.</param>
    /// <exception cref="ArgumentException">There are not as many labels as samples, or one kind is missing.</exception>
    public double Auroc(IReadOnlyList<bool> labels)
    {
        ArgumentNullException.ThrowIfNull(labels);
        if (labels.Count != Scores.Count)
            throw new ArgumentException(
                $"{Scores.Count} samples need as many labels, was {labels.Count}",
                nameof(labels)
            );
        return new RocCurve([.. Scores.Where((_, i) => labels[i])], [.. Scores.Where((_, i) => !labels[i])]).Auroc;
    }
}
