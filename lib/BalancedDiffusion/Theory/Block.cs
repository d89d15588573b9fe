using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>One cluster as the theorems see it: its second moment's eigenvalues and eigenvectors, and its share of the
/// data.</summary>
/// <param name="Eigenvalues">L, descending, ≥ 0.</param>
/// <param name="Vectors">The eigenvectors, one a row, (q, d), float64.</param>
/// <param name="Count">n_k, or rho_k where all counts are divided by n.</param>
internal sealed record Block(double[] Eigenvalues, torch.Tensor Vectors, double Count)
{
    /// <summary>The block of a cluster's samples, (n_k, d) float64.</summary>
    public static Block Of(torch.Tensor cluster)
    {
        var (values, vectors) = Float64.SecondMoments(cluster);
        return new(values, vectors, cluster.shape[0]);
    }

    /// <summary>The block of this cluster.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such cluster.</exception>
    public static Block At(Block[] blocks, int cluster) =>
        cluster >= 0 && cluster < blocks.Length
            ? blocks[cluster]
            : throw new ArgumentOutOfRangeException(
                nameof(cluster),
                $"cluster must be between 0 and {blocks.Length - 1}, was {cluster}"
            );

    /// <summary>The gains of the first directions.</summary>
    public double[] Gains(int rank, double total, double sigma, double lambda) =>
        [.. Eigenvalues.Take(rank).Select(value => Gain.Of(value, Count, total, sigma, lambda))];

    /// <summary>W_Xkᵀ = O diag(√s) Uᵀ, (rank, d); the caller owns it.</summary>
    public torch.Tensor Encoder(int rank, double total, double sigma, double lambda, torch.Tensor rotation)
    {
        using var scope = torch.NewDisposeScope();
        var roots = Float64.Tensor([.. Gains(rank, total, sigma, lambda).Select(Math.Sqrt)], rank, 1);
        return torch.matmul(rotation, roots * Vectors.narrow(0, 0, rank)).MoveToOuterDisposeScope();
    }

    /// <summary>The expected squared error that the cluster adds, the tail beyond the rank included.</summary>
    public double Loss(int rank, double total, double sigma, double lambda) =>
        Gains(rank, total, sigma, lambda)
            .Zip(Eigenvalues, (gain, value) => Gain.Error(gain, value, Count, total, sigma))
            .Sum()
        + Eigenvalues.Skip(rank).Sum() / total;

    /// <summary>The objective that the cluster adds, penalty included.</summary>
    public double Objective(int rank, double total, double sigma, double lambda) =>
        Eigenvalues.Sum() / total
        - Eigenvalues.Take(rank).Sum(value => Gain.Reduction(value, Count, total, sigma, lambda));
}
