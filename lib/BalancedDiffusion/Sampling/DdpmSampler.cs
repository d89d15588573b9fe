using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// DDPM's ancestral step (Ho et al. 2020, with the posterior's variance): a draw from q(x' | x, x0 = f). In the
/// notation <c>y = x + sigma eps</c> it reads <c>x' = f + (s'²/s²)(x - f) + s' sqrt(1 - s'²/s²) z</c>; DDPM's own
/// <c>z_t = y/sqrt(1 + s²)</c>, <c>alphaBar = 1/(1 + s²)</c>, <c>betaTilde = (1 - alphaBar')/(1 - alphaBar) ·
/// beta</c> give the same step (see <see cref="Noise.VariancePreserving"/>). A step to 0 ends on f without noise.
/// </summary>
/// <remarks>
/// It is <see cref="DdimSampler"/> with eta = 1. With the exact f it reaches the true distribution at first order in
/// the number of steps, from below: a step omits the spread of x0 given x; for data N(0, v) the variance that a step
/// ends with is short by v δ²/(s²(v + s²)), δ = s² - s'². See <see cref="ReverseDiffusionSampler"/> for the
/// authors' step, which is too wide instead.
/// </remarks>
public sealed record DdpmSampler : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    ) =>
        SamplerLoop.Run(
            denoiser,
            start,
            sigmas,
            options,
            step =>
            {
                var removed = (1 - step.Next / step.Sigma) * (1 + step.Next / step.Sigma);
                step.X.lerp_(step.Estimate(step.X, step.Sigma), removed);
                if (step.Next > 0)
                    step.X.add_(step.Noise(), alpha: step.Next * Math.Sqrt(removed));
            }
        );
}
