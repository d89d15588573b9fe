using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>What every denoiser can do once it can denoise.</summary>
public static class DenoiserExtensions
{
    /// <summary><see cref="IDenoiser.DenoiseAt"/> for a denoiser seen as its own class that does not override
    /// it.</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <param name="sigma">The noise level, &gt; 0 and finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite.</exception>
    public static torch.Tensor DenoiseAt(this IDenoiser denoiser, torch.Tensor noisy, double sigma)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        // The interface's own member, which comes before this method.
        return denoiser.DenoiseAt(noisy, sigma);
    }

    /// <summary>The score of the noisy distribution by Tweedie's identity, <c>(f(y) - y) / sigma²</c>.</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <param name="sigma">The noise level, &gt; 0 and finite.</param>
    public static torch.Tensor Score(this IDenoiser denoiser, torch.Tensor noisy, double sigma)
    {
        using var clean = denoiser.DenoiseAt(noisy, sigma);
        return clean.sub_(noisy).div_(sigma * sigma).alias();
    }
}
