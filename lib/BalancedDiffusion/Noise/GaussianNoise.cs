using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>Standard normal noise from a seed: <c>y = x + sigma · GaussianNoise.Draw(x.shape, seed)</c>.</summary>
public static class GaussianNoise
{
    /// <summary>Draws independent standard normal numbers, the same for the same seed, shape and type; drawn on the
    /// CPU, so that they are the same for every device.</summary>
    /// <param name="shape">The shape; no size may be negative.</param>
    /// <param name="seed">The seed; <c>Draw([1, d], 123)</c> is what <c>manual_seed(123)</c> and one <c>randn(1, d)</c>
    /// give in torch.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <param name="device">Where the result lies; the CPU where none is named.</param>
    /// <returns>A tensor that the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A size is negative.</exception>
    public static torch.Tensor Draw(
        ReadOnlySpan<long> shape,
        long seed,
        torch.ScalarType dtype = torch.ScalarType.Float32,
        torch.Device? device = null
    )
    {
        foreach (var size in shape)
            Guard.AtLeast(size, 0, "a size of the shape");
        // The generator must outlive the native call: TorchSharp alone would let it be collected while it is drawn
        // from.
        using var generator = Seeds.Generator(seed);
        var noise = torch.randn(shape, dtype: dtype, generator: generator);
        if (device is null || device.type == DeviceType.CPU)
            return noise;
        using (noise)
            return noise.to(device);
    }

    /// <summary>
    /// Draws standard normal numbers with a stream of its own for each row, so that the row of a sample is the same
    /// alone and in every batch. The stream depends on (<paramref name="seed"/>, <paramref name="draw"/>,
    /// <paramref name="firstIndex"/> + r) only; a longer row begins with a shorter one.
    /// </summary>
    /// <param name="shape">(batch, …), at least one axis; no size may be negative.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="firstIndex">The index of row 0 among all samples of this seed, ≥ 0.</param>
    /// <param name="draw">The number of this draw, ≥ 0: a sampler's step, say.</param>
    /// <param name="dtype">float32 (default) or float64; float64 holds the very numbers of float32.</param>
    /// <param name="device">Where the result lies; the CPU where none is named. Drawn on the CPU, so that they are the
    /// same for every device.</param>
    /// <returns>A tensor that the caller owns.</returns>
    /// <exception cref="ArgumentException">The shape has no axis.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A size, an index or the draw is negative.</exception>
    public static torch.Tensor DrawEach(
        ReadOnlySpan<long> shape,
        long seed,
        long firstIndex = 0,
        long draw = 0,
        torch.ScalarType dtype = torch.ScalarType.Float32,
        torch.Device? device = null
    )
    {
        foreach (var size in shape)
            Guard.AtLeast(size, 0, "a size of the shape");
        if (shape.Length == 0)
            throw new ArgumentException("shape must begin with the batch, was ()", nameof(shape));
        Guard.AtLeast(firstIndex, 0);
        Guard.AtLeast(draw, 0);
        using var scope = torch.NewDisposeScope();
        var noise = torch.empty(shape, dtype: torch.float32);
        FillEach(noise, seed, firstIndex, draw);
        return noise.to(device ?? torch.CPU).to_type(dtype).alias().MoveToOuterDisposeScope();
    }

    /// <summary>The seed from which, with the index of a row, the seed of the row's stream derives.</summary>
    internal static long Parent(long seed, long draw) => Seeds.Derive(Seeds.Derive(seed, "each"), draw);

    /// <summary>Fills a contiguous float32 tensor (batch, …) on the CPU with the numbers of
    /// <see cref="DrawEach"/>.</summary>
    internal static void FillEach(torch.Tensor target, long seed, long firstIndex, long draw)
    {
        if (target.NumberOfElements == 0)
            return;
        var rows = target.shape[0];
        var length = target.NumberOfElements / rows;
        var parent = Parent(seed, draw);
        // A span holds 2^31 bytes at most.
        var block = Math.Max(1, (1L << 28) / length);
        for (var offset = 0L; offset < rows; offset += block)
        {
            var count = Math.Min(block, rows - offset);
            using var part = target.narrow(0, offset, count);
            var values = part.Numbers<float>();
            for (var r = 0; r < count; r++)
                NormalStreams.Fill(
                    values.Slice((int)(r * length), (int)length),
                    Seeds.Derive(parent, firstIndex + offset + r)
                );
        }
    }
}
