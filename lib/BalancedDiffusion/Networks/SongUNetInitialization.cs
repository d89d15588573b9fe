using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The start of a <see cref="SongUNet"/>: layers uniform after Glorot and Bengio (2010), times 1e-5 for the last layer
/// of a branch and √0.2 for queries, keys and values; random frequencies normal with standard deviation 16; biases
/// zero, scales of normalizations one, and the resampling filters of the options.
/// </summary>
internal static class SongUNetInitialization
{
    /// <summary>How the name of a resampling filter ends; the options fix what is in it.</summary>
    public const string FilterName = ".resample_filter";

    /// <summary>Tensors by name; each is drawn from a stream of its own on the CPU, so that it is the same whatever
    /// else the network holds.</summary>
    public static WeightSource Draw(SongUNetOptions options, long seed, torch.ScalarType dtype)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        if (dtype is not (torch.ScalarType.Float32 or torch.ScalarType.Float64))
            throw new ArgumentException($"dtype must be Float32 or Float64, was {dtype}", nameof(dtype));
        return (name, shape) =>
        {
            using var scope = torch.NewDisposeScope();
            return Draw(name, shape, options, seed, dtype).MoveToOuterDisposeScope();
        };
    }

    /// <summary>The separable low-pass filter of the options, (1, 1, n, n), with the sum 1.</summary>
    public static torch.Tensor Filter(SongUNetOptions options, torch.ScalarType dtype)
    {
        using var scope = torch.NewDisposeScope();
        var filter = options.ResampleFilter;
        var row = torch.tensor(filter.Select(f => f / filter.Sum()).ToArray(), dtype: torch.float64);
        return torch.outer(row, row).view(1, 1, filter.Count, filter.Count).to_type(dtype).MoveToOuterDisposeScope();
    }

    private static torch.Tensor Draw(
        string name,
        long[] shape,
        SongUNetOptions options,
        long seed,
        torch.ScalarType dtype
    )
    {
        if (name.EndsWith(FilterName, StringComparison.Ordinal))
            return Filter(options, dtype);
        if (name.EndsWith(".bias", StringComparison.Ordinal))
            return torch.zeros(shape, dtype: dtype);
        using var generator = Seeds.Generator(Seeds.Derive(seed, name));
        if (name.EndsWith(".freqs", StringComparison.Ordinal))
            return torch.randn(shape, dtype: dtype, generator: generator) * 16;
        if (shape.Length == 1)
            return torch.ones(shape, dtype: dtype);
        var layer = name.Split('.')[^2];
        var gain =
            layer is "conv1" or "proj" || layer.EndsWith("aux_conv", StringComparison.Ordinal) ? 1e-5
            : layer == "qkv" ? Math.Sqrt(0.2)
            : 1;
        var area = shape.Skip(2).Aggregate(1L, (product, n) => product * n);
        var bound = gain * Math.Sqrt(6.0 / ((shape[0] + shape[1]) * area));
        return torch.empty(shape, dtype: dtype).uniform_(-bound, bound, generator);
    }
}
