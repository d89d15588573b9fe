using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>Remembers what a run reports.</summary>
public sealed class EnvironmentSilence : IRunProgress
{
    public List<string> Events { get; } = [];

    public Action<NotebookFile, int>? OnCell { get; set; }

    public void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds) =>
        Events.Add($"{notebook.Stem} start {cellIds.Count}");

    public void CellStarted(NotebookFile notebook, int cell)
    {
        Events.Add($"{notebook.Stem} cell {cell}");
        OnCell?.Invoke(notebook, cell);
    }

    public void CellFinished(NotebookFile notebook, int cell, double seconds) =>
        Events.Add($"{notebook.Stem} cell {cell} done");

    public void NotebookFinished(NotebookResult result) => Events.Add($"{result.Notebook.Stem} end");
}
