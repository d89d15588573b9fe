using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>The distribution of the noise levels in training.</summary>
public interface ISigmaDistribution
{
    /// <summary>Draws one noise level per sample.</summary>
    /// <param name="count">How many, ≥ 1.</param>
    /// <param name="generator">The source of randomness.</param>
    /// <param name="device">Where the result lies; the generator must live there too.</param>
    /// <returns>Noise levels, shape (count), float32, all &gt; 0.</returns>
    torch.Tensor Draw(long count, torch.Generator generator, torch.Device device);
}
