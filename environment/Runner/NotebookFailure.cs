using BalancedDiffusion.Reproduce.Runner.Kernel;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Why a notebook did not run to its end.</summary>
/// <param name="Kind">What sort of failure.</param>
/// <param name="Cell">The number of the code cell, from 1; 0 where no cell was running.</param>
/// <param name="CellId">Its id, or null.</param>
/// <param name="Source">Its source; empty where no cell was running.</param>
/// <param name="Error">What was said.</param>
public sealed record NotebookFailure(FailureKind Kind, int Cell, string? CellId, string Source, CellError Error)
{
    /// <summary>One sentence.</summary>
    public string Sentence
    {
        get
        {
            var place = Cell > 0 ? $"cell {Cell}" : "the start";
            var first = Error.Message.Split('\n')[0];
            return Kind switch
            {
                FailureKind.Error => $"{place} failed: {Error.Name}: {first}",
                FailureKind.Timeout => $"{place} was stopped: {first}",
                FailureKind.Crash => $"{place} ended the kernel: {first}",
                FailureKind.Start => $"the kernel did not start: {first}",
                FailureKind.Cancelled => $"{place} was interrupted",
                _ => $"the notebook could not be read: {first}",
            };
        }
    }
}
