using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>
/// The gap ratio: a sample's distance to its nearest training sample over that to the second nearest. A replica is much
/// nearer to one training sample than to any other, so its ratio is small; below 1/3 it counts as memorized.
/// </summary>
public static class GapRatio
{
    /// <summary>Below this a sample counts as memorized.</summary>
    public const double Threshold = 1.0 / 3;

    /// <summary>The gap ratio <c>d1/d2</c> of each query.</summary>
    /// <param name="queries">(queries, …), floating point.</param>
    /// <param name="training">(n, …) with n ≥ 2. A sample that occurs twice has d1 = d2 near it: leave duplicates
    /// out.</param>
    /// <param name="kind">The distance.</param>
    /// <returns>(queries), float64, in [0, 1]; 0 where both distances are 0. The caller owns it.</returns>
    /// <exception cref="ArgumentException">As for <see cref="NearestNeighbours.Find"/>, or there are fewer than two
    /// training samples.</exception>
    public static torch.Tensor Of(
        torch.Tensor queries,
        torch.Tensor training,
        DistanceKind kind = DistanceKind.Euclidean
    )
    {
        ArgumentNullException.ThrowIfNull(training);
        if (training.dim() > 0 && training.shape[0] < 2)
            throw new ArgumentException(
                $"the gap ratio needs at least two training samples, was {training.shape[0]}",
                nameof(training)
            );
        using var neighbours = NearestNeighbours.Find(queries, training, 2, kind);
        return Of(neighbours);
    }

    /// <summary>The gap ratio from neighbours found before.</summary>
    /// <param name="neighbours">With k ≥ 2.</param>
    /// <returns>(queries), float64, in [0, 1]. The caller owns it.</returns>
    /// <exception cref="ArgumentException">There is only one neighbour a query.</exception>
    public static torch.Tensor Of(Neighbours neighbours)
    {
        ArgumentNullException.ThrowIfNull(neighbours);
        if (neighbours.Distances.shape[1] < 2)
            throw new ArgumentException(
                $"the gap ratio needs two neighbours a query, was {neighbours.Distances.shape[1]}; find with k = 2",
                nameof(neighbours)
            );
        using var scope = torch.NewDisposeScope();
        var second = neighbours.Distances.narrow(1, 1, 1).squeeze(1);
        var ratio = neighbours.Distances.narrow(1, 0, 1).squeeze(1) / second;
        return ratio.masked_fill_(second.eq(0), 0).alias().MoveToOuterDisposeScope();
    }

    /// <summary>Whether each query counts as memorized: its gap ratio is below <see cref="Threshold"/>.</summary>
    /// <param name="ratios">Gap ratios, (queries).</param>
    /// <returns>(queries), bool. The caller owns it.</returns>
    public static torch.Tensor IsMemorized(torch.Tensor ratios)
    {
        ArgumentNullException.ThrowIfNull(ratios);
        return ratios.lt(Threshold);
    }
}
