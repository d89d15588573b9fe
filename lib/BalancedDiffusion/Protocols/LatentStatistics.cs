namespace BalancedDiffusion.Protocols;

/// <summary>Mean and standard deviation of the latents of images, per channel, in the units of the encoder.</summary>
/// <param name="Mean">One number a channel.</param>
/// <param name="StandardDeviation">One number a channel, &gt; 0.</param>
public sealed record LatentStatistics(IReadOnlyList<double> Mean, IReadOnlyList<double> StandardDeviation);
