using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Which directions of which clusters p units store: those with the largest reduction g of the objective first (see
/// <see cref="Gain"/>). Since reductions add up and within a cluster rise with the eigenvalue, taking the largest first
/// is optimal among block-wise minimizers; training need not find it.
/// </summary>
public sealed class CapacityAllocation
{
    private CapacityAllocation(
        int[] ranks,
        IReadOnlyList<(int Cluster, int Direction, double Gain, double Reduction)> stored,
        double loss,
        double objective
    )
    {
        Ranks = ranks;
        Stored = stored;
        Loss = loss;
        Objective = objective;
    }

    /// <summary>p_k of each cluster. Their sum is below p where further directions would gain nothing.</summary>
    public IReadOnlyList<int> Ranks { get; }

    /// <summary>The stored directions in the order in which they are taken, with gain s and reduction g.</summary>
    public IReadOnlyList<(int Cluster, int Direction, double Gain, double Reduction)> Stored { get; }

    /// <summary>The predicted expected loss without penalty.</summary>
    public double Loss { get; }

    /// <summary>The predicted objective, penalty included.</summary>
    public double Objective { get; }

    /// <summary>Allocates units over spectra.</summary>
    /// <param name="eigenvalues">The eigenvalues of <c>X_k X_kᵀ</c> of each cluster, ≥ 0, any order (sorted here;
    /// directions are counted from the largest).</param>
    /// <param name="counts">n_k of each cluster, &gt; 0; or rho_k, with eigenvalues of <c>rho_k S_k</c>, for the
    /// population.</param>
    /// <param name="units">p ≥ 0.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <exception cref="ArgumentException">The lists are empty or differ in length.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public static CapacityAllocation Of(
        IReadOnlyList<IReadOnlyList<double>> eigenvalues,
        IReadOnlyList<double> counts,
        int units,
        double sigma,
        double lambda = 0
    )
    {
        ArgumentNullException.ThrowIfNull(eigenvalues);
        ArgumentNullException.ThrowIfNull(counts);
        Guard.AtLeast(units, 0);
        if (counts.Count == 0 || eigenvalues.Count != counts.Count)
            throw new ArgumentException(
                $"spectra and counts must be of one length ≥ 1, was {eigenvalues.Count} and {counts.Count}",
                nameof(eigenvalues)
            );
        var total = counts.Sum();
        var all = new List<(int Cluster, int Direction, double Gain, double Reduction)>();
        double loss = 0,
            objective = 0;
        var errors = new Dictionary<(int, int), double>();
        for (var k = 0; k < counts.Count; k++)
        {
            var spectrum = eigenvalues[k].OrderDescending().ToArray();
            for (var j = 0; j < spectrum.Length; j++)
            {
                var gain = Gain.Of(spectrum[j], counts[k], total, sigma, lambda);
                all.Add((k, j, gain, Gain.Reduction(spectrum[j], counts[k], total, sigma, lambda)));
                errors[(k, j)] = Gain.Error(gain, spectrum[j], counts[k], total, sigma) - spectrum[j] / total;
                loss += spectrum[j] / total;
            }
        }
        objective = loss;
        var stored = all.Where(a => a.Reduction > 0)
            .OrderByDescending(a => a.Reduction)
            .ThenBy(a => a.Cluster)
            .ThenBy(a => a.Direction)
            .Take(units)
            .ToArray();
        foreach (var taken in stored)
        {
            loss += errors[(taken.Cluster, taken.Direction)];
            objective -= taken.Reduction;
        }
        return new([.. counts.Select((_, k) => stored.Count(s => s.Cluster == k))], stored, loss, objective);
    }

    /// <summary>Allocates units over clusters of samples.</summary>
    /// <param name="clusters">One tensor (n_k, d) a cluster.</param>
    /// <param name="units">p ≥ 0.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <exception cref="ArgumentException">No cluster, an empty one, or values that are not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public static CapacityAllocation Of(
        IReadOnlyList<torch.Tensor> clusters,
        int units,
        double sigma,
        double lambda = 0
    )
    {
        ArgumentNullException.ThrowIfNull(clusters);
        using var scope = torch.NewDisposeScope();
        var rows = clusters.Select((cluster, k) => Float64.Samples(cluster, $"clusters[{k}]")).ToArray();
        return Of(
            [.. rows.Select(cluster => Float64.SecondMoments(cluster).Values)],
            [.. rows.Select(cluster => (double)cluster.shape[0])],
            units,
            sigma,
            lambda
        );
    }
}
