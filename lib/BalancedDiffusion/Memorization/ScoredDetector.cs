namespace BalancedDiffusion.Memorization;

/// <summary>A detector's scores on samples, one of several settings that <see cref="LeaveOneImageOut"/> may choose
/// from.</summary>
/// <param name="Name">Detector and settings.</param>
/// <param name="Scores">The score of each sample, in their order; the higher, the more likely memorized.</param>
public sealed record ScoredDetector(string Name, IReadOnlyList<double> Scores);
