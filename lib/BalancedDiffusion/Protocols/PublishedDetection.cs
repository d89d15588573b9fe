namespace BalancedDiffusion.Protocols;

/// <summary>A row of the paper's Table 1: what a method reaches on one pair of model and data. Shown beside our own
/// numbers, never used in their place.</summary>
/// <param name="Method">The method's name or its authors'.</param>
/// <param name="NeedsCondition">Whether it needs the prompt.</param>
/// <param name="Auroc">The area under the ROC curve.</param>
/// <param name="TruePositiveRate">At 1 % of false positives.</param>
/// <param name="Seconds">For one image, on the authors' machine.</param>
public sealed record PublishedDetection(
    string Method,
    bool NeedsCondition,
    double Auroc,
    double TruePositiveRate,
    double Seconds
);
