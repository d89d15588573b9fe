using BalancedDiffusion.Representations;

namespace BalancedDiffusion.Memorization;

/// <summary>Which measure of <see cref="Spikiness"/> a <see cref="SpikinessDetector"/> scores by; each is turned so
/// that higher means more memorized.</summary>
public enum SpikinessMeasure
{
    /// <summary>The population standard deviation, the paper's. It grows with the sample's norm: where samples differ
    /// in norm as much as in spikiness, a scale-free measure tells them better.</summary>
    StandardDeviation,

    /// <summary><c>‖h‖₄ / ‖h‖₂</c>.</summary>
    L4OverL2,

    /// <summary>Minus the participation ratio, the effective number of active units; a representation that is zero
    /// everywhere counts as balanced, minus the number of units.</summary>
    ParticipationRatio,

    /// <summary>The largest unit's share of the energy.</summary>
    LargestShare,
}
