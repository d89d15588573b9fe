using BalancedDiffusion.Memorization;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Statistics;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>
/// Precision and recall of generated samples (Kynkäänniemi et al. 2019). A set's manifold is the union of balls
/// around its samples, each reaching to the sample's k-th nearest neighbour in the set. Intervals are Wilson's at
/// 95 %, given the other set.
/// </summary>
/// <param name="Precision">The share of generated samples inside the manifold of the real ones: fidelity.</param>
/// <param name="Recall">The share of real samples inside the manifold of the generated ones: coverage.</param>
/// <param name="Neighbours">k.</param>
public sealed record PrecisionRecall(ConfidenceInterval Precision, ConfidenceInterval Recall, int Neighbours)
{
    private const long BlockRows = 512;

    /// <summary>Measures a set of generated samples. Both numbers depend on the numbers of samples: compare sets of one
    /// size. Distances are rounded at 1e-12 of the largest squared length; a sample on the edge of a ball counts as
    /// inside.</summary>
    /// <param name="real">(n, d), floating point, n ≥ k + 1.</param>
    /// <param name="generated">(m, d), m ≥ k + 1.</param>
    /// <param name="neighbours">k, ≥ 1; 3 in the paper.</param>
    /// <exception cref="ArgumentException">A set has another shape, too few samples, or is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">neighbours is below 1.</exception>
    public static PrecisionRecall Of(torch.Tensor real, torch.Tensor generated, int neighbours = 3)
    {
        Guard.AtLeast(neighbours, 1);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (a, b) = FeatureInput.Pair(real, generated, neighbours + 1, nameof(real), nameof(generated));
        // Products of centred vectors lose fewer digits.
        var centre = a.mean([0L]);
        (a, b) = (a - centre, b - centre);
        return new(
            ConfidenceInterval.OfShare(Inside(b, a, neighbours), b.shape[0]),
            ConfidenceInterval.OfShare(Inside(a, b, neighbours), a.shape[0]),
            neighbours
        );
    }

    /// <summary>How many queries lie in the union of balls around the set.</summary>
    private static long Inside(torch.Tensor queries, torch.Tensor set, int neighbours)
    {
        using var scope = torch.NewDisposeScope();
        // A sample is its own nearest neighbour.
        using var near = NearestNeighbours.Find(set, set, neighbours + 1);
        var squaredRadii = near.Distances.narrow(1, neighbours, 1).squeeze(1).square();
        var (ofQueries, ofSet) = (queries.square().sum(1), set.square().sum(1));
        var tolerance = 1e-12 * Math.Max(ofQueries.max().item<double>(), ofSet.max().item<double>());
        // q² - 2qᵀs + s² ≤ r²
        var limits = squaredRadii - ofSet + tolerance;
        var inside = 0L;
        for (var offset = 0L; offset < queries.shape[0]; offset += BlockRows)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var count = Math.Min(BlockRows, queries.shape[0] - offset);
            var found = torch.zeros(count, dtype: torch.@bool);
            for (var start = 0L; start < set.shape[0]; start += BlockRows)
            {
                using var inner = torch.NewDisposeScope();
                var width = Math.Min(BlockRows, set.shape[0] - start);
                var left = queries
                    .narrow(0, offset, count)
                    .matmul(set.narrow(0, start, width).t())
                    .mul_(-2)
                    .add_(ofQueries.narrow(0, offset, count).unsqueeze(1));
                found.logical_or_(left.le(limits.narrow(0, start, width)).any(1));
            }
            inside += found.sum().item<long>();
        }
        return inside;
    }
}
