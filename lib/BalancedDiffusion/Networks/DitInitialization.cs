using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The published start of a DiT: linear layers and the patch embedding uniform in ±sqrt(6/(in + out)) (Glorot and
/// Bengio 2010), label table and timestep layers normal with standard deviation 0.02, biases zero, and zero in
/// everything that scales, shifts or gates and in the last layer, so that the output is exactly 0.
/// </summary>
internal static class DitInitialization
{
    /// <summary>Tensors by name; each is drawn from a stream of its own on the CPU, so that it is the same whatever
    /// else the network holds.</summary>
    public static WeightSource Draw(DitOptions options, long seed, torch.ScalarType dtype) =>
        (name, shape) =>
        {
            using var scope = torch.NewDisposeScope();
            return Draw(name, shape, options, seed, dtype).MoveToOuterDisposeScope();
        };

    private static torch.Tensor Draw(string name, long[] shape, DitOptions options, long seed, torch.ScalarType dtype)
    {
        if (name == "pos_embed")
            return Positions(options).to_type(dtype);
        if (
            name.EndsWith(".bias", StringComparison.Ordinal)
            || name.Contains("adaLN_modulation")
            || name.StartsWith("final_layer.", StringComparison.Ordinal)
        )
            return torch.zeros(shape, dtype: dtype);
        using var generator = Seeds.Generator(Seeds.Derive(seed, name));
        if (
            name.StartsWith("y_embedder.", StringComparison.Ordinal)
            || name.StartsWith("t_embedder.", StringComparison.Ordinal)
        )
            return torch.randn(shape, dtype: dtype, generator: generator).mul_(0.02);
        var bound = Math.Sqrt(6.0 / (shape[0] + shape.Skip(1).Aggregate(1L, (product, n) => product * n)));
        return torch.rand(shape, dtype: dtype, generator: generator).mul_(2 * bound).sub_(bound);
    }

    /// <summary>
    /// (1, tokens, width), float64: the first half of the width tells the column, the second the row, each as sines and
    /// then cosines of the place times 10000^(-j/m), j from 0 to m - 1, with m a quarter of the width.
    /// </summary>
    private static torch.Tensor Positions(DitOptions options)
    {
        var side = options.InputSize / options.PatchSize;
        var quarter = options.HiddenSize / 4;
        var rates = torch.pow(10000.0, torch.arange(quarter, dtype: torch.float64).mul(-1.0 / quarter));
        var places = torch.arange(side, dtype: torch.float64).unsqueeze(1) * rates;
        var waves = torch.cat([places.sin(), places.cos()], 1);
        var columns = waves.unsqueeze(0).expand(side, side, 2 * quarter);
        var rows = waves.unsqueeze(1).expand(side, side, 2 * quarter);
        return torch.cat([columns, rows], 2).reshape(1, side * side, options.HiddenSize);
    }
}
