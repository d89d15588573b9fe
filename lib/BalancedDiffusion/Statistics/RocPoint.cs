namespace BalancedDiffusion.Statistics;

/// <summary>One working point of a detector: what it flags when every score above the threshold counts as
/// positive.</summary>
/// <param name="Threshold">Scores strictly above it are flagged; infinite at the two ends of the curve.</param>
/// <param name="FalsePositiveRate">The share of negatives flagged, in [0, 1].</param>
/// <param name="TruePositiveRate">The share of positives flagged, in [0, 1].</param>
public sealed record RocPoint(double Threshold, double FalsePositiveRate, double TruePositiveRate);
