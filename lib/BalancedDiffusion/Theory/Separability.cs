using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>Measures (alpha, beta)-separability, the assumption of Theorem 3.1.</summary>
public static class Separability
{
    /// <summary>Measures clusters.</summary>
    /// <param name="clusters">One tensor (n_k, d) a cluster, n_k ≥ 1.</param>
    /// <exception cref="ArgumentException">No cluster, an empty one, values that are not finite, different lengths, or
    /// a mean that is zero.</exception>
    public static SeparabilityReport Measure(params IReadOnlyList<torch.Tensor> clusters)
    {
        ArgumentNullException.ThrowIfNull(clusters);
        if (clusters.Count == 0)
            throw new ArgumentException("clusters must name at least one cluster, was empty", nameof(clusters));
        using var scope = torch.NewDisposeScope();
        var means = new List<torch.Tensor>();
        double alpha = 0;
        var widest = 0;
        for (var k = 0; k < clusters.Count; k++)
        {
            var rows = Float64.Samples(clusters[k], $"clusters[{k}]");
            if (k > 0 && rows.shape[1] != means[0].shape[0])
                throw new ArgumentException(
                    $"all clusters must have samples of one length, was {means[0].shape[0]} and {rows.shape[1]}",
                    nameof(clusters)
                );
            var mean = rows.mean([0]);
            var norm = mean.norm().item<double>();
            if (norm == 0)
                throw new ArgumentException(
                    $"the mean of clusters[{k}] is zero: it has no direction, so separability is not defined",
                    nameof(clusters)
                );
            var spread = (rows - mean).square().sum(1).max().sqrt().item<double>() / norm;
            if (spread > alpha)
                (alpha, widest) = (spread, k);
            means.Add(mean / norm);
        }
        var beta = double.NegativeInfinity;
        var worst = (0, 0);
        var stacked = torch.stack(means);
        var gram = Float64.Array(torch.matmul(stacked, stacked.t()));
        for (var k = 0; k < means.Count; k++)
        for (var l = 0; l < k; l++)
            if (gram[k * means.Count + l] is var cosine && cosine > beta)
                (beta, worst) = (Math.Clamp(cosine, -1, 1), (l, k));
        return new(alpha, beta, worst, widest, means.Count);
    }

    /// <summary>Measures single samples, each a cluster of its own (alpha = 0), as Corollary 3.2 takes them.</summary>
    /// <param name="samples">Samples, (n, d), none of them zero.</param>
    /// <exception cref="ArgumentException">The samples are empty or not finite, or one is zero.</exception>
    public static SeparabilityReport MeasureSamples(torch.Tensor samples)
    {
        using var scope = torch.NewDisposeScope();
        var rows = Float64.Samples(samples, nameof(samples));
        return Measure([.. Enumerable.Range(0, (int)rows.shape[0]).Select(i => rows.narrow(0, i, 1))]);
    }

    /// <summary>
    /// The most clusters that can have pairwise cosines of at most beta in d dimensions: <c>min(floor(1 + 1/|beta|), d
    /// + 1)</c>, since <c>0 ≤ ‖Σ u_k‖² ≤ M + M(M-1) beta</c>, and since d + 2 vectors always hold two at no
    /// obtuse angle.
    /// </summary>
    /// <param name="beta">The largest cosine, in [-1, 0): at 0 and above the theorems assume nothing.</param>
    /// <param name="dimension">d, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">beta is outside [-1, 0) or d is below 1.</exception>
    public static int MaximumClusters(double beta, int dimension = int.MaxValue - 1)
    {
        if (!(beta >= -1 && beta < 0))
            throw new ArgumentOutOfRangeException(
                nameof(beta),
                $"beta must be in [-1, 0), was {beta}: without an obtuse angle there is no bound of this kind"
            );
        Guard.AtLeast(dimension, 1);
        // 1e-9 is added so that beta = -1/3, as computed, still allows the four corners of a tetrahedron.
        return (int)Math.Min(Math.Floor(1 + 1 / -beta + 1e-9), dimension + 1.0);
    }
}
