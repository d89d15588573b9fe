using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>One fixed noise level, as the ReLU-DAE is trained with.</summary>
public sealed record FixedSigma : ISigmaDistribution
{
    /// <summary>A distribution with all its mass on one level.</summary>
    /// <param name="sigma">The level, &gt; 0 and finite.</param>
    public FixedSigma(double sigma)
    {
        Guard.Sigma(sigma);
        Sigma = sigma;
    }

    /// <summary>The level.</summary>
    public double Sigma { get; }

    /// <inheritdoc/>
    public torch.Tensor Draw(long count, torch.Generator generator, torch.Device device) =>
        torch.full(count, Sigma, dtype: torch.float32, device: device);
}
