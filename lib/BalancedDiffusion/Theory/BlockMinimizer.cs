using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Theorem 3.1 in closed form: for clusters at obtuse angles a local minimizer is block-wise, <c>W1 = W2 = (W_X1 …
/// W_XM)</c>, <c>W_Xk = U_k^(p_k) (I + n_k sigma² L_k^-1)^(-1/2) (I - n lambda L_k^-1)^(1/2) O_kᵀ</c> with <c>X_k
/// X_kᵀ = U_k L_k U_kᵀ</c>, up to terms of order <c>exp(-c gamma²/sigma²)</c>. The formula holds where each unit
/// fires on all of its own cluster and on no other: that limits O_k, although the theorem's text allows any;
/// <see cref="Margins"/> tells how far a given choice keeps to it. Disposable: holds the eigenvectors.
/// </summary>
public sealed class BlockMinimizer : IDisposable
{
    private readonly torch.Tensor[] clusters,
        rotations;
    private readonly Block[] blocks;
    private readonly int[] ranks;

    /// <summary>The minimizer for clusters.</summary>
    /// <param name="clusters">One tensor (n_k, d) a cluster.</param>
    /// <param name="ranks">p_k of each cluster, between 0 and min(n_k, d).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <param name="rotations">O_k of each cluster, (p_k, p_k), orthogonal; null for
    /// <see cref="BlockRotation.Balanced"/>, which keeps every unit active where the mean leads.</param>
    /// <exception cref="ArgumentException">Shapes or counts do not fit, values are not finite, or a rotation is not
    /// orthogonal.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigma, lambda or a rank is out of range.</exception>
    public BlockMinimizer(
        IReadOnlyList<torch.Tensor> clusters,
        IReadOnlyList<int> ranks,
        double sigma,
        double lambda = 0,
        IReadOnlyList<torch.Tensor>? rotations = null
    )
    {
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
        ArgumentNullException.ThrowIfNull(clusters);
        ArgumentNullException.ThrowIfNull(ranks);
        if (clusters.Count == 0)
            throw new ArgumentException("clusters must name at least one cluster, was empty", nameof(clusters));
        if (ranks.Count != clusters.Count)
            throw new ArgumentException(
                $"{clusters.Count} clusters need as many ranks, was {ranks.Count}",
                nameof(ranks)
            );
        if (rotations is not null && rotations.Count != clusters.Count)
            throw new ArgumentException(
                $"{clusters.Count} clusters need as many rotations, was {rotations.Count}",
                nameof(rotations)
            );
        using var scope = torch.NewDisposeScope();
        this.clusters = [.. clusters.Select((cluster, k) => Float64.Samples(cluster, $"clusters[{k}]").clone())];
        foreach (var cluster in this.clusters)
            if (cluster.shape[1] != this.clusters[0].shape[1])
                throw new ArgumentException(
                    $"all clusters must have samples of one length, was {this.clusters[0].shape[1]} and "
                        + $"{cluster.shape[1]}",
                    nameof(clusters)
                );
        this.ranks = [.. ranks];
        for (var k = 0; k < clusters.Count; k++)
            if (ranks[k] < 0 || ranks[k] > Math.Min(this.clusters[k].shape[0], this.clusters[k].shape[1]))
                throw new ArgumentOutOfRangeException(
                    nameof(ranks),
                    $"ranks[{k}] must be between 0 and "
                        + $"{Math.Min(this.clusters[k].shape[0], this.clusters[k].shape[1])}, the number of "
                        + $"directions of that cluster, was {ranks[k]}"
                );
        this.rotations =
        [
            .. ranks.Select(
                (rank, k) =>
                    rank == 0 ? torch.zeros([0, 0], dtype: torch.ScalarType.Float64)
                    : rotations is null ? BlockRotation.Balanced(rank)
                    : BlockRotation.Checked(rotations[k], rank, $"rotations[{k}]").clone()
            ),
        ];
        blocks = [.. this.clusters.Select(Block.Of)];
        Count = this.clusters.Sum(cluster => (int)cluster.shape[0]);
        Sigma = sigma;
        Lambda = lambda;
        foreach (var tensor in this.clusters.Concat(this.rotations).Concat(blocks.Select(block => block.Vectors)))
            tensor.DetachFromDisposeScope();
    }

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>The penalty on both matrices.</summary>
    public double Lambda { get; }

    /// <summary>n over all clusters.</summary>
    public int Count { get; }

    /// <summary>p_k of each cluster.</summary>
    public IReadOnlyList<int> Ranks => ranks;

    /// <summary>Whether <c>n lambda &lt; min_k lambda_min(L_k^(p_k))</c>: else some direction of the chosen rank has
    /// gain 0.</summary>
    public bool PenaltyIsSmallEnough =>
        blocks.Zip(ranks).All(b => b.Second == 0 || b.First.Eigenvalues[b.Second - 1] > Count * Lambda);

    /// <summary>The eigenvalues L_k of <c>X_k X_kᵀ</c>, descending.</summary>
    public IReadOnlyList<double> Eigenvalues(int cluster) => Block.At(blocks, cluster).Eigenvalues;

    /// <summary>The gains s of the p_k stored directions of a cluster.</summary>
    public IReadOnlyList<double> Gains(int cluster) =>
        Block.At(blocks, cluster).Gains(ranks[cluster], Count, Sigma, Lambda);

    /// <summary>The predicted expected loss without penalty.</summary>
    public double Loss => blocks.Zip(ranks, (block, rank) => block.Loss(rank, Count, Sigma, Lambda)).Sum();

    /// <summary>The predicted objective, penalty included: <c>(1/n) Σ‖x‖² - Σ g</c>.</summary>
    public double Objective => blocks.Zip(ranks, (block, rank) => block.Objective(rank, Count, Sigma, Lambda)).Sum();

    /// <summary>The rows of the encoder that belong to each cluster.</summary>
    public IReadOnlyList<IReadOnlyList<int>> UnitsOf
    {
        get
        {
            var units = new List<IReadOnlyList<int>>();
            var next = 0;
            foreach (var rank in ranks)
            {
                units.Add([.. Enumerable.Range(next, rank)]);
                next += rank;
            }
            return units;
        }
    }

    /// <summary>The block of one cluster, W_Xkᵀ, (p_k, d), float64; the caller owns it.</summary>
    public torch.Tensor BlockEncoder(int cluster) =>
        Block.At(blocks, cluster).Encoder(ranks[cluster], Count, Sigma, Lambda, rotations[cluster]);

    /// <summary>The weights W1ᵀ = W2ᵀ: blocks below each other, then rows of zeros.</summary>
    /// <param name="units">p ≥ Σ p_k; null for equality.</param>
    /// <returns>A float64 tensor (p, d) that the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">p is below the sum of the ranks.</exception>
    public torch.Tensor Encoder(int? units = null)
    {
        var used = ranks.Sum();
        var p = units ?? used;
        Guard.AtLeast(p, used, nameof(units));
        using var scope = torch.NewDisposeScope();
        var parts = Enumerable
            .Range(0, blocks.Length)
            .Select(BlockEncoder)
            .Append(torch.zeros([p - used, clusters[0].shape[1]], dtype: torch.ScalarType.Float64))
            .ToArray();
        return torch.cat(parts).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// How safely each unit keeps to its own cluster, in standard deviations of its noise, <c>wᵀx/(sigma
    /// ‖w‖)</c>: Own is the smallest over units and samples of their cluster, Others the smallest of
    /// <c>-wᵀx/(sigma ‖w‖)</c> over samples of the other clusters. Both should be well above 2; the theorem's
    /// gamma/sigma. Units of norm zero are left out.
    /// </summary>
    public (double Own, double Others) Margins()
    {
        using var scope = torch.NewDisposeScope();
        double own = double.PositiveInfinity,
            others = double.PositiveInfinity;
        for (var k = 0; k < blocks.Length; k++)
        {
            if (ranks[k] == 0)
                continue;
            var rows = BlockEncoder(k);
            var norms = Float64.Array(rows.norm(1));
            for (var l = 0; l < blocks.Length; l++)
            {
                var products = torch.matmul(clusters[l], rows.t());
                var least = Float64.Array((l == k ? products : -products).amin([0]));
                for (var j = 0; j < norms.Length; j++)
                {
                    if (norms[j] == 0)
                        continue;
                    var margin = least[j] / (Sigma * norms[j]);
                    if (l == k)
                        own = Math.Min(own, margin);
                    else
                        others = Math.Min(others, margin);
                }
            }
        }
        return (own, others);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in clusters.Concat(rotations).Concat(blocks.Select(block => block.Vectors)))
            tensor.Dispose();
    }
}
