namespace BalancedDiffusion.Memorization;

/// <summary>A baseline of the paper's table and whether it applies to a model.</summary>
/// <param name="Method">Whose it is.</param>
/// <param name="Detector">The detector, or null where it does not apply.</param>
/// <param name="WhyNot">One sentence that says why it does not apply, or null.</param>
public sealed record DetectionBaseline(string Method, IMemorizationDetector? Detector, string? WhyNot);
