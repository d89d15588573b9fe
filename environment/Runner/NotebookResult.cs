using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>What came of one notebook.</summary>
/// <param name="Notebook">The notebook.</param>
/// <param name="Title">Its first heading, else its name.</param>
/// <param name="Document">A copy with the outputs of this run; null where the file could not be read.</param>
/// <param name="CellCount">How many code cells it has (empty ones not counted).</param>
/// <param name="CellsRun">How many of them ended well.</param>
/// <param name="Seconds">The wall time, kernel start included.</param>
/// <param name="StartSeconds">The time until the kernel was ready.</param>
/// <param name="CellSeconds">The time of each cell that ended well, by cell id.</param>
/// <param name="Claims">The claims it made, in order.</param>
/// <param name="ClaimProblems">One sentence for each claim that could not be read.</param>
/// <param name="Failure">Why it did not run to its end, or null.</param>
/// <param name="FirstOutputSeconds">The time from the start of the kernel's process to the first output that a reader
/// of the notebook sees; null where there was none.</param>
/// <param name="PeakBytes">The most memory that one process of the notebook held at once; null where the system did not
/// say.</param>
public sealed record NotebookResult(
    NotebookFile Notebook,
    string Title,
    NotebookDocument? Document,
    int CellCount,
    int CellsRun,
    double Seconds,
    double StartSeconds,
    IReadOnlyDictionary<string, double> CellSeconds,
    IReadOnlyList<Claim> Claims,
    IReadOnlyList<string> ClaimProblems,
    NotebookFailure? Failure,
    double? FirstOutputSeconds = null,
    long? PeakBytes = null
)
{
    /// <summary>Whether every cell ran, every claim could be read, and every claim that was not skipped
    /// holds.</summary>
    public bool Succeeded =>
        Failure is null && ClaimProblems.Count == 0 && Claims.All(c => c.Outcome != ClaimOutcome.Fails);
}
