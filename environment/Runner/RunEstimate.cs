namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Follows a run and says how long the rest is likely to take.</summary>
/// <param name="timings">The times of earlier runs.</param>
/// <param name="timingKey">Which of them count.</param>
/// <param name="notebooks">The notebooks to run, each with the ids of its code cells.</param>
/// <param name="minutes">By notebook, for those that no earlier run has timed; what is missing in it too is guessed by
/// the number of cells.</param>
/// <param name="jobs">How many run side by side.</param>
/// <param name="clock">Tells the time; the system's when not given.</param>
public sealed class RunEstimate(
    Timings timings,
    string timingKey,
    IReadOnlyList<(string Stem, IReadOnlyList<string> CellIds)> notebooks,
    IReadOnlyDictionary<string, double>? minutes = null,
    int jobs = 1,
    TimeProvider? clock = null
)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;
    private readonly HashSet<string> finished = [];
    private readonly Dictionary<string, (int Cell, long Since)> running = [];

    /// <summary>A notebook's kernel starts (cell 0), or a cell of it, counted from 1.</summary>
    public void Started(string stem, int cell) => running[stem] = (cell, clock.GetTimestamp());

    /// <summary>A notebook is done.</summary>
    public void Finished(string stem)
    {
        finished.Add(stem);
        running.Remove(stem);
    }

    /// <summary>Seconds left for one notebook; 0 when it is done.</summary>
    public double Left(string stem)
    {
        if (finished.Contains(stem))
            return 0;
        var ids = notebooks.First(n => n.Stem == stem).CellIds;
        double? guess =
            minutes is not null && minutes.TryGetValue(stem, out var stated) && ids.Count > 0
                ? stated * 60 / ids.Count
                : null;
        if (!running.TryGetValue(stem, out var now))
            return timings.Estimate(timingKey, stem, ids, guess);
        var elapsed = clock.GetElapsedTime(now.Since).TotalSeconds;
        if (now.Cell == 0)
            return Math.Max(timings.Estimate(timingKey, stem, [], guess) - elapsed, 0)
                + timings.Remaining(timingKey, stem, ids, guess);
        return Math.Max(timings.Remaining(timingKey, stem, [ids[now.Cell - 1]], guess) - elapsed, 0)
            + timings.Remaining(timingKey, stem, ids.Skip(now.Cell).ToList(), guess);
    }

    /// <summary>Seconds left for all notebooks: those that wait take the place of the first to finish, the longest
    /// first.</summary>
    public double Left()
    {
        var places = new double[jobs];
        foreach (
            var (stem, _) in notebooks
                .OrderByDescending(n => running.ContainsKey(n.Stem))
                .ThenByDescending(n => Left(n.Stem))
        )
            places[Array.IndexOf(places, places.Min())] += Left(stem);
        return places.Max();
    }
}
