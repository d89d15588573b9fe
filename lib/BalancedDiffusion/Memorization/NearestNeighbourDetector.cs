using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// The oracle: minus the <see cref="GapRatio"/> to the training set, in [-1, 0]. It needs the training data, which no
/// other detector sees; labels that are assigned by the gap ratio (<see cref="ReplicationLabels"/>) with the same set
/// and distance are this score cut at a threshold, so against them it is perfect by construction: the ceiling, not a
/// rival.
/// </summary>
public sealed class NearestNeighbourDetector : IMemorizationDetector
{
    private readonly torch.Tensor training;
    private readonly DistanceKind kind;

    /// <summary>An oracle for a training set.</summary>
    /// <param name="training">(n, SampleShape…), n ≥ 2, floating point, finite, without duplicates. Shared, not
    /// copied: keep it while the detector is in use.</param>
    /// <param name="kind">The distance.</param>
    /// <exception cref="ArgumentException">There are fewer than two training samples, or they are no such
    /// set.</exception>
    public NearestNeighbourDetector(torch.Tensor training, DistanceKind kind = DistanceKind.Euclidean)
    {
        ArgumentNullException.ThrowIfNull(training);
        if (training.dim() < 2 || training.shape.Skip(1).Contains(0))
            throw new ArgumentException(
                "training must have shape (n, d) or (n, channels, height, width), was "
                    + $"({string.Join(", ", training.shape)})",
                nameof(training)
            );
        if (training.shape[0] < 2)
            throw new ArgumentException(
                $"the gap ratio needs at least two training samples, was {training.shape[0]}",
                nameof(training)
            );
        if (!training.is_floating_point())
            throw new ArgumentException(
                $"training must hold floating-point numbers, was {training.dtype}; convert it first",
                nameof(training)
            );
        Guard.Finite(training);
        if (!Enum.IsDefined(kind))
            throw new ArgumentOutOfRangeException(nameof(kind), $"kind must be Euclidean or Cosine, was {kind}");
        (this.training, this.kind) = (training, kind);
    }

    /// <inheritdoc/>
    public string Name { get; init; } = "nearest neighbour (oracle)";

    /// <inheritdoc/>
    /// <remarks>Adds no noise: the seed is not used.</remarks>
    public torch.Tensor Score(torch.Tensor samples, long seed, long firstIndex = 0)
    {
        DetectorInput.Check(samples, training.shape[1..], firstIndex);
        using var scope = torch.NewDisposeScope();
        return DetectorInput.ToCaller(GapRatio.Of(samples, training, kind).neg_());
    }
}
