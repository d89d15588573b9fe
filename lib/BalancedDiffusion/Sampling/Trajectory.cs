using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>
/// A record of one run at chosen steps: the points before the step and the first estimate of their clean samples in it.
/// It holds the first samples of the run only, on the CPU, so that its memory is bounded by 2 · steps · rows samples;
/// a batch joins it when it has reached its end.
/// </summary>
public sealed class Trajectory : IDisposable
{
    private readonly int[]? chosen;
    private readonly int every;
    private readonly List<torch.Tensor> points = [],
        estimates = [];
    private readonly List<torch.Tensor> freshPoints = [],
        freshEstimates = [];
    private double[]? sigmas;
    private int[] steps = [];
    private long nextIndex,
        freshIndex,
        freshBatch,
        freshRows;

    /// <summary>A record of every n-th step.</summary>
    /// <param name="every">n, ≥ 1: steps 0, n, 2n, ….</param>
    /// <param name="rows">How many samples, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is below 1.</exception>
    public Trajectory(int every = 1, int rows = 16)
    {
        Guard.AtLeast(every, 1);
        Guard.AtLeast(rows, 1);
        (this.every, MaxRows) = (every, rows);
    }

    /// <summary>A record of the steps that are named.</summary>
    /// <param name="steps">Steps from 0, strictly increasing, at least one; step i goes from level i to level i +
    /// 1.</param>
    /// <param name="rows">How many samples, ≥ 1.</param>
    /// <exception cref="ArgumentException">There is no step, or they do not increase from 0 or above.</exception>
    /// <exception cref="ArgumentOutOfRangeException">rows is below 1.</exception>
    public Trajectory(IReadOnlyList<int> steps, int rows = 16)
    {
        ArgumentNullException.ThrowIfNull(steps);
        Guard.AtLeast(rows, 1);
        if (steps.Count == 0)
            throw new ArgumentException("steps must name at least one step, was empty", nameof(steps));
        for (var i = 0; i < steps.Count; i++)
            if (steps[i] < 0 || (i > 0 && steps[i] <= steps[i - 1]))
                throw new ArgumentException(
                    $"steps must increase from 0 or above, was {steps[i]} at position {i}",
                    nameof(steps)
                );
        (chosen, MaxRows) = ([.. steps], rows);
    }

    /// <summary>How many samples it holds at most.</summary>
    public int MaxRows { get; }

    /// <summary>How many samples it holds.</summary>
    public long Rows => points.Count == 0 ? 0 : points[0].shape[0];

    /// <summary>The recorded steps, from 0; empty before a run.</summary>
    public IReadOnlyList<int> Steps => steps;

    /// <summary>The noise levels at the recorded steps.</summary>
    public IReadOnlyList<double> Sigmas => sigmas is null ? [] : [.. steps.Select(i => sigmas[i])];

    /// <summary>The points before each recorded step: one tensor a step, (Rows, SampleShape…), on the CPU. The record
    /// owns them.</summary>
    public IReadOnlyList<torch.Tensor> Points => points;

    /// <summary>The clean samples as estimated in each recorded step, as <see cref="Points"/>.</summary>
    public IReadOnlyList<torch.Tensor> Estimates => estimates;

    /// <summary>Called before the first step of a batch.</summary>
    internal void Begin(IReadOnlyList<double> levels, long firstIndex, long batch)
    {
        DropFresh();
        if (points.Count == 0)
        {
            var count = levels.Count - 1;
            if (chosen is not null && chosen[^1] >= count)
                throw new ArgumentException(
                    $"the trajectory asks for step {chosen[^1]}, but the run has steps 0 to {count - 1} only"
                );
            sigmas = [.. levels];
            steps = chosen ?? [.. Enumerable.Range(0, (count + every - 1) / every).Select(i => i * every)];
        }
        else if (firstIndex != nextIndex || !sigmas!.SequenceEqual(levels))
            throw new InvalidOperationException("the trajectory already holds another run; give each run a new one");
        (freshIndex, freshBatch) = (firstIndex, batch);
        freshRows = Math.Min(batch, MaxRows - Rows);
    }

    /// <summary>Whether a step must be handed over in this batch.</summary>
    internal bool Wants(int step) => freshRows > 0 && Array.BinarySearch(steps, step) >= 0;

    internal void AddPoint(torch.Tensor x) => freshPoints.Add(Kept(x));

    internal void AddEstimate(torch.Tensor clean) => freshEstimates.Add(Kept(clean));

    /// <summary>Called after the last step of a batch.</summary>
    internal void End()
    {
        nextIndex = freshIndex + freshBatch;
        if (freshRows == 0)
            return;
        Join(points, freshPoints);
        Join(estimates, freshEstimates);
    }

    private torch.Tensor Kept(torch.Tensor x)
    {
        using var part = x.narrow(0, 0, freshRows);
        var kept = part.cpu().clone();
        kept.DetachFromDisposeScope();
        return kept;
    }

    private static void Join(List<torch.Tensor> all, List<torch.Tensor> fresh)
    {
        for (var i = 0; i < fresh.Count; i++)
        {
            if (all.Count <= i)
            {
                all.Add(fresh[i]);
                continue;
            }
            var joined = torch.cat([all[i], fresh[i]], 0);
            joined.DetachFromDisposeScope();
            all[i].Dispose();
            fresh[i].Dispose();
            all[i] = joined;
        }
        fresh.Clear();
    }

    private void DropFresh()
    {
        foreach (var tensor in freshPoints.Concat(freshEstimates))
            tensor.Dispose();
        freshPoints.Clear();
        freshEstimates.Clear();
    }

    /// <summary>Frees what was recorded.</summary>
    public void Dispose()
    {
        DropFresh();
        foreach (var tensor in points.Concat(estimates))
            tensor.Dispose();
        points.Clear();
        estimates.Clear();
    }
}
