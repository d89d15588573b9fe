using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>What every denoiser can do once it can denoise.</summary>
public static class DenoiserExtensions
{
    /// <summary>Denoises at one noise level for the whole batch, without recording a gradient. (Not an overload of
    /// Denoise: TorchSharp turns a double into a tensor by itself, so that <c>Denoise(noisy, 0.2)</c> means the
    /// interface's own method.)</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…).</param>
    /// <param name="sigma">The noise level, &gt; 0 and finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite.</exception>
    public static torch.Tensor DenoiseAt(this IDenoiser denoiser, torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var level = torch.full([], sigma, dtype: noisy.dtype, device: noisy.device);
        return denoiser.Denoise(noisy, level).MoveToOuterDisposeScope();
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
