using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// DDIM (Song et al. 2021, equation 12). In the notation <c>y = x + sigma eps</c>, with the predicted noise <c>e = (x -
/// f)/s</c>, it reads <c>x' = f + sqrt(s'² - τ²) e + τ z</c>, <c>τ = eta s' sqrt(1 - s'²/s²)</c>; dividing by
/// <c>sqrt(1 + s'²)</c> gives its own form in alphaBar = 1/(1 + s²) (see <see cref="Noise.VariancePreserving"/>). A
/// step to 0 ends on f.
/// </summary>
/// <param name="Eta">From 0 to 1: 0 is deterministic and equals <see cref="EulerSampler"/>, 1 equals
/// <see cref="DdpmSampler"/>.</param>
public sealed record DdimSampler(double Eta = 0) : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        SamplingOptions? options = null
    )
    {
        if (!(Eta >= 0) || !(Eta <= 1))
            throw new ArgumentOutOfRangeException(nameof(Eta), $"Eta must be from 0 to 1, was {Eta}");
        return SamplerLoop.Run(
            denoiser,
            start,
            sigmas,
            options,
            step =>
            {
                var ratio = step.Next / step.Sigma;
                var removed = (1 - ratio) * (1 + ratio);
                step.X.lerp_(step.Estimate(step.X, step.Sigma), 1 - ratio * Math.Sqrt(1 - Eta * Eta * removed));
                if (Eta > 0 && step.Next > 0)
                    step.X.add_(step.Noise(), alpha: Eta * step.Next * Math.Sqrt(removed));
            }
        );
    }
}
