using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>
/// Mean and variance of each unit over all samples seen (Welford's and Chan's update, float64), and each sample's spikiness. Representations are read and let go: it holds
/// two numbers a unit and four a sample, and no tensor.
/// </summary>
public sealed class RunningStatistics
{
    private readonly List<double> deviations = [], norms = [], participations = [], shares = [];
    private double[] means = [], squares = [];

    /// <summary>How many samples it has seen.</summary>
    public long Count { get; private set; }

    /// <summary>The number of units; 0 before the first sample.</summary>
    public int Units => means.Length;

    /// <summary>The mean of each unit; empty before the first sample.</summary>
    public IReadOnlyList<double> Mean => [.. means];

    /// <summary>The population variance of each unit, ≥ 0; empty before the first sample.</summary>
    public IReadOnlyList<double> Variance => [.. squares.Select(s => s / Count)];

    /// <summary><see cref="Spikiness.StandardDeviation"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> StandardDeviations => deviations;

    /// <summary><see cref="Spikiness.L4OverL2"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> L4OverL2 => norms;

    /// <summary><see cref="Spikiness.ParticipationRatio"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> ParticipationRatios => participations;

    /// <summary><see cref="Spikiness.LargestShare"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> LargestShares => shares;

    /// <summary>Takes in samples; all of them, or none where it throws.</summary>
    /// <param name="representation">(batch, units), floating point, finite; as many units as before. The caller keeps it.</param>
    /// <exception cref="ArgumentException">The shape is wrong, there are no units, or a number is not finite.</exception>
    public void Add(torch.Tensor representation)
    {
        Guard.Shape(representation, [-1, Units == 0 ? -1 : Units]);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        if (representation.shape[0] == 0) return;
        double[] Values(torch.Tensor tensor) => tensor.cpu().data<double>().ToArray();
        double[][] measures = [Values(Spikiness.StandardDeviation(representation)), Values(Spikiness.L4OverL2(representation)), Values(Spikiness.ParticipationRatio(representation)), Values(Spikiness.LargestShare(representation))];
        var h = representation.detach().to_type(torch.float64);
        var mean = h.mean([0L]);
        var (batchMeans, batchSquares) = (Values(mean), Values((h - mean).square().sum(0L)));
        var batch = h.shape[0];
        if (Units == 0) (means, squares) = (new double[batchMeans.Length], new double[batchMeans.Length]);
        var total = Count + batch;
        for (var j = 0; j < means.Length; j++)
        {
            var gap = batchMeans[j] - means[j];
            means[j] += gap * batch / total;
            squares[j] += batchSquares[j] + gap * gap * ((double)Count * batch / total);
        }
        Count = total;
        deviations.AddRange(measures[0]);
        norms.AddRange(measures[1]);
        participations.AddRange(measures[2]);
        shares.AddRange(measures[3]);
    }
}
