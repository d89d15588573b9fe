using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// Heun's method on the probability-flow equation (Karras et al. 2022): second order, two evaluations a step, one for a
/// step to 0. Deterministic (algorithm 1) unless <see cref="Churn"/> is set (algorithm 2): then each step first raises
/// the level from sigma to <c>sigma' = (1 + gamma) sigma</c>, <c>gamma = min(Churn/N, sqrt 2 - 1)</c>, by noise of
/// variance <c>ChurnNoise² (sigma'² - sigma²)</c>, and steps down from there.
/// </summary>
/// <param name="Churn">S_churn, ≥ 0.</param>
/// <param name="ChurnMin">S_tmin: levels below are not raised.</param>
/// <param name="ChurnMax">S_tmax: levels above are not raised.</param>
/// <param name="ChurnNoise">S_noise, &gt; 0: 1 keeps the distribution, EDM takes a little more to make up for
/// denoisers that remove too much.</param>
public sealed record HeunSampler(
    double Churn = 0,
    double ChurnMin = 0,
    double ChurnMax = double.PositiveInfinity,
    double ChurnNoise = 1
) : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    )
    {
        Guard.NotNegative(Churn);
        Guard.NotNegative(ChurnMin);
        Guard.Positive(ChurnNoise);
        if (!(ChurnMax >= ChurnMin))
            throw new ArgumentOutOfRangeException(
                nameof(ChurnMax),
                $"ChurnMax must be at least ChurnMin = {ChurnMin}, was {ChurnMax}"
            );
        return SamplerLoop.Run(
            denoiser,
            start,
            sigmas,
            options,
            step =>
            {
                var (x, sigma, next) = (step.X, step.Sigma, step.Next);
                if (Churn > 0 && sigma >= ChurnMin && sigma <= ChurnMax)
                {
                    var gamma = Math.Min(Churn / step.Count, Math.Sqrt(2) - 1);
                    x.add_(step.Noise(), alpha: ChurnNoise * sigma * Math.Sqrt(gamma * (2 + gamma)));
                    sigma *= 1 + gamma;
                }
                var clean = step.Estimate(x, sigma);
                if (next == 0)
                {
                    x.copy_(clean);
                    return;
                }
                // With the prediction p = x + h (x - f)/sigma, the mean of both slopes carries x to (x + p)/2 + h/2 ·
                // (p - f')/next.
                var predicted = torch.lerp(x, clean, 1 - next / sigma);
                x.add_(predicted).mul_(0.5);
                var cleanThere = step.Estimate(predicted, next);
                x.add_(predicted.sub_(cleanThere), alpha: (next - sigma) / (2 * next));
            }
        );
    }
}
