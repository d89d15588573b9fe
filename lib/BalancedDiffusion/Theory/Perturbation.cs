namespace BalancedDiffusion.Theory;

/// <summary>One row of a certificate's perturbation table.</summary>
/// <param name="What">What was moved, in words.</param>
/// <param name="RelativeSize">By how much, as a signed fraction of what was moved.</param>
/// <param name="LossChange">By how much the objective changed; where several were tried, the smallest change.</param>
public sealed record Perturbation(string What, double RelativeSize, double LossChange);
