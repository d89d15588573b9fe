using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// Euler's method for the probability-flow equation <c>dy/dsigma = (y - f(y))/sigma</c> (Karras et al. 2022, equation 1 with
/// sigma(t) = t): one denoiser call a step, first order, deterministic.
/// </summary>
public sealed class EulerSampler : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed = 0, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        SamplerRun.Run(denoiser, start, sigmas, progress, cancellation, (x, i, from, to) =>
            torch.lerp(SamplerRun.Ask(denoiser, x, from, i), x, to / from));
}
