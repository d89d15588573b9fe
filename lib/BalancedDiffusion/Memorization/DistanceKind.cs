namespace BalancedDiffusion.Memorization;

/// <summary>How far apart two samples are.</summary>
public enum DistanceKind
{
    /// <summary>The Euclidean distance <c>‖a - b‖</c>, ≥ 0.</summary>
    Euclidean,

    /// <summary>One minus the uncentred cosine, <c>1 - aᵀb/(‖a‖ ‖b‖)</c>, in [0, 2].</summary>
    Cosine,
}
