using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>What every sampler can do.</summary>
public static class SamplerExtensions
{
    /// <summary>Draws samples from starts of law N(0, sigmas[0]² I). Sample i is the same however many are drawn with it and in whatever batches.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="count">How many samples, ≥ 1.</param>
    /// <param name="sigmas">Noise levels, as for <see cref="ISampler.Sample"/>.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="batch">How many are walked at once, ≥ 1.</param>
    /// <param name="device">Where, CPU where null; the noise is drawn on the CPU in any case, so that it is the same everywhere.</param>
    /// <param name="progress">Told the number of steps done over all batches, or null.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <param name="firstIndex">The index of the first sample, ≥ 0: 7 with count 1 draws sample 7 alone.</param>
    /// <returns>(count, SampleShape…), float32. The caller owns them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A count is out of its range.</exception>
    /// <exception cref="ArgumentException">The levels do not decrease.</exception>
    /// <exception cref="InvalidOperationException">The denoiser gave NaN, infinity or a wrong shape.</exception>
    public static torch.Tensor Draw(this ISampler sampler, IDenoiser denoiser, int count, IReadOnlyList<double> sigmas, long seed, int batch = 256,
        torch.Device? device = null, IProgress<int>? progress = null, CancellationToken cancellation = default, long firstIndex = 0)
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sigmas);
        Guard.AtLeast(count, 1);
        Guard.AtLeast(batch, 1);
        Guard.AtLeast(firstIndex, 0);
        SamplerLoop.CheckLevels(sigmas);
        using var scope = torch.NewDisposeScope();
        var parts = new List<torch.Tensor>();
        for (var at = 0; at < count; at += batch)
        {
            using var step = torch.NewDisposeScope();
            var start = Starts(denoiser.SampleShape, Math.Min(batch, count - at), sigmas[0], seed, device, firstIndex + at);
            var before = at / batch * (sigmas.Count - 1);
            var part = progress is null ? null : new Shifted(progress, before);
            parts.Add(sampler.Sample(denoiser, start, sigmas, seed, part, cancellation, firstIndex + at).MoveToOuterDisposeScope());
        }
        return torch.cat(parts, 0).MoveToOuterDisposeScope();
    }

    /// <summary>Starts of law N(0, sigma² I), each from a stream of its own.</summary>
    /// <param name="sampleShape">The shape of one sample.</param>
    /// <param name="count">How many, ≥ 1.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="device">Where the result lies, CPU where null.</param>
    /// <param name="firstIndex">The index of the first, ≥ 0.</param>
    /// <returns>(count, SampleShape…), float32. The caller owns them.</returns>
    public static torch.Tensor Starts(IReadOnlyList<long> sampleShape, int count, double sigma, long seed, torch.Device? device = null, long firstIndex = 0)
    {
        ArgumentNullException.ThrowIfNull(sampleShape);
        Guard.AtLeast(count, 1);
        Guard.Sigma(sigma);
        Guard.AtLeast(firstIndex, 0);
        using var scope = torch.NewDisposeScope();
        var starts = torch.empty([count, .. sampleShape], dtype: torch.float32);
        for (var i = 0; i < count; i++)
        {
            using var step = torch.NewDisposeScope();
            using var generator = Seeds.Generator(Seeds.Derive(Seeds.Derive(seed, "start"), firstIndex + i));
            starts[i].copy_(torch.randn([.. sampleShape], dtype: torch.float32, generator: generator));
        }
        return starts.mul_(sigma).to(device ?? torch.CPU).alias().MoveToOuterDisposeScope();
    }

    /// <summary>Fresh normal noise in the shape, type and place of x, row r from stream r.</summary>
    internal static torch.Tensor Noise(torch.Tensor x, torch.Generator[] streams)
    {
        var noise = torch.empty(x.shape, dtype: torch.float32);
        for (var r = 0; r < streams.Length; r++)
        {
            using var step = torch.NewDisposeScope();
            noise[r].copy_(torch.randn(x.shape[1..], dtype: torch.float32, generator: streams[r]));
        }
        return noise.to(x.device).to_type(x.dtype);
    }

    private sealed class Shifted(IProgress<int> progress, int before) : IProgress<int>
    {
        public void Report(int value) => progress.Report(before + value);
    }
}
