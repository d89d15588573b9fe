using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>A denoiser that can be conditioned on the class of every sample, and trained with classes.</summary>
public interface IClassDenoiser : IDenoiser
{
    /// <summary>How many classes it knows; 0 where it knows none.</summary>
    long Classes { get; }

    /// <summary>The estimate of the clean samples of known classes.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…), floating point.</param>
    /// <param name="sigma">Noise levels, all &gt; 0 and finite, shape () or (batch).</param>
    /// <param name="labels">One class a sample, shape (batch), int64, each 0 to <see cref="Classes"/> - 1.</param>
    /// <returns>A new tensor of the shape of <paramref name="noisy"/>, which the caller owns.</returns>
    torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma, torch.Tensor labels);

    /// <summary>The estimate at one noise level for the whole batch, without recording a gradient; it equals
    /// <see cref="Denoise(torch.Tensor, torch.Tensor, torch.Tensor)"/> with a scalar tensor of the batch's
    /// type.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…), floating point.</param>
    /// <param name="sigma">The noise level, &gt; 0 and finite.</param>
    /// <param name="labels">One class a sample, shape (batch), int64, each 0 to <see cref="Classes"/> - 1.</param>
    /// <returns>A new tensor of the shape of <paramref name="noisy"/>, which the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite, or a class does not
    /// exist.</exception>
    torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma, torch.Tensor labels)
    {
        Guard.Sigma(sigma);
        ArgumentNullException.ThrowIfNull(noisy);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var level = torch.full([], sigma, dtype: noisy.dtype, device: noisy.device);
        return Denoise(noisy, level, labels).MoveToOuterDisposeScope();
    }
}
