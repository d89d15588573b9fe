using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// Unadjusted Langevin dynamics at one noise level, for a denoiser that knows only one: <c>y += (ε/2) score(y) +
/// sqrt(ε) z</c> with the score <c>(f(y) - y)/sigma²</c> of the smoothed distribution p * N(0, sigma² I), which it
/// samples up to the step's bias; the last estimate f(y) takes the noise off.
/// </summary>
/// <remarks>For data N(m, v) the chain's distribution is exactly N(m, V/(1 - ε/(4V))), V = v + sigma², so the
/// variance is too large by the share ε/(4V) at first order. Where the data are flat V = sigma², and the chain grows
/// without bound from ε = 4 sigma² on.</remarks>
/// <param name="Sigma">The noise level, &gt; 0.</param>
/// <param name="StepSize">ε, &gt; 0 and below 4 Sigma²; a tenth of Sigma² keeps the bias of flat directions at 2.6
/// %.</param>
/// <param name="Steps">How many steps, ≥ 1.</param>
/// <param name="Denoise">Whether the result is f(y) (default) or the noisy y itself.</param>
public sealed record LangevinSampler(double Sigma, double StepSize, int Steps, bool Denoise = true)
{
    /// <summary>Runs the chain from given starts, without recording a gradient.</summary>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="start">Starts, (batch, SampleShape…), floating point; left as they are. Noisy training samples,
    /// or <see cref="SamplerExtensions.Starts"/>.</param>
    /// <param name="options">Seed, record, progress, cancellation; null for the defaults.</param>
    /// <returns>Samples, the shape and type of <paramref name="start"/>. The caller owns them.</returns>
    /// <exception cref="ArgumentException">A number is out of its range, a shape does not fit, or the start is not
    /// finite.</exception>
    /// <exception cref="InvalidOperationException">The denoiser gave NaN, infinity or a wrong shape; the message names
    /// the step and the level.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, SamplingOptions? options = null)
    {
        Guard.Sigma(Sigma, nameof(Sigma));
        Guard.Positive(StepSize);
        Guard.AtLeast(Steps, 1);
        if (StepSize >= 4 * Sigma * Sigma)
            throw new ArgumentOutOfRangeException(
                nameof(StepSize),
                $"StepSize must be below 4 Sigma² = {4 * Sigma * Sigma}, where the chain grows without bound, "
                    + $"was {StepSize}"
            );
        SamplerLoop.CheckStart(denoiser, start);
        var weight = StepSize / (2 * Sigma * Sigma);
        return SamplerLoop.Integrate(
            denoiser,
            start,
            [.. Enumerable.Repeat(Sigma, Steps + 1)],
            options ?? new SamplingOptions(),
            step =>
            {
                step.X.lerp_(step.Estimate(step.X, Sigma), weight);
                step.X.add_(step.Noise(), alpha: Math.Sqrt(StepSize));
            },
            Denoise
        );
    }
}
