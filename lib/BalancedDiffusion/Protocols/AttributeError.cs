using MathNet.Numerics.Statistics;

namespace BalancedDiffusion.Protocols;

/// <summary>How far an attribute regressor is from the truth on images that it did not see.</summary>
/// <param name="Name">The attribute.</param>
/// <param name="RootMeanSquare">The root of the mean squared error, in the attribute's units.</param>
/// <param name="ExplainedVariance">1 - (mean squared error)/(variance of the truth): 1 is perfect, 0 as good as the
/// mean.</param>
/// <param name="Spearman">The rank correlation of reading and truth, in [-1, 1]; NaN where all readings are
/// equal.</param>
/// <param name="Concordance">Of all pairs of images in which the truth differs, the share that the reading puts in the
/// same order, ties counting half, in [0, 1]: 0.5 is chance. Of a yes-or-no attribute it is the area under the ROC
/// curve, so that graded and yes-or-no attributes are judged by one number (a rank correlation with a yes-or-no label
/// cannot reach 1).</param>
public sealed record AttributeError(
    string Name,
    double RootMeanSquare,
    double ExplainedVariance,
    double Spearman,
    double Concordance
)
{
    /// <summary>Compares readings with the truth.</summary>
    /// <param name="name">The attribute.</param>
    /// <param name="read">Readings, at least three.</param>
    /// <param name="truth">The truth, as many, not all equal.</param>
    /// <exception cref="ArgumentException">The lists do not match, are too short, or the truth does not
    /// vary.</exception>
    public static AttributeError Measure(string name, IReadOnlyList<double> read, IReadOnlyList<double> truth)
    {
        ArgumentNullException.ThrowIfNull(read);
        ArgumentNullException.ThrowIfNull(truth);
        if (read.Count != truth.Count || read.Count < 3)
            throw new ArgumentException(
                $"readings and truth must be as many, at least three, were {read.Count} and {truth.Count}",
                nameof(read)
            );
        var variance = truth.PopulationVariance();
        if (!(variance > 0))
            throw new ArgumentException(
                $"the truth of '{name}' is the same in all images; judge on images in which it varies",
                nameof(truth)
            );
        var square = read.Zip(truth, (r, t) => (r - t) * (r - t)).Average();
        return new AttributeError(
            name,
            Math.Sqrt(square),
            1 - square / variance,
            Correlation.Spearman(read, truth),
            Concordant(read, truth)
        );
    }

    private static double Concordant(IReadOnlyList<double> read, IReadOnlyList<double> truth)
    {
        var (right, pairs) = (0.0, 0L);
        for (var i = 0; i < read.Count; i++)
        for (var j = 0; j < read.Count; j++)
            if (truth[i] > truth[j])
            {
                pairs++;
                right +=
                    read[i] > read[j] ? 1
                    : read[i] == read[j] ? 0.5
                    : 0;
            }
        return right / pairs;
    }
}
