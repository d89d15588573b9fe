using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Theory;

/// <summary>Small data sets for the theory's tests.</summary>
internal static class TheoryData64
{
    public static torch.Tensor Normal(long seed, params long[] shape)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn(shape, dtype: torch.ScalarType.Float64, generator: generator);
    }

    /// <summary>Corners of a regular simplex in d ≥ count - 1 dimensions: pairwise cosines -1/(count-1), norms as given.</summary>
    public static torch.Tensor Simplex(int dimension, params double[] norms)
    {
        var count = norms.Length;
        using var scope = torch.NewDisposeScope();
        var centred = torch.eye(count, dtype: torch.ScalarType.Float64) - 1.0 / count;
        var (values, vectors) = torch.linalg.eigh(centred);
        // The simplex in its own count - 1 coordinates, then turned at random into d dimensions.
        var corners = vectors.narrow(1, 1, count - 1);
        var (frame, _) = torch.linalg.qr(Normal(99, dimension, count - 1));
        var rows = torch.matmul(corners, frame.t());
        return (rows / rows.norm(1, keepdim: true) * torch.tensor(norms, dtype: torch.ScalarType.Float64).unsqueeze(1)).MoveToOuterDisposeScope();
    }

    /// <summary>A cluster of n samples around a mean with the given deviation in every direction.</summary>
    public static torch.Tensor Cluster(torch.Tensor mean, int count, double deviation, long seed) => mean + deviation * Normal(seed, count, mean.shape[0]);

    public static double[] Array(torch.Tensor tensor) => tensor.to(torch.ScalarType.Float64).contiguous().data<double>().ToArray();
}
