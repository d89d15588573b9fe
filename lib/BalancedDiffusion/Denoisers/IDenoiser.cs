using BalancedDiffusion.Runtime;
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

    /// <summary>The estimate at one noise level for the whole batch, without recording a gradient: what samplers and
    /// detectors call. It equals <see cref="Denoise"/> with a scalar tensor of the batch's type. A denoiser that asks
    /// another one hands the number on; one that computes turns it into a tensor where it needs one. What is not
    /// overridden makes that tensor here. (Not an overload of Denoise: TorchSharp turns a double into a tensor by
    /// itself, so that <c>Denoise(noisy, 0.2)</c> means the method above.)</summary>
    /// <param name="noisy">Noisy samples, (batch, SampleShape…), floating point.</param>
    /// <param name="sigma">The noise level, &gt; 0 and finite.</param>
    /// <returns>A new tensor of the shape of <paramref name="noisy"/>, which the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not positive and finite.</exception>
    torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        ArgumentNullException.ThrowIfNull(noisy);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var level = torch.full([], sigma, dtype: noisy.dtype, device: noisy.device);
        return Denoise(noisy, level).MoveToOuterDisposeScope();
    }

    /// <summary>The module under whose names the denoiser's layers are recorded and steered (see
    /// <c>ActivationRecorder.ModulesOf</c>): the denoiser itself where it is one, the network that it asks where it
    /// asks one alone, else null.</summary>
    torch.nn.Module? Module => this as torch.nn.Module;
}
