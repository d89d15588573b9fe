using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>Noise levels whose logarithm is uniform between two bounds, as the paper's ReLU diffusion is trained
/// with.</summary>
public sealed record LogUniformSigma : ISigmaDistribution
{
    /// <summary>A log-uniform distribution on [min, max].</summary>
    /// <param name="min">The least level, &gt; 0.</param>
    /// <param name="max">The greatest level, &gt; min.</param>
    public LogUniformSigma(double min, double max)
    {
        Guard.Sigma(min);
        Guard.Sigma(max);
        if (max <= min)
            throw new ArgumentOutOfRangeException(nameof(max), $"max must be above min = {min}, was {max}");
        (Min, Max) = (min, max);
    }

    /// <summary>The least level.</summary>
    public double Min { get; }

    /// <summary>The greatest level.</summary>
    public double Max { get; }

    /// <inheritdoc/>
    public torch.Tensor Draw(long count, torch.Generator generator, torch.Device device) =>
        torch
            .rand([count], dtype: torch.float32, device: device, generator: generator)
            .mul_(Math.Log(Max / Min))
            .add_(Math.Log(Min))
            .exp_()
            .alias();
}
