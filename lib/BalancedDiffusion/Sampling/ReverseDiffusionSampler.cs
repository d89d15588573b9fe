using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// The variance-exploding ancestral step of the paper's authors: <c>x += (s² - s'²)(f - x)/s² + sqrt(s² - s'²)
/// z</c> with fresh normal z. A step to 0 ends on f without noise, unless <see cref="NoiseIntoZero"/>. It is the
/// reverse-diffusion step of Song et al. (2021).
/// </summary>
/// <remarks>
/// <para><see cref="DdpmSampler"/> takes the same mean with less noise, s'²(s² - s'²)/s². With the exact f both
/// reach the true distribution as steps grow, both at first order: for data N(0, v), where f = v x/(v + s²), a step
/// from the right variance v + s² ends, with δ = s² - s'², at variance</para>
/// <para>v + s'² + δ²/(v + s²) here: too wide, and at v + s'² - v δ²/(s²(v + s²)) there: too narrow.</para>
/// <para>An error of order δ² in each of n steps is one of order 1/n in the end. DDPM is exact for a single point (v
/// = 0) at any number of steps; this step leaves the noise of its last step but one.</para>
/// </remarks>
/// <param name="Clamp">Where set, x is clamped to [-Clamp, Clamp] after every step, as the authors do with 1; it
/// changes the distribution and is off by default.</param>
/// <param name="NoiseIntoZero">Whether the step to 0 adds its noise too, as the formula read to the letter
/// does.</param>
public sealed record ReverseDiffusionSampler(double? Clamp = null, bool NoiseIntoZero = false) : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    )
    {
        if (Clamp is { } bound)
            Guard.Positive(bound, nameof(Clamp));
        return SamplerLoop.Run(
            denoiser,
            start,
            sigmas,
            options,
            step =>
            {
                // A clamp would hide an infinite estimate from the check of the samples.
                step.IsChecking |= Clamp is not null;
                var removed = (1 - step.Next / step.Sigma) * (1 + step.Next / step.Sigma);
                step.X.lerp_(step.Estimate(step.X, step.Sigma), removed);
                if (step.Next > 0 || NoiseIntoZero)
                    step.X.add_(step.Noise(), alpha: step.Sigma * Math.Sqrt(removed));
                if (Clamp is { } limit)
                    step.X.clamp_(-limit, limit);
            }
        );
    }
}
