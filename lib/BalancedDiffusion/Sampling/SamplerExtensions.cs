using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>What every sampler can do.</summary>
public static class SamplerExtensions
{
    /// <summary>Samples from noisy starts along decreasing levels, with the options as separate arguments; see
    /// <see cref="ISampler.Sample"/>.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="start">Starts at the first level, (batch, SampleShape…), floating point; left as they
    /// are.</param>
    /// <param name="sigmas">At least two noise levels, finite, strictly decreasing; the last may be 0.</param>
    /// <param name="seed">The seed of the injected noise.</param>
    /// <param name="progress">Told the number of steps done, or null.</param>
    /// <param name="firstIndex">The index of row 0 among all samples of this seed, ≥ 0.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>Samples, the shape and type of <paramref name="start"/>. The caller owns them.</returns>
    public static torch.Tensor Sample(
        this ISampler sampler,
        IDenoiser denoiser,
        torch.Tensor start,
        IReadOnlyList<double> sigmas,
        long seed,
        IProgress<int>? progress = null,
        long firstIndex = 0,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(sampler);
        Guard.AtLeast(firstIndex, 0);
        return sampler.Sample(
            denoiser,
            start,
            sigmas,
            new SamplingOptions
            {
                Seed = seed,
                FirstIndex = firstIndex,
                Progress = progress,
                Cancellation = cancellation,
            }
        );
    }

    /// <summary>Generates samples from starts ~ N(0, sigmas[0]² I), with the options as separate arguments. Sample i
    /// is the same however many are drawn with it and in whatever batches.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="count">How many samples, ≥ 1.</param>
    /// <param name="sigmas">Noise levels, as for <see cref="ISampler.Sample"/>.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="batch">How many are sampled at once, ≥ 1.</param>
    /// <param name="device">Where, CPU where null; the noise is drawn on the CPU in any case, so that it is the same
    /// everywhere.</param>
    /// <param name="progress">Told the number of steps done over all batches, or null.</param>
    /// <param name="firstIndex">The index of the first sample, ≥ 0: 7 with count 1 draws sample 7 alone.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>(count, SampleShape…), float32. The caller owns them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A count is out of its range.</exception>
    /// <exception cref="ArgumentException">The levels do not decrease.</exception>
    /// <exception cref="InvalidOperationException">The denoiser gave NaN, infinity or a wrong shape.</exception>
    public static torch.Tensor Draw(
        this ISampler sampler,
        IDenoiser denoiser,
        int count,
        IReadOnlyList<double> sigmas,
        long seed,
        int batch = 256,
        torch.Device? device = null,
        IProgress<int>? progress = null,
        long firstIndex = 0,
        CancellationToken cancellation = default
    )
    {
        Guard.AtLeast(batch, 1);
        Guard.AtLeast(firstIndex, 0);
        return sampler.Draw(
            denoiser,
            count,
            sigmas,
            new SamplingOptions
            {
                Seed = seed,
                BatchSize = batch,
                Device = device,
                Progress = progress,
                Cancellation = cancellation,
                FirstIndex = firstIndex,
            }
        );
    }

    /// <summary>Generates samples from starts ~ N(0, sigmas[0]² I). Sample i is the same however many are drawn with
    /// it and in whatever batches.</summary>
    /// <param name="sampler">The sampler.</param>
    /// <param name="denoiser">The denoiser.</param>
    /// <param name="count">How many samples, ≥ 1.</param>
    /// <param name="sigmas">Noise levels, as for <see cref="ISampler.Sample"/>.</param>
    /// <param name="options">Seed, batch size, type, device, record, progress, cancellation.</param>
    /// <returns>(count, SampleShape…), of the type of the options. The caller owns them.</returns>
    /// <exception cref="ArgumentOutOfRangeException">count is below 1.</exception>
    /// <exception cref="ArgumentException">The levels do not decrease.</exception>
    /// <exception cref="InvalidOperationException">The denoiser gave NaN, infinity or a wrong shape.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static torch.Tensor Draw(
        this ISampler sampler,
        IDenoiser denoiser,
        int count,
        IReadOnlyList<double> sigmas,
        SamplingOptions options
    )
    {
        ArgumentNullException.ThrowIfNull(sampler);
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(sigmas);
        ArgumentNullException.ThrowIfNull(options);
        Guard.AtLeast(count, 1);
        SamplerLoop.CheckLevels(sigmas);
        using var scope = torch.NewDisposeScope();
        var samples = torch.empty(
            [count, .. denoiser.SampleShape],
            dtype: options.Type,
            device: options.Device ?? torch.CPU
        );
        for (var offset = 0L; offset < count; offset += options.BatchSize)
        {
            using var step = torch.NewDisposeScope();
            var rows = (int)Math.Min(options.BatchSize, count - offset);
            var part = options with
            {
                FirstIndex = options.FirstIndex + offset,
                Progress = options.Progress is { } report
                    ? new ShiftedProgress(report, (int)(offset / options.BatchSize) * (sigmas.Count - 1))
                    : null,
            };
            samples
                .narrow(0, offset, rows)
                .copy_(sampler.Sample(denoiser, DrawStarts(rows, denoiser.SampleShape, sigmas[0], part), sigmas, part));
        }
        return samples.MoveToOuterDisposeScope();
    }

    /// <summary>Starts distributed as N(0, sigma² I), each from a stream of its own.</summary>
    /// <param name="sampleShape">The shape of one sample.</param>
    /// <param name="count">How many, ≥ 1.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="device">Where the result lies, CPU where null.</param>
    /// <param name="firstIndex">The index of the first, ≥ 0.</param>
    /// <returns>(count, SampleShape…), float32. The caller owns them.</returns>
    public static torch.Tensor Starts(
        IReadOnlyList<long> sampleShape,
        int count,
        double sigma,
        long seed,
        torch.Device? device = null,
        long firstIndex = 0
    )
    {
        ArgumentNullException.ThrowIfNull(sampleShape);
        Guard.AtLeast(count, 1);
        Guard.Sigma(sigma);
        Guard.AtLeast(firstIndex, 0);
        return DrawStarts(
            count,
            sampleShape,
            sigma,
            new SamplingOptions
            {
                Seed = seed,
                Device = device,
                FirstIndex = firstIndex,
            }
        );
    }

    private static torch.Tensor DrawStarts(
        int count,
        IReadOnlyList<long> sampleShape,
        double sigma,
        SamplingOptions options
    ) =>
        GaussianNoise
            .DrawEach(
                [count, .. sampleShape],
                Seeds.Derive(options.Seed, "start"),
                options.FirstIndex,
                0,
                options.Type,
                options.Device
            )
            .mul_(sigma);
}
