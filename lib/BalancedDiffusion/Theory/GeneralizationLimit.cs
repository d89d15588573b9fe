using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Corollary 3.3 for a mixture of Gaussians <c>Σ_k rho_k N(mu_k, Sigma_k)</c>: as n grows, <c>W_Xk W_Xkᵀ → [(S_k -
/// (lambda/rho_k) I)(S_k + sigma² I)^-1]</c> truncated to rank p_k, with <c>S_k = mu_k mu_kᵀ + Sigma_k</c>; the
/// model becomes a rank-limited Wiener filter a cluster. Disposable: holds matrices.
/// </summary>
public sealed class GeneralizationLimit : IDisposable
{
    private readonly double[] weights;
    private readonly int[] ranks;
    private readonly Block[] blocks;
    private readonly torch.Tensor[] means,
        roots;
    private readonly double[][] spread;

    /// <summary>The limit for a mixture.</summary>
    /// <param name="weights">rho_k &gt; 0, with sum 1.</param>
    /// <param name="means">mu_k, each (d).</param>
    /// <param name="covariances">Sigma_k, each (d, d), symmetric and positive semidefinite.</param>
    /// <param name="ranks">p_k, between 0 and d.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <exception cref="ArgumentException">Lengths or shapes do not fit, values are not finite, or a covariance is not
    /// symmetric and positive semidefinite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public GeneralizationLimit(
        IReadOnlyList<double> weights,
        IReadOnlyList<torch.Tensor> means,
        IReadOnlyList<torch.Tensor> covariances,
        IReadOnlyList<int> ranks,
        double sigma,
        double lambda = 0
    )
    {
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
        WienerLossTerms.CheckClusters(weights, means?.Count ?? 0, ranks);
        WienerLossTerms.CheckClusters(weights, covariances?.Count ?? 0, ranks);
        using var scope = torch.NewDisposeScope();
        this.weights = [.. weights];
        this.ranks = [.. ranks];
        (this.means, roots, blocks, spread) = (
            new torch.Tensor[weights.Count],
            new torch.Tensor[weights.Count],
            new Block[weights.Count],
            new double[weights.Count][]
        );
        for (var k = 0; k < weights.Count; k++)
        {
            Guard.Shape(means![k], [-1], $"means[{k}]");
            Guard.Finite(means[k], $"means[{k}]");
            var d = means[0].shape[0];
            Guard.Shape(means[k], [d], $"means[{k}]");
            Guard.Shape(covariances![k], [d, d], $"covariances[{k}]");
            Guard.Finite(covariances[k], $"covariances[{k}]");
            if (ranks[k] < 0 || ranks[k] > d)
                throw new ArgumentOutOfRangeException(
                    nameof(ranks),
                    $"ranks[{k}] must be between 0 and d = {d}, was {ranks[k]}"
                );
            var (mean, covariance) = (Float64.Of(means[k]).clone(), Float64.Of(covariances[k]));
            var scale = covariance.abs().max().item<double>();
            if ((covariance - covariance.t()).abs().max().item<double>() > 1e-6 * scale)
                throw new ArgumentException($"covariances[{k}] must be symmetric", nameof(covariances));
            var (own, axes) = torch.linalg.eigh((covariance + covariance.t()) / 2);
            spread[k] = Float64.Array(own);
            if (spread[k].Min() < -1e-6 * scale)
                throw new ArgumentException(
                    $"covariances[{k}] must be positive semidefinite, but has the eigenvalue {spread[k].Min():g3}",
                    nameof(covariances)
                );
            spread[k] = [.. spread[k].Select(value => Math.Max(0, value))];
            // Rows whose second moment is S_k: the mean, and each axis of the covariance times its standard deviation.
            roots[k] = Float64.Tensor([.. spread[k].Select(Math.Sqrt)], d, 1) * axes.t();
            var (values, vectors) = torch.linalg.eigh(torch.outer(mean, mean) + torch.matmul(roots[k].t(), roots[k]));
            vectors = vectors.t().flip(0);
            var sign = torch.where(torch.mv(vectors, mean) < 0, -1.0, 1.0).to(torch.ScalarType.Float64).unsqueeze(1);
            blocks[k] = new Block(
                [.. Float64.Array(values.flip(0)).Select(value => this.weights[k] * Math.Max(0, value))],
                (sign * vectors).contiguous(),
                this.weights[k]
            );
            this.means[k] = mean;
        }
        Sigma = sigma;
        Lambda = lambda;
        foreach (var tensor in Held)
            tensor.DetachFromDisposeScope();
    }

    private IEnumerable<torch.Tensor> Held => means.Concat(roots).Concat(blocks.Select(block => block.Vectors));

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>The penalty on both matrices.</summary>
    public double Lambda { get; }

    /// <summary>The eigenvalues e_j of S_k, descending.</summary>
    public IReadOnlyList<double> Eigenvalues(int cluster) =>
        [.. Block.At(blocks, cluster).Eigenvalues.Select(value => value / weights[cluster])];

    /// <summary>The limit of <c>W_Xk W_Xkᵀ</c>, (d, d), float64; the caller owns it.</summary>
    public torch.Tensor Gram(int cluster)
    {
        using var scope = torch.NewDisposeScope();
        var rows = Block
            .At(blocks, cluster)
            .Encoder(ranks[cluster], 1, Sigma, Lambda, torch.eye(ranks[cluster], dtype: torch.ScalarType.Float64));
        return torch.matmul(rows.t(), rows).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The constant of the rate n^(-1/2): <c>E‖W_Xk W_Xkᵀ - limit‖_F² → c²/n_k</c> for n_k samples of the
    /// cluster (to first order, n_k = rho_k n). From the derivative of a matrix function, <c>c² = Σ_ij g[e_i, e_j]²
    /// V_ij</c> with the divided differences of the gain and the variance of the products of two coordinates, <c>V_ij =
    /// e_i e_j (1 + δ_ij) - 2 m_i² m_j²</c>, m the mean in the eigenbasis of S_k. Across the rank the difference is
    /// g(e_i)/(e_i - e_j): the eigengap is what it depends on. Not printed in the paper.
    /// </summary>
    /// <param name="cluster">The cluster, from 0.</param>
    /// <returns>c ≥ 0; infinity where the rank cuts between two equal eigenvalues, so that there is no
    /// limit.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such cluster.</exception>
    public double GramDeviation(int cluster) => Math.Sqrt(SumOfPairs(cluster, static (_, _) => 1));

    /// <summary>
    /// By how much the test loss of the closed form on n_k samples a cluster exceeds its limit in the mean, to order
    /// 1/n: <c>Σ_k rho_k C_k/n_k</c>, <c>C_k = Σ_ij g[e_i, e_j]² V_ij w_ij</c> with <c>w_ij = (e_i + e_j)/2 +
    /// sigma²</c> inside the rank and, for i ≤ p_k &lt; j, <c>(e_i - e_j)(1 + 2 sigma²/e_i)/2</c>. The paper's
    /// bound has <c>C_k p_k/(sigma² n_k)</c> with a constant left open.
    /// </summary>
    /// <param name="counts">n_k ≥ 1 of each cluster.</param>
    /// <returns>The excess, ≥ 0; infinity where a rank cuts between two equal eigenvalues.</returns>
    /// <exception cref="InvalidOperationException">lambda is above 0: the limit then is not the best filter, and the
    /// excess is no sum of squares.</exception>
    /// <exception cref="ArgumentException">Not one count a cluster.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A count is below 1.</exception>
    public double ExcessLoss(IReadOnlyList<int> counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        if (Lambda > 0)
            throw new InvalidOperationException(
                $"the excess loss is known for lambda = 0 only, was {Lambda}: with a penalty the limit is not "
                    + "the best filter"
            );
        if (counts.Count != weights.Length)
            throw new ArgumentException(
                $"{weights.Length} clusters need as many counts, was {counts.Count}",
                nameof(counts)
            );
        foreach (var count in counts)
            Guard.AtLeast(count, 1, nameof(counts));
        double Of(int k)
        {
            var e = Eigenvalues(k);
            var square = Sigma * Sigma;
            return SumOfPairs(
                k,
                (i, j) => j < ranks[k] ? (e[i] + e[j]) / 2 + square : (e[i] - e[j]) * (1 + 2 * square / e[i]) / 2
            );
        }
        return weights.Select((rho, k) => rho * Of(k) / counts[k]).Sum();
    }

    /// <summary><c>Σ_ij g[e_i, e_j]² V_ij weight(i, j)</c>, the weight asked for i ≤ j only, where the gain of i is
    /// above 0.</summary>
    private double SumOfPairs(int cluster, Func<int, int, double> weight)
    {
        using var scope = torch.NewDisposeScope();
        var e = Eigenvalues(cluster);
        var squares = Float64.Array(torch.mv(Block.At(blocks, cluster).Vectors, means[cluster]).square());
        double[] gains =
        [
            .. Block.At(blocks, cluster).Gains(ranks[cluster], 1, Sigma, Lambda),
            .. new double[e.Count - ranks[cluster]],
        ];
        var noise = Sigma * Sigma;
        double sum = 0;
        for (var i = 0; i < e.Count; i++)
        {
            if (gains[i] == 0)
                continue;
            for (var j = i; j < e.Count; j++)
            {
                var variance = Math.Max(0, e[i] * e[j] * (i == j ? 2 : 1) - 2 * squares[i] * squares[j]);
                if (variance == 0)
                    continue;
                var equal = e[i] - e[j] <= 1e-9 * e[0];
                if (equal && j >= ranks[cluster])
                    return double.PositiveInfinity;
                var slope = equal
                    ? (noise + Lambda / weights[cluster]) / ((e[i] + noise) * (e[i] + noise))
                    : (gains[i] - gains[j]) / (e[i] - e[j]);
                sum += (i == j ? 1 : 2) * slope * slope * variance * weight(i, j);
            }
        }
        return sum;
    }

    /// <summary>The limit of the weights W1ᵀ = W2ᵀ, (Σ p_k, d), float64, up to a rotation in each block, here
    /// <see cref="BlockRotation.Balanced"/>; the caller owns it.</summary>
    public torch.Tensor Encoder()
    {
        using var scope = torch.NewDisposeScope();
        return torch
            .cat([
                .. blocks
                    .Zip(ranks)
                    .Where(b => b.Second > 0)
                    .Select(b => b.First.Encoder(b.Second, 1, Sigma, Lambda, BlockRotation.Balanced(b.Second))),
            ])
            .MoveToOuterDisposeScope();
    }

    /// <summary>The test loss by parts, corrected and as printed.</summary>
    public WienerLossTerms Loss =>
        WienerLossTerms.Of(weights, [.. Enumerable.Range(0, weights.Length).Select(Eigenvalues)], ranks, Sigma, Lambda);

    /// <summary>A floor under every denoiser, in closed form: the error of one that is given the cluster, <c>Σ_k rho_k
    /// Σ_j c sigma²/(c + sigma²)</c>, c the eigenvalues of Sigma_k.</summary>
    public double KnownClusterFloor =>
        weights.Select((rho, k) => rho * spread[k].Sum(c => c * Sigma * Sigma / (c + Sigma * Sigma))).Sum();

    /// <summary>The Bayes floor: the mean squared error of the posterior mean under the mixture, by Monte
    /// Carlo.</summary>
    /// <param name="draws">How many draws, ≥ 2.</param>
    /// <param name="seed">The seed of the draws.</param>
    /// <returns>The estimate and its standard error.</returns>
    public (double Value, double StandardError) BayesFloor(int draws, long seed)
    {
        Guard.AtLeast(draws, 2);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var generator = Seeds.Generator(Seeds.Derive(seed, "bayes floor"));
        var random = new Random(unchecked((int)Seeds.Derive(seed, "clusters")));
        var counts = new int[weights.Length];
        for (var i = 0; i < draws; i++)
        {
            var k = 0;
            var rest = random.NextDouble() - weights[k];
            while (k < weights.Length - 1 && rest > 0)
            {
                k++;
                rest -= weights[k];
            }
            counts[k]++;
        }
        var d = means[0].shape[0];
        torch.Tensor Draw(long rows) => torch.randn([rows, d], dtype: torch.ScalarType.Float64, generator: generator);
        var clean = torch.cat([.. counts.Select((count, k) => means[k] + torch.matmul(Draw(count), roots[k]))]);
        var noisy = clean + Sigma * Draw(draws);
        List<torch.Tensor> logs = [],
            estimates = [];
        for (var k = 0; k < weights.Length; k++)
        {
            var covariance = torch.matmul(roots[k].t(), roots[k]);
            var total = covariance + Sigma * Sigma * torch.eye(d, dtype: torch.ScalarType.Float64);
            var centred = noisy - means[k];
            var solved = torch.linalg.solve(total, centred.t()).t();
            logs.Add(Math.Log(weights[k]) - 0.5 * ((centred * solved).sum(1) + torch.linalg.slogdet(total).Item2));
            estimates.Add(means[k] + torch.matmul(solved, covariance));
        }
        var posterior = torch.stack(logs, 1).softmax(1);
        var estimate = torch.zeros_like(clean);
        for (var k = 0; k < weights.Length; k++)
            estimate += posterior.narrow(1, k, 1) * estimates[k];
        var errors = (estimate - clean).square().sum(1);
        return (errors.mean().item<double>(), errors.std().item<double>() / Math.Sqrt(draws));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Held)
            tensor.Dispose();
    }
}
