using System.Diagnostics;
using Spectre.Console;

namespace BalancedDiffusion.Reproduce.Running;

/// <summary>One line an event, for output that is not a terminal.</summary>
/// <param name="console">Where the lines go.</param>
/// <param name="estimate">Says how long the rest takes.</param>
public sealed class PlainProgress(IAnsiConsole console, RunEstimate estimate) : IRunProgress
{
    private readonly Stopwatch watch = new();
    private int cells;

    /// <inheritdoc/>
    public void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds)
    {
        cells = cellIds.Count;
        watch.Restart();
        estimate.Started(notebook.Stem, 0);
        Line($"{notebook.Stem}: {cells} cells, about {Clock.Format(estimate.Left(notebook.Stem, 0))}; all notebooks about {Clock.Format(estimate.Left(0))}");
    }

    /// <inheritdoc/>
    public void CellStarted(NotebookFile notebook, int cell) => estimate.Started(notebook.Stem, cell);

    /// <inheritdoc/>
    public void CellFinished(NotebookFile notebook, int cell, double seconds) =>
        Line($"{notebook.Stem}: cell {cell}/{cells} {Clock.Format(seconds)}, {Clock.Format(watch.Elapsed.TotalSeconds)} so far, {Clock.Format(estimate.Left(notebook.Stem, seconds))} left");

    /// <inheritdoc/>
    public void NotebookFinished(NotebookResult result)
    {
        estimate.Finished(result.Notebook.Stem);
        Line($"{result.Notebook.Stem}: {(result.Failure is null ? "done" : "FAILED, " + result.Failure.Sentence)} after {Clock.Format(result.Seconds)}");
    }

    // Plain writing: Spectre would wrap lines at 80 columns where there is no terminal.
    private void Line(string text) => console.Profile.Out.Writer.WriteLine(text);
}
