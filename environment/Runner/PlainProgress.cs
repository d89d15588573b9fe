using System.Diagnostics;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>One line an event, each with its notebook's name in front, for output that is not a terminal.</summary>
/// <param name="console">Where the lines go.</param>
/// <param name="estimate">Says how long the rest takes.</param>
public sealed class PlainProgress(IAnsiConsole console, RunEstimate estimate) : IRunProgress
{
    private readonly Dictionary<string, (Stopwatch Watch, int Cells)> running = [];

    /// <inheritdoc/>
    public void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds)
    {
        running[notebook.Stem] = (Stopwatch.StartNew(), cellIds.Count);
        estimate.Started(notebook.Stem, 0);
        Line(
            $"{notebook.Stem}: {cellIds.Count} cells, about {Clock.Format(estimate.Left(notebook.Stem))}; all "
                + $"notebooks about {Clock.Format(estimate.Left())}"
        );
    }

    /// <inheritdoc/>
    public void CellStarted(NotebookFile notebook, int cell) => estimate.Started(notebook.Stem, cell);

    /// <inheritdoc/>
    public void CellFinished(NotebookFile notebook, int cell, double seconds)
    {
        var (watch, cells) = running[notebook.Stem];
        Line(
            $"{notebook.Stem}: cell {cell}/{cells} {Clock.Format(seconds)}, "
                + $"{Clock.Format(watch.Elapsed.TotalSeconds)} so far, {Clock.Format(estimate.Left(notebook.Stem))} "
                + "left"
        );
    }

    /// <inheritdoc/>
    public void NotebookFinished(NotebookResult result)
    {
        running.Remove(result.Notebook.Stem);
        estimate.Finished(result.Notebook.Stem);
        Line(
            $"{result.Notebook.Stem}: "
                + $"{(result.Failure is null ? "done" : "FAILED, " + result.Failure.Sentence)} after "
                + $"{Clock.Format(result.Seconds)}"
        );
    }

    // Plain writing: Spectre would wrap lines at 80 columns where there is no terminal.
    private void Line(string text) => console.Profile.Out.Writer.WriteLine(text);
}
