using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order with one evaluation a step, deterministic. It solves
/// the probability flow in <c>λ = -ln sigma</c>, half the logarithm of the signal-to-noise ratio in either notation:
/// with <c>h = λ' - λ</c> and the last step's <c>h_before</c>, <c>x' = (s'/s) x + (1 - e^-h) D</c>, <c>D = (1 + h/(2
/// h_before)) f - h/(2 h_before) f_before</c>; dividing by <c>sqrt(1 + s'²)</c> gives its own, variance-preserving
/// form. The first step is of first order, and a step to 0, where h is infinite, ends on f.
/// </summary>
public sealed record DpmSolverSampler : ISampler
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
                var clean = step.Estimate(step.X, step.Sigma);
                var weight = 1 - step.Next / step.Sigma;
                if (step.Before is not { } before || step.Next == 0)
                    step.X.lerp_(clean, weight);
                else
                {
                    var extrapolation = Math.Log(step.Sigma / step.Next) / (2 * Math.Log(before / step.Sigma));
                    step.X.lerp_(step.Memory!.lerp_(clean, 1 + extrapolation), weight);
                }
                step.Remember(clean);
            }
        );
}
