using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// The variance-exploding ancestral step of the paper: <c>x += (s² - s'²)(f - x)/s² + sqrt(s² - s'²) z</c> with fresh normal z. A step to 0 ends on f
/// without noise, unless <see cref="NoiseIntoZero"/>.
/// </summary>
/// <param name="Clamp">Where set, x is clamped to [-Clamp, Clamp] after every step, as the authors do with 1; it bends the law and is off by default.</param>
/// <param name="NoiseIntoZero">Whether the step to 0 adds its noise too, as the formula read to the letter does.</param>
public sealed record AncestralSampler(double? Clamp = null, bool NoiseIntoZero = false) : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed, IProgress<int>? progress = null, CancellationToken cancellation = default, long firstIndex = 0)
    {
        if (Clamp is { } bound) Guard.Positive(bound, nameof(Clamp));
        Guard.AtLeast(firstIndex, 0);
        ArgumentNullException.ThrowIfNull(start);
        var streams = Enumerable.Range(0, (int)(start.dim() > 0 ? start.shape[0] : 0)).Select(r => Seeds.Generator(Seeds.Derive(Seeds.Derive(seed, "ancestral"), firstIndex + r))).ToArray();
        try
        {
            return SamplerLoop.Run(denoiser, start, sigmas, progress, cancellation, (x, sigma, next, estimate) =>
            {
                var kept = next / sigma * (next / sigma);
                var fresh = estimate(x, sigma) * (1 - kept) + x * kept;
                if (next > 0 || NoiseIntoZero) fresh.add_(SamplerExtensions.Noise(x, streams).mul_(sigma * Math.Sqrt(1 - kept)));
                if (Clamp is { } limit) fresh.clamp_(-limit, limit);
                return fresh;
            });
        }
        finally
        {
            foreach (var stream in streams) stream.Dispose();
        }
    }
}
