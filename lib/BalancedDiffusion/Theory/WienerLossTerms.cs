using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Theory;

/// <summary>
/// The test loss of Corollary 3.3's limit by parts. Per direction of eigenvalue e and gain s the error is <c>(1-s)²
/// e</c> (bias) plus <c>s² sigma²</c> (variance term), and e for a direction that is not stored (tail). The bound
/// printed in the paper has bias, tail and an estimation term but not the noise part, and can lie below what any
/// denoiser can reach.
/// </summary>
/// <param name="Bias"><c>Σ_k rho_k Σ_{j≤p_k} (1-s)² e</c>; at lambda = 0, <c>e sigma⁴/(e+sigma²)²</c>
/// each.</param>
/// <param name="Noise"><c>Σ_k rho_k Σ_{j≤p_k} s² sigma²</c>; at lambda = 0, <c>e² sigma²/(e+sigma²)²</c>
/// each. Missing from the printed bound.</param>
/// <param name="Tail"><c>Σ_k rho_k Σ_{j&gt;p_k} e</c>.</param>
public sealed record WienerLossTerms(double Bias, double Noise, double Tail)
{
    /// <summary>The loss of the rank-limited Wiener filter: all three parts. At lambda = 0, <c>Σ rho_k [Σ_{j≤p_k} e
    /// sigma²/(e+sigma²) + Σ_{j&gt;p_k} e]</c>.</summary>
    public double Corrected => Bias + Noise + Tail;

    /// <summary>What the printed bound tends to as n → ∞: bias and tail only.</summary>
    public double PrintedLimit => Bias + Tail;

    /// <summary>The parts for given spectra.</summary>
    /// <param name="weights">rho_k &gt; 0, with sum 1.</param>
    /// <param name="eigenvalues">The eigenvalues of S_k of each cluster, ≥ 0, any order (sorted here).</param>
    /// <param name="ranks">p_k of each cluster, between 0 and its number of eigenvalues.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty, ≥ 0.</param>
    /// <exception cref="ArgumentException">The lists differ in length, or the weights do not sum to 1.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public static WienerLossTerms Of(
        IReadOnlyList<double> weights,
        IReadOnlyList<IReadOnlyList<double>> eigenvalues,
        IReadOnlyList<int> ranks,
        double sigma,
        double lambda = 0
    )
    {
        CheckClusters(weights, eigenvalues?.Count ?? 0, ranks);
        double bias = 0,
            noise = 0,
            tail = 0;
        for (var k = 0; k < weights.Count; k++)
        {
            var spectrum = eigenvalues![k].OrderDescending().ToArray();
            if (ranks[k] < 0 || ranks[k] > spectrum.Length)
                throw new ArgumentOutOfRangeException(
                    nameof(ranks),
                    $"ranks[{k}] must be between 0 and {spectrum.Length}, was {ranks[k]}"
                );
            for (var j = 0; j < spectrum.Length; j++)
            {
                var s = Gain.Of(weights[k] * spectrum[j], weights[k], 1, sigma, lambda);
                if (j >= ranks[k])
                    tail += weights[k] * spectrum[j];
                else
                {
                    bias += weights[k] * (1 - s) * (1 - s) * spectrum[j];
                    noise += weights[k] * s * s * sigma * sigma;
                }
            }
        }
        return new(bias, noise, tail);
    }

    /// <summary>The bound as printed, <c>bias + tail + Σ_k rho_k C p_k/(sigma² n_k)</c>, with one constant C for all
    /// clusters (the paper leaves C_k open).</summary>
    /// <param name="constant">C ≥ 0.</param>
    /// <param name="weights">rho_k.</param>
    /// <param name="ranks">p_k.</param>
    /// <param name="counts">n_k ≥ 1.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    public double Printed(
        double constant,
        IReadOnlyList<double> weights,
        IReadOnlyList<int> ranks,
        IReadOnlyList<int> counts,
        double sigma
    )
    {
        Guard.NotNegative(constant);
        Guard.Sigma(sigma);
        CheckClusters(weights, counts?.Count ?? 0, ranks);
        foreach (var count in counts!)
            Guard.AtLeast(count, 1, nameof(counts));
        return PrintedLimit + weights.Select((rho, k) => rho * constant * ranks[k] / (sigma * sigma * counts[k])).Sum();
    }

    internal static void CheckClusters(IReadOnlyList<double> weights, int others, IReadOnlyList<int> ranks)
    {
        ArgumentNullException.ThrowIfNull(weights);
        ArgumentNullException.ThrowIfNull(ranks);
        if (weights.Count == 0 || others != weights.Count || ranks.Count != weights.Count)
            throw new ArgumentException(
                $"weights, clusters and ranks must be of one length ≥ 1, was {weights.Count}, {others} and "
                    + $"{ranks.Count}"
            );
        foreach (var weight in weights)
            Guard.Positive(weight, nameof(weights));
        if (Math.Abs(weights.Sum() - 1) > 1e-9)
            throw new ArgumentException($"weights must sum to 1, was {weights.Sum()}", nameof(weights));
    }
}
