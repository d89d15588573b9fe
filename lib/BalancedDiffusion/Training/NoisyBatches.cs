using System.Numerics;
using System.Runtime.CompilerServices;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// Draws the batches of a run. What step k draws depends on the seed and on k only, so that a resumed run needs no
/// saved generator. Samples and noise levels come from torch's generator; normal numbers too on another device than the
/// CPU, but on the CPU from streams of the library, which are several times as fast. Its tensors belong to the dispose
/// scope that it is made in.
/// </summary>
internal sealed class NoisyBatches
{
    private readonly torch.Tensor data;
    private readonly ISigmaDistribution noise;
    private readonly torch.Generator generator;
    private readonly long seed,
        count;
    private readonly torch.Tensor? indices,
        batch;
    private readonly torch.Tensor? fixedLevels;
    private bool holdsAll;

    /// <param name="data">Clean samples (n, …), contiguous; the batches view or copy it.</param>
    /// <param name="options">Batch size, noise distribution and seed.</param>
    public NoisyBatches(torch.Tensor data, TrainingOptions options)
    {
        this.data = data;
        noise = options.Noise;
        seed = Seeds.Derive(options.Seed, "training");
        generator = Seeds.Generator(0, data.device);
        count = data.shape[0];
        Size = options.BatchSize == 0 ? count : options.BatchSize;
        if (options.BatchSize > 0)
        {
            indices = torch.zeros([Size], dtype: torch.int64, device: data.device);
            batch = torch.zeros([Size, .. data.shape[1..]], dtype: data.dtype, device: data.device);
        }
        HasOwnNormals = data.device_type == DeviceType.CPU;
        if (noise is FixedSigma f)
            fixedLevels = torch.full(Size, f.Sigma, dtype: data.dtype, device: data.device);
    }

    /// <summary>Samples a step.</summary>
    public long Size { get; }

    /// <summary>Whether normal numbers are drawn from the library's streams. To be set before the first draw only, as
    /// the run that is gone on with had it.</summary>
    public bool HasOwnNormals { get; set; }

    /// <summary>Draws the batch of a step; call it in the step's dispose scope.</summary>
    /// <param name="step">How many updates were made before.</param>
    /// <param name="noisy">The buffer that receives the noisy samples.</param>
    /// <returns>Clean samples, valid until the next draw, and their noise levels, shape (batch).</returns>
    public (torch.Tensor Clean, torch.Tensor Sigma) Draw(long step, torch.Tensor noisy)
    {
        generator.manual_seed(Seeds.Derive(seed, step));
        if (HasOwnNormals && data.dtype == torch.float32 && data.IsPlain() && noisy.IsPlain())
        {
            indices?.random_(0, count, generator);
            var levels = fixedLevels ?? noise.Draw(Size, generator, data.device);
            DrawRows(step, noisy, levels.Numbers<float>());
            return (batch ?? data, levels);
        }
        var clean = batch is null ? data : Gather(batch);
        if (noise is FixedSigma fixedSigma)
        {
            if (HasOwnNormals)
                Normals(step, noisy).mul_(fixedSigma.Sigma).add_(clean);
            else
                noisy.normal_(0, fixedSigma.Sigma, generator).add_(clean);
            return (clean, fixedLevels!);
        }
        var sigma = noise.Draw(Size, generator, data.device).to_type(data.dtype);
        var normals = HasOwnNormals ? Normals(step, noisy) : noisy.normal_(0, 1, generator);
        normals.mul_(sigma.view([Size, .. Enumerable.Repeat(1L, (int)noisy.dim() - 1)])).add_(clean);
        return (clean, sigma);
    }

    /// <summary>The squared norm of every sample, (n), float64, which the caller owns.</summary>
    public torch.Tensor SquaredNorms()
    {
        // Numbers in float64 that stay in the cache.
        var block = Math.Max(1, (1 << 18) * count / Math.Max(1, data.NumberOfElements));
        using var scope = torch.NewDisposeScope();
        var norms = torch.zeros([count], dtype: torch.float64, device: data.device);
        for (var first = 0L; first < count; first += block)
        {
            using var step = torch.NewDisposeScope();
            var size = Math.Min(block, count - first);
            var rows = data.narrow(0, first, size).to_type(torch.float64).flatten(1);
            norms.narrow(0, first, size).copy_(rows.mul(rows).sum(1));
        }
        return norms.MoveToOuterDisposeScope();
    }

