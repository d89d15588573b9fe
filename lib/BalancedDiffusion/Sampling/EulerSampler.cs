using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// Euler's method on the probability-flow equation <c>dx/dsigma = (x - f(x; sigma))/sigma</c>: first order,
/// deterministic, one evaluation a step. <see cref="DdimSampler"/> with eta = 0 is the same method.
/// </summary>
public sealed record EulerSampler : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    ) =>
        // The step written as a mean of x and f, so that a step to 0 ends on f exactly.
        SamplerLoop.Run(
            denoiser,
            start,
            sigmas,
            options,
            step => step.X.lerp_(step.Estimate(step.X, step.Sigma), 1 - step.Next / step.Sigma)
        );
}
