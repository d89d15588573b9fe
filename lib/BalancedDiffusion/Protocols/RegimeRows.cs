using BalancedDiffusion.Datasets;
using BalancedDiffusion.Training;

namespace BalancedDiffusion.Protocols;

/// <summary>What each regime of the miniatures is trained on.</summary>
public static class RegimeRows
{
    /// <summary>Which distinct images a network is trained on, row by row: those that are chosen for duplication, once
    /// each (memorizing); the others, once each (generalizing); or all, with their duplicates (hybrid).</summary>
    /// <param name="counts">How often the images occur.</param>
    /// <param name="regime">What they are to make of the network.</param>
    public static IReadOnlyList<int> Of(DuplicateCounts counts, TrainingRegime regime)
    {
        ArgumentNullException.ThrowIfNull(counts);
        return regime switch
        {
            TrainingRegime.Memorizing => [.. Enumerable.Range(0, counts.Chosen)],
            TrainingRegime.Generalizing => [.. Enumerable.Range(counts.Chosen, counts.Distinct - counts.Chosen)],
            _ => counts.RowMap(),
        };
    }
}
