namespace BalancedDiffusion.Reproduce.Running;

/// <summary>Follows a run and says how long the rest is likely to take.</summary>
/// <param name="timings">The times of earlier runs.</param>
/// <param name="timingKey">Which of them count.</param>
/// <param name="notebooks">The notebooks to run, each with the ids of its code cells.</param>
public sealed class RunEstimate(Timings timings, string timingKey, IReadOnlyList<(string Stem, IReadOnlyList<string> CellIds)> notebooks)
{
    private readonly HashSet<string> finished = [];
    private (string Stem, int Cell)? current;

    /// <summary>A notebook's kernel starts (cell 0), or a cell of it, counted from 1.</summary>
    public void Started(string stem, int cell) => current = (stem, cell);

    /// <summary>A notebook is done.</summary>
    public void Finished(string stem)
    {
        finished.Add(stem);
        current = null;
    }

    /// <summary>Seconds left for one notebook; 0 when it is done.</summary>
    /// <param name="stem">The notebook.</param>
    /// <param name="secondsInCell">How long its running cell has been running.</param>
    public double Left(string stem, double secondsInCell)
    {
        if (finished.Contains(stem)) return 0;
        var ids = notebooks.First(n => n.Stem == stem).CellIds;
        if (current is not { } now || now.Stem != stem || now.Cell == 0) return timings.Estimate(timingKey, stem, ids);
        var running = timings.Remaining(timingKey, stem, [ids[now.Cell - 1]]);
        return Math.Max(running - secondsInCell, 0) + timings.Remaining(timingKey, stem, ids.Skip(now.Cell).ToList());
    }

    /// <summary>Seconds left for all notebooks.</summary>
    public double Left(double secondsInCell) => notebooks.Sum(n => Left(n.Stem, secondsInCell));
}
