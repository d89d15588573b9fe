using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Corollary 3.4 in closed form: samples that occur many times beside well-sampled clusters, <c>W = (r_1 x_1 … r_m
/// x_m, W_Xm+1 … W_XK)</c>. With m duplicates among n samples <c>r² = (‖x‖² - n lambda/m)/(‖x‖⁴ +
/// sigma²‖x‖²)</c>: stored exactly when <c>m ‖x‖² &gt; n lambda</c>. Which of the two kinds gets a scarce
/// unit follows from the gains (ours, not printed): see <see cref="DuplicatesToWin"/>. Disposable: holds the clusters'
/// blocks.
/// </summary>
public sealed class HybridMinimizer : IDisposable
{
    private readonly torch.Tensor duplicated;
    private readonly double[] squares,
        scales;
    private readonly int[] counts,
        ranks;
    private readonly Block[] blocks;
    private readonly torch.Tensor[] rotations;

    /// <summary>The minimizer for duplicates and clusters.</summary>
    /// <param name="duplicated">The samples that are duplicated, each once, (m, d).</param>
    /// <param name="counts">How often each occurs, ≥ 1.</param>
    /// <param name="clusters">The other samples, one tensor (n_k, d) a cluster; may be empty.</param>
    /// <param name="ranks">p_k of each of these clusters.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <exception cref="ArgumentException">Shapes or counts do not fit, or values are not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public HybridMinimizer(
        torch.Tensor duplicated,
        IReadOnlyList<int> counts,
        IReadOnlyList<torch.Tensor> clusters,
        IReadOnlyList<int> ranks,
        double sigma,
        double lambda = 0
    )
    {
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
        ArgumentNullException.ThrowIfNull(counts);
        ArgumentNullException.ThrowIfNull(clusters);
        ArgumentNullException.ThrowIfNull(ranks);
        using var scope = torch.NewDisposeScope();
        var rows = Float64.Samples(duplicated, nameof(duplicated)).clone();
        if (counts.Count != rows.shape[0])
            throw new ArgumentException(
                $"{rows.shape[0]} duplicated samples need as many counts, was {counts.Count}",
                nameof(counts)
            );
        foreach (var count in counts)
            Guard.AtLeast(count, 1, nameof(counts));
        if (ranks.Count != clusters.Count)
            throw new ArgumentException(
                $"{clusters.Count} clusters need as many ranks, was {ranks.Count}",
                nameof(ranks)
            );
        blocks = new Block[clusters.Count];
        for (var k = 0; k < clusters.Count; k++)
        {
            var cluster = Float64.Samples(clusters[k], $"clusters[{k}]");
            Guard.Shape(cluster, [-1, rows.shape[1]], $"clusters[{k}]");
            var most = Math.Min(cluster.shape[0], cluster.shape[1]);
            if (ranks[k] < 0 || ranks[k] > most)
                throw new ArgumentOutOfRangeException(
                    nameof(ranks),
                    $"ranks[{k}] must be between 0 and {most}, the number of directions of that cluster, was {ranks[k]}"
                );
            blocks[k] = Block.Of(cluster);
        }
        this.counts = [.. counts];
        this.ranks = [.. ranks];
        rotations =
        [
            .. ranks.Select(rank =>
                rank == 0 ? torch.zeros([0, 0], dtype: torch.ScalarType.Float64) : BlockRotation.Balanced(rank)
            ),
        ];
        Sigma = sigma;
        Lambda = lambda;
        Count = counts.Sum() + (int)blocks.Sum(block => block.Count);
        squares = Float64.Array(rows.square().sum(1));
        scales =
        [
            .. squares.Select(
                (square, i) =>
                    IsStored(counts[i], square, Count, lambda)
                        ? Math.Sqrt(Gain.Of(counts[i] * square, counts[i], Count, sigma, lambda) / square)
                        : 0
            ),
        ];
        this.duplicated = rows;
        foreach (var tensor in Held)
            tensor.DetachFromDisposeScope();
    }

    private IEnumerable<torch.Tensor> Held =>
        rotations.Concat(blocks.Select(block => block.Vectors)).Append(duplicated);

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>The penalty on both matrices.</summary>
    public double Lambda { get; }

    /// <summary>n, duplicates counted.</summary>
    public int Count { get; }

    /// <summary>r of each duplicated sample; 0 where <c>m ‖x‖² ≤ n lambda</c>.</summary>
    public IReadOnlyList<double> Scales => scales;

    /// <summary>The norm <c>r ‖x‖</c> of each duplicated sample's column.</summary>
    public IReadOnlyList<double> StoredNorms => [.. scales.Zip(squares, (r, square) => r * Math.Sqrt(square))];

    /// <summary>The predicted expected loss without penalty.</summary>
    public double Loss =>
        StoredNorms.Select((norm, i) => Gain.Error(norm * norm, counts[i] * squares[i], counts[i], Count, Sigma)).Sum()
        + blocks.Zip(ranks, (block, rank) => block.Loss(rank, Count, Sigma, Lambda)).Sum();

    /// <summary>The predicted objective, penalty included.</summary>
    public double Objective =>
        squares
            .Select(
                (square, i) =>
                    counts[i] * square / Count - Gain.Reduction(counts[i] * square, counts[i], Count, Sigma, Lambda)
            )
            .Sum() + blocks.Zip(ranks, (block, rank) => block.Objective(rank, Count, Sigma, Lambda)).Sum();

    /// <summary>The weights W1ᵀ = W2ᵀ: one row a duplicated sample, then the clusters' blocks, then rows of
    /// zeros.</summary>
    /// <param name="units">p; null for no rows of zeros.</param>
    /// <returns>A float64 tensor (p, d) that the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">p is too small for the columns.</exception>
    public torch.Tensor Encoder(int? units = null)
    {
        var used = squares.Length + ranks.Sum();
        var p = units ?? used;
        Guard.AtLeast(p, used, nameof(units));
        using var scope = torch.NewDisposeScope();
        var parts = blocks
            .Select((block, k) => block.Encoder(ranks[k], Count, Sigma, Lambda, rotations[k]))
            .Prepend(duplicated * Float64.Tensor(scales, scales.Length, 1))
            .Append(torch.zeros([p - used, duplicated.shape[1]], dtype: torch.ScalarType.Float64))
            .ToArray();
        return torch.cat(parts).MoveToOuterDisposeScope();
    }

    /// <summary>Whether a sample with m duplicates is stored given a free unit: <c>m ‖x‖² &gt; n
    /// lambda</c>.</summary>
    /// <param name="duplicates">m ≥ 1.</param>
    /// <param name="squaredNorm">‖x‖² ≥ 0.</param>
    /// <param name="totalCount">n ≥ m.</param>
    /// <param name="lambda">The penalty, ≥ 0.</param>
    public static bool IsStored(int duplicates, double squaredNorm, int totalCount, double lambda)
    {
        Guard.AtLeast(duplicates, 1);
        Guard.AtLeast(totalCount, duplicates);
        Guard.NotNegative(squaredNorm);
        Guard.NotNegative(lambda);
        return duplicates * squaredNorm > totalCount * lambda;
    }

    /// <summary>
    /// The number of duplicates m* (a real number) from which a duplicated sample wins a unit over direction j of mode
    /// k: where its reduction of the objective, <c>(m/n)(‖x‖² - n lambda/m)²/(‖x‖² + sigma²)</c>, equals
    /// the mode's <c>(rho e - lambda)²/(rho (e + sigma²))</c>. For small lambda and sigma about <c>n rho
    /// e/‖x‖²</c>. Never below the storing threshold <c>n lambda/‖x‖²</c>. A prediction of ours, not a
    /// statement of the paper.
    /// </summary>
    /// <param name="squaredNorm">‖x‖² &gt; 0.</param>
    /// <param name="totalCount">n ≥ 1.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty, ≥ 0.</param>
    /// <param name="modeWeight">rho_k in (0, 1].</param>
    /// <param name="modeEigenvalue">e_j(S_k) ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public static double DuplicatesToWin(
        double squaredNorm,
        int totalCount,
        double sigma,
        double lambda,
        double modeWeight,
        double modeEigenvalue
    )
    {
        Guard.Positive(squaredNorm);
        Guard.AtLeast(totalCount, 1);
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
        Guard.NotNegative(modeEigenvalue);
        if (!(modeWeight > 0 && modeWeight <= 1))
            throw new ArgumentOutOfRangeException(
                nameof(modeWeight),
                $"modeWeight must be in (0, 1], was {modeWeight}"
            );
        var mode = Gain.Reduction(modeWeight * modeEigenvalue, modeWeight, 1, sigma, lambda);
        // With a = m/n: (a q - lambda)² = a t, t = g (q + sigma²), a quadratic of which the larger root lies above
        // the threshold.
        var t = mode * (squaredNorm + sigma * sigma);
        var half = squaredNorm * lambda + t / 2;
        var share =
            (half + Math.Sqrt(Math.Max(0, half * half - squaredNorm * squaredNorm * lambda * lambda)))
            / (squaredNorm * squaredNorm);
        return totalCount * share;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Held)
            tensor.Dispose();
    }
}
