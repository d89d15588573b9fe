using BalancedDiffusion.Noise;
using TorchSharp;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>What an autoencoder says of the latents of images: independent normal numbers. The caller owns both
/// tensors; disposing it disposes them.</summary>
/// <param name="Mean">(batch, latent channels, height, width).</param>
/// <param name="LogVariance">The natural logarithm of the variance, the same shape, in [-30, 20].</param>
public sealed record DiagonalGaussian(torch.Tensor Mean, torch.Tensor LogVariance) : IDisposable
{
    /// <summary>Latents drawn from the distribution; row i depends on (seed, i) only.</summary>
    /// <param name="seed">The seed.</param>
    /// <returns>(batch, latent channels, height, width). The caller owns it.</returns>
    public torch.Tensor Draw(long seed)
    {
        using var scope = torch.NewDisposeScope();
        var noise = GaussianNoise.DrawEach(Mean.shape, seed, device: Mean.device).to_type(Mean.dtype);
        return (Mean + LogVariance.mul(0.5).exp() * noise).MoveToOuterDisposeScope();
    }

    /// <summary>Disposes the two tensors.</summary>
    public void Dispose()
    {
        Mean.Dispose();
        LogVariance.Dispose();
    }
}
