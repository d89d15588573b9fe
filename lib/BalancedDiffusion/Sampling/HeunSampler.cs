using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// Heun's method on the probability-flow equation (Karras et al. 2022, algorithm 1): second order, deterministic, two evaluations a step, one
/// for a step to 0.
/// </summary>
public sealed record HeunSampler : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed, IProgress<int>? progress = null, CancellationToken cancellation = default, long firstIndex = 0) =>
        SamplerLoop.Run(denoiser, start, sigmas, progress, cancellation, (x, sigma, next, estimate) =>
        {
            var clean = estimate(x, sigma);
            var predicted = clean * (1 - next / sigma) + x * (next / sigma);
            if (next == 0) return predicted;
            var slope = (x - clean) / sigma;
            var slopeThere = (predicted - estimate(predicted, next)) / next;
            return x + (slope + slopeThere) * (0.5 * (next - sigma));
        });
}
