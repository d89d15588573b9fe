using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Is told how a run goes on. Calls come one at a time.</summary>
public interface IRunProgress
{
    /// <summary>A notebook begins.</summary>
    /// <param name="notebook">The notebook.</param>
    /// <param name="cellIds">The ids of the cells to run, in order.</param>
    void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds);

    /// <summary>A cell begins; <paramref name="cell"/> counts from 1.</summary>
    void CellStarted(NotebookFile notebook, int cell);

    /// <summary>A cell ended well.</summary>
    void CellFinished(NotebookFile notebook, int cell, double seconds);

    /// <summary>A notebook is done, well or not.</summary>
    void NotebookFinished(NotebookResult result);
}
