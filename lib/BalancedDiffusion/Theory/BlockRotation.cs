using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>Orthogonal matrices O_k for <see cref="BlockMinimizer"/>: they decide how the energy of a block spreads
/// over its units.</summary>
public static class BlockRotation
{
    /// <summary>The identity: each unit reads one eigenvector. Units of directions across the mean then fire on half of
    /// their own cluster only.</summary>
    /// <param name="size">p_k ≥ 1.</param>
    /// <returns>A float64 tensor (p_k, p_k) that the caller owns.</returns>
    public static torch.Tensor Identity(int size)
    {
        Guard.AtLeast(size, 1);
        return torch.eye(size, dtype: torch.ScalarType.Float64);
    }

    /// <summary>The reflection that spreads the first eigenvector, near the cluster's mean, evenly over all units, so
    /// that all of them fire on the cluster.</summary>
    /// <inheritdoc cref="Identity"/>
    public static torch.Tensor Balanced(int size)
    {
        Guard.AtLeast(size, 1);
        var axis = Enumerable.Repeat(-1 / Math.Sqrt(size), size).ToArray();
        axis[0] += 1;
        var square = axis.Sum(v => v * v);
        var entries = new double[size * size];
        for (var i = 0; i < size; i++)
        for (var j = 0; j < size; j++)
            entries[i * size + j] = (i == j ? 1 : 0) - (square > 1e-20 ? 2 * axis[i] * axis[j] / square : 0);
        return Float64.Tensor(entries, size, size);
    }

    /// <summary>A rotation or reflection drawn uniformly (Haar): the QR factor of a normal matrix, signs
    /// fixed.</summary>
    /// <param name="size">p_k ≥ 1.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <returns>A float64 tensor (p_k, p_k) that the caller owns.</returns>
    public static torch.Tensor Random(int size, long seed)
    {
        Guard.AtLeast(size, 1);
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(Seeds.Derive(seed, "block rotation"));
        var (q, r) = torch.linalg.qr(torch.randn([size, size], dtype: torch.ScalarType.Float64, generator: generator));
        return (q * r.diagonal().sign()).MoveToOuterDisposeScope();
    }

    /// <summary>Throws unless the matrix is orthogonal of this size.</summary>
    internal static torch.Tensor Checked(torch.Tensor rotation, int size, string name)
    {
        Guard.Shape(rotation, [size, size], name);
        Guard.Finite(rotation, name);
        var matrix = Float64.Of(rotation);
        using var scope = torch.NewDisposeScope();
        var off = (torch.matmul(matrix, matrix.t()) - torch.eye(size, dtype: torch.ScalarType.Float64))
            .abs()
            .max()
            .item<double>();
        if (off > 1e-6)
            throw new ArgumentException(
                $"{name} must be orthogonal, but O Oᵀ differs from the identity by {off:g3}",
                name
            );
        return matrix;
    }
}