    /// <summary>Draws the batch of a step with its noise not in the samples but in p numbers: the same samples and
    /// levels as <see cref="Draw"/>.</summary>
    /// <param name="step">How many updates were made before.</param>
    /// <param name="clean">Receives the clean samples, (batch, d). Where a step takes all samples it is filled by the
    /// first call, and is to be the same buffer after it.</param>
    /// <param name="normals">Receives standard normal numbers times the noise level of their sample, (k · batch, p):
    /// row r belongs to sample r mod batch.</param>
    /// <returns>The noise levels, shape (batch).</returns>
    public torch.Tensor DrawProjected(long step, torch.Tensor clean, torch.Tensor normals)
    {
        generator.manual_seed(Seeds.Derive(seed, step));
        if (indices is not null)
            Gather(clean);
        else if (!holdsAll)
            clean.copy_(data);
        holdsAll = true;
        var sigma = fixedLevels ?? noise.Draw(Size, generator, data.device).to_type(data.dtype);
        (HasOwnNormals ? Normals(step, normals) : normals.normal_(0, 1, generator))
            .view(-1, Size, normals.shape[1])
            .mul_(sigma.view(Size, 1));
        return sigma;
    }

    // One pass that works on a row while it is in the cache; the numbers are those of the general path, bit by bit.
    private void DrawRows(long step, torch.Tensor noisy, ReadOnlySpan<float> sigma)
    {
        Span<float> samples = data.Numbers<float>(),
            clean = batch is null ? [] : batch.Numbers<float>(),
            rows = noisy.Numbers<float>();
        ReadOnlySpan<long> chosen = indices is null ? [] : indices.Numbers<long>();
        var length = (int)(data.NumberOfElements / count);
        var parent = GaussianNoise.Parent(seed, step);
        for (var r = 0; r < sigma.Length; r++)
        {
            var row = rows.Slice(r * length, length);
            var sample = samples.Slice((int)(indices is null ? r : chosen[r]) * length, length);
            NormalStreams.Fill(row, Seeds.Derive(parent, r));
            if (batch is not null)
                sample.CopyTo(clean[(r * length)..]);
            Spread(row, sigma[r], sample);
        }
    }

    // row = row sigma + sample
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Spread(Span<float> row, float sigma, ReadOnlySpan<float> sample)
    {
        var offset = 0;
        for (; offset + Vector<float>.Count <= row.Length; offset += Vector<float>.Count)
            (new Vector<float>(row[offset..]) * sigma + new Vector<float>(sample[offset..])).CopyTo(row[offset..]);
        for (; offset < row.Length; offset++)
            row[offset] = row[offset] * sigma + sample[offset];
    }

    private torch.Tensor Normals(long step, torch.Tensor target)
    {
        if (target.dtype != torch.float32 || target.device_type != DeviceType.CPU)
            return target.copy_(GaussianNoise.DrawEach(target.shape, seed, draw: step));
        GaussianNoise.FillEach(target, seed, 0, step);
        return target;
    }

    /// <summary>What belongs to the samples of the last draw, of something that there is one of a sample.</summary>
    /// <param name="perSample">(n, …), on the data's device.</param>
    public torch.Tensor Pick(torch.Tensor perSample) =>
        indices is null ? perSample : perSample.index_select(0, indices);

    private torch.Tensor Gather(torch.Tensor target)
    {
        indices!.random_(0, count, generator);
        var length = data.NumberOfElements * data.ElementSize;
        if (data.device_type != DeviceType.CPU || length > int.MaxValue)
            return target.copy_(data.index_select(0, indices));
        // Rows copied into a buffer that stays: a fresh tensor of this size costs more than the copy.
        var row = (int)(length / count);
        Span<byte> source = data.bytes,
            rows = target.bytes;
        var offset = 0;
        foreach (var i in indices.Numbers<long>())
        {
            source.Slice((int)i * row, row).CopyTo(rows[offset..]);
            offset += row;
        }
        return target;
    }
}
