using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>Starts a sampler from pure noise.</summary>
public static class SamplerExtensions
{
    /// <summary>Draws samples: starts from <c>N(0, sigmas[0]² I)</c> and runs the sampler down to the last level.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="denoiser">The denoiser to follow.</param>
    /// <param name="count">How many samples, ≥ 1.</param>
    /// <param name="sigmas">Noise levels as <see cref="ISampler.Sample"/> wants them.</param>
    /// <param name="seed">The seed; sample i depends on it and on i alone, not on <paramref name="count"/>.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <param name="device">The device, the CPU where none is named; the starting noise is drawn on the CPU, so that it is the same on all.</param>
    /// <param name="progress">Told the number of steps done, after each.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>Samples, (count, SampleShape…), which the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    public static torch.Tensor Draw(this ISampler sampler, IDenoiser denoiser, int count, IReadOnlyList<double> sigmas, long seed,
        torch.ScalarType dtype = torch.ScalarType.Float32, torch.Device? device = null, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sigmas);
        Guard.AtLeast(count, 1);
        if (sigmas.Count == 0) throw new ArgumentException("sigmas must name at least two noise levels, was 0", nameof(sigmas));
        using var scope = torch.NewDisposeScope();
        var start = torch.empty([count, .. denoiser.SampleShape], dtype: dtype);
        var generators = SamplerRun.Generators(Seeds.Derive(seed, "start"), count);
        try
        {
            start = SamplerRun.Noise(start, generators).mul_(sigmas[0]).to(device ?? torch.CPU);
        }
        finally
        {
            foreach (var generator in generators) generator.Dispose();
        }
        return sampler.Sample(denoiser, start, sigmas, Seeds.Derive(seed, "steps"), progress, cancellation).MoveToOuterDisposeScope();
    }
}
