using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// Heun's method for the probability-flow equation (Karras et al. 2022, algorithm 1): an Euler step, corrected by the mean of the slopes at both
/// ends; two denoiser calls a step, second order, deterministic. The step to sigma = 0 is an Euler step.
/// </summary>
public sealed class HeunSampler : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed = 0, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        SamplerRun.Run(denoiser, start, sigmas, progress, cancellation, (x, i, from, to) =>
        {
            var slope = (x - SamplerRun.Ask(denoiser, x, from, i)) / from;
            var euler = x + (to - from) * slope;
            if (to == 0) return euler;
            var slopeAtEnd = (euler - SamplerRun.Ask(denoiser, euler, to, i)) / to;
            return x + (to - from) / 2 * (slope + slopeAtEnd);
        });
}
