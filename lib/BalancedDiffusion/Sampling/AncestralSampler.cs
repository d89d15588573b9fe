using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// The variance-exploding ancestral step of the authors' code,
/// <c>x ← x + (s_i² - s_{i+1}²)/s_i² (f(x) - x) + sqrt(s_i² - s_{i+1}²) z</c>: the Euler–Maruyama step of the reverse equation in the
/// variance. The step to sigma = 0 adds no noise and returns the denoiser's answer.
/// </summary>
/// <param name="clamp">Whether every state is clamped to [-1, 1], as the authors do; off by default, since it changes the law that is sampled.</param>
public sealed class AncestralSampler(bool clamp = false) : ISampler
{
    /// <inheritdoc/>
    public torch.Tensor Sample(IDenoiser denoiser, torch.Tensor start, IReadOnlyList<double> sigmas, long seed = 0, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(start);
        var generators = SamplerRun.Generators(seed, start.dim() == 0 ? 0 : start.shape[0]);
        try
        {
            return SamplerRun.Run(denoiser, start, sigmas, progress, cancellation, (x, i, from, to) =>
            {
                var variance = from * from - to * to;
                var next = torch.lerp(x, SamplerRun.Ask(denoiser, x, from, i), variance / (from * from));
                if (to > 0) next = next + Math.Sqrt(variance) * SamplerRun.Noise(x, generators);
                return clamp ? next.clamp(-1, 1) : next;
            });
        }
        finally
        {
            foreach (var generator in generators) generator.Dispose();
        }
    }
}
