using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>Labels for detection, assigned by the gap ratio: a sample counts as memorized when its gap ratio to the
/// training set says so, whatever model drew it.</summary>
public static class ReplicationLabels
{
    /// <summary>Whether each sample replicates a training sample: <c>d1/d2 &lt; threshold</c>.</summary>
    /// <param name="samples">(batch, …), floating point.</param>
    /// <param name="training">(n, …), n ≥ 2, all that the model was trained on, without duplicates.</param>
    /// <param name="kind">The distance.</param>
    /// <param name="threshold">In (0, 1].</param>
    /// <returns>One label a sample, true for memorized.</returns>
    /// <exception cref="ArgumentException">As for <see cref="GapRatio.Of(torch.Tensor, torch.Tensor, DistanceKind)"/>,
    /// or there are no samples.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The threshold is out of its range.</exception>
    public static bool[] Of(
        torch.Tensor samples,
        torch.Tensor training,
        DistanceKind kind = DistanceKind.Euclidean,
        double threshold = GapRatio.Threshold
    )
    {
        Guard.Positive(threshold);
        if (threshold > 1)
            throw new ArgumentOutOfRangeException(nameof(threshold), $"threshold must be at most 1, was {threshold}");
        ArgumentNullException.ThrowIfNull(samples);
        if (samples.NumberOfElements == 0)
            throw new ArgumentException(
                $"samples are empty, was ({string.Join(", ", samples.shape)}); give at least one sample",
                nameof(samples)
            );
        using var scope = torch.NewDisposeScope();
        return GapRatio.Of(samples, training, kind).lt(threshold).cpu().data<bool>().ToArray();
    }
}
