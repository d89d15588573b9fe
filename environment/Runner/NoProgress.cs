using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Tells nobody how a run goes on.</summary>
public sealed class NoProgress : IRunProgress
{
    /// <inheritdoc/>
    public void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds) { }

    /// <inheritdoc/>
    public void CellStarted(NotebookFile notebook, int cell) { }

    /// <inheritdoc/>
    public void CellFinished(NotebookFile notebook, int cell, double seconds) { }

    /// <inheritdoc/>
    public void NotebookFinished(NotebookResult result) { }
}
