using System.Numerics;
using System.Runtime.InteropServices;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>
/// Mean and variance of each unit over all samples seen (Welford's and Chan's update, float64), and each sample's
/// spikiness. Representations are read and let go: it holds two numbers a unit and four a sample, and no tensor.
/// </summary>
public sealed class RunningStatistics
{
    private readonly List<double> standardDeviations = [],
        norms = [],
        participations = [],
        shares = [];
    private double[] means = [],
        squares = [];

    /// <summary>How many samples it has seen.</summary>
    public long Count { get; private set; }

    /// <summary>The number of units; 0 before the first sample.</summary>
    public int Units => means.Length;

    /// <summary>The mean of each unit; empty before the first sample.</summary>
    public IReadOnlyList<double> Mean => [.. means];

    /// <summary>The population variance of each unit, ≥ 0; empty before the first sample.</summary>
    public IReadOnlyList<double> Variance => [.. squares.Select(s => s / Count)];

    /// <summary><see cref="Spikiness.StandardDeviation"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> StandardDeviations => standardDeviations;

    /// <summary><see cref="Spikiness.L4OverL2"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> L4OverL2 => norms;

    /// <summary><see cref="Spikiness.ParticipationRatio"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> ParticipationRatios => participations;

    /// <summary><see cref="Spikiness.LargestShare"/> of each sample, in the order seen.</summary>
    public IReadOnlyList<double> LargestShares => shares;

    /// <summary>Takes in samples; all of them, or none where it throws.</summary>
    /// <param name="representation">(batch, units), floating point, finite; as many units as before. The caller keeps
    /// it.</param>
    /// <exception cref="ArgumentException">The shape is wrong, there are no units, or a number is not
    /// finite.</exception>
    public void Add(torch.Tensor representation)
    {
        Guard.Shape(representation, [-1, Units == 0 ? -1 : Units]);
        if (representation.shape[0] == 0)
            return;
        Spikiness.Check(representation);
        var (batch, units) = ((int)representation.shape[0], (int)representation.shape[1]);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = representation.detach().cpu().to_type(torch.float64).contiguous();
        var values = rows.Numbers<double>();
        if (Units == 0)
            (means, squares) = (new double[units], new double[units]);
        var (batchMeans, batchSquares) = Columns(values, batch, units);
        var total = Count + batch;
        for (var j = 0; j < units; j++)
        {
            var gap = batchMeans[j] - means[j];
            means[j] += gap * batch / total;
            squares[j] += batchSquares[j] + gap * gap * ((double)Count * batch / total);
        }
        Count = total;
        var padded = new double[(units + Vector<double>.Count - 1) / Vector<double>.Count * Vector<double>.Count];
        for (var i = 0; i < batch; i++)
            AddRow(values.Slice(i * units, units), padded);
    }

    private static (double[] Means, double[] Squares) Columns(ReadOnlySpan<double> values, int batch, int units)
    {
        var (sums, spread) = (new double[units], new double[units]);
        for (var i = 0; i < batch; i++)
        {
            var row = values.Slice(i * units, units);
            for (var j = 0; j < units; j++)
                sums[j] += row[j];
        }
        for (var j = 0; j < units; j++)
            sums[j] /= batch;
        for (var i = 0; i < batch; i++)
        {
            var row = values.Slice(i * units, units);
            for (var j = 0; j < units; j++)
                spread[j] += (row[j] - sums[j]) * (row[j] - sums[j]);
        }
        return (sums, spread);
    }

    /// <summary>The measures of <see cref="Spikiness"/> from one reading of a row scaled by its largest unit; taken one
    /// by one as tensors they cost more than a small network.</summary>
    private void AddRow(ReadOnlySpan<double> row, Span<double> padded)
    {
        padded.Clear();
        row.CopyTo(padded);
        var lanes = MemoryMarshal.Cast<double, Vector<double>>(padded);
        var (largest, sum, energy, fourth, spread) = (
            Vector<double>.Zero,
            Vector<double>.Zero,
            Vector<double>.Zero,
            Vector<double>.Zero,
            Vector<double>.Zero
        );
        foreach (var h in lanes)
            largest = Vector.Max(largest, Vector.Abs(h));
        var scale = 0.0;
        for (var i = 0; i < Vector<double>.Count; i++)
            scale = Math.Max(scale, largest[i]);
        var divisor = new Vector<double>(scale > 0 ? scale : 1);
        foreach (ref var h in lanes)
        {
            h /= divisor;
            var square = h * h;
            sum += h;
            energy += square;
            fourth += square * square;
        }
        var mean = Vector.Sum(sum) / row.Length;
        padded[row.Length..].Fill(mean);
        foreach (var h in lanes)
            spread += (h - new Vector<double>(mean)) * (h - new Vector<double>(mean));
        var (second, power) = (Vector.Sum(energy), Vector.Sum(fourth));
        standardDeviations.Add(scale * Math.Sqrt(Vector.Sum(spread) / row.Length));
        norms.Add(second > 0 ? Math.Pow(power, 0.25) / Math.Sqrt(second) : 0);
        participations.Add(second > 0 ? second * second / power : 0);
        shares.Add(second > 0 ? 1 / second : 0); // the largest unit is 1
    }
}
