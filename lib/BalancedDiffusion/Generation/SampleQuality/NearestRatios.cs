using BalancedDiffusion.Memorization;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Statistics;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>
/// How near generated samples lie to the training set, in the measure of held-out images: every distance to the nearest
/// training sample is divided by the held-out images' median distance. New samples of the true distribution have a
/// median of 1; replicas have ratios near 0.
/// </summary>
/// <param name="Samples">The ratio of each generated sample, ≥ 0.</param>
/// <param name="HeldOut">The ratio of each held-out image; their median is 1.</param>
/// <param name="Level">The share of held-out images that count as near.</param>
/// <param name="Near">The share of generated samples whose ratio is at most the held-out images' quantile of
/// <paramref name="Level"/>, with Wilson's 95 % interval. About Level where nothing is replicated.</param>
public sealed record NearestRatios(
    IReadOnlyList<double> Samples,
    IReadOnlyList<double> HeldOut,
    double Level,
    ConfidenceInterval Near
)
{
    /// <summary>The generated samples' median ratio.</summary>
    public double Median => Quantile(Samples, 0.5);

    /// <summary>A quantile of the generated samples' ratios.</summary>
    /// <param name="share">The share below it, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">share is outside [0, 1].</exception>
    public double SampleQuantile(double share)
    {
        if (!(share >= 0 && share <= 1))
            throw new ArgumentOutOfRangeException(nameof(share), $"share must be between 0 and 1, was {share}");
        return Quantile(Samples, share);
    }

    /// <summary>Measures samples by Euclidean distances of pixels or of features.</summary>
    /// <param name="samples">Generated samples, (m, …), floating point.</param>
    /// <param name="training">(n, …), samples of the same size.</param>
    /// <param name="heldOut">Real samples that were not trained on, (l, …).</param>
    /// <param name="level">The share of held-out images that count as near, in (0, 1).</param>
    /// <exception cref="ArgumentException">A set is empty, of another size or not finite, or at least half of the
    /// held-out images lie in the training set.</exception>
    /// <exception cref="ArgumentOutOfRangeException">level is outside (0, 1).</exception>
    public static NearestRatios Of(
        torch.Tensor samples,
        torch.Tensor training,
        torch.Tensor heldOut,
        double level = 0.01
    )
    {
        if (!(level > 0 && level < 1))
            throw new ArgumentOutOfRangeException(nameof(level), $"level must be above 0 and below 1, was {level}");
        double[] near = Distances(samples, training, nameof(samples)),
            real = Distances(heldOut, training, nameof(heldOut));
        var median = Quantile(real, 0.5);
        if (!(median > 0))
            throw new ArgumentException(
                "at least half of the held-out images are training images; give images that were not trained on",
                nameof(heldOut)
            );
        double[] ratios = [.. near.Select(distance => distance / median)],
            floor = [.. real.Select(distance => distance / median)];
        var threshold = Quantile(floor, level);
        return new(
            ratios,
            floor,
            level,
            ConfidenceInterval.OfShare(ratios.Count(ratio => ratio <= threshold), ratios.Length)
        );
    }

    private static double[] Distances(torch.Tensor queries, torch.Tensor training, string name)
    {
        ArgumentNullException.ThrowIfNull(queries, name);
        if (queries.dim() == 0 || queries.shape[0] == 0)
            throw new ArgumentException(
                $"{name} must hold at least one sample, was {Listing.Shape(queries.shape)}; draw some",
                name
            );
        using var neighbours = NearestNeighbours.Find(queries, training, 1);
        using var distances = neighbours.Distances.cpu();
        return distances.data<double>().ToArray();
    }

    private static double Quantile(IReadOnlyList<double> values, double share) =>
        SortedSample.Quantile([.. values.Order()], share);
}
