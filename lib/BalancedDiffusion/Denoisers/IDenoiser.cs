using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// Estimates a clean sample from a noisy one, <c>y = x + sigma eps</c>. Posterior means, a ReLU-DAE, a deep network and
/// a guided network are all seen through this one interface by samplers, detectors and figures.
/// </summary>
public interface IDenoiser
{
    /// <summary>The shape of one sample without the batch: <c>[d]</c> for vectors, <c>[channels, height, width]</c> for
    /// images.</summary>
    IReadOnlyList<long> SampleShape { get; }

    /// <summary>The estimate of the clean samples.</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…), floating point.</param>
    /// <param name="sigma">Noise levels, all &gt; 0 and finite: a scalar tensor (shape []) or one a sample (shape
    /// [batch]). A denoiser made for one fixed level ignores them.</param>
    /// <returns>A new tensor of the shape of <paramref name="noisy"/>, which the caller owns.</returns>
    torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma);
}
