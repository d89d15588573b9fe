using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>Euler's method on the probability-flow equation <c>dx/dsigma = (x - f(x; sigma))/sigma</c>: first order, deterministic, one evaluation a step.</summary>
public sealed record EulerSampler : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed, IProgress<int>? progress = null, CancellationToken cancellation = default, long firstIndex = 0) =>
        SamplerLoop.Run(denoiser, start, sigmas, progress, cancellation, (x, sigma, next, estimate) =>
        {
            var clean = estimate(x, sigma);
            // The step written as a mean of x and f, so that a step to 0 ends on f exactly.
            return clean * (1 - next / sigma) + x * (next / sigma);
        });
}
