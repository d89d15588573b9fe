namespace BalancedDiffusion.Statistics;

/// <summary>Holm's step-down correction (1979) of several tests: rejecting what falls below a level keeps the chance of
/// even one false rejection below it, whatever the dependence.</summary>
public static class HolmCorrection
{
    /// <summary>Adjusted p-values: of m tests, the k-th smallest p becomes the largest of <c>(m - j + 1) p_(j)</c> over
    /// j ≤ k, at most 1.</summary>
    /// <param name="pValues">At least one, each in [0, 1].</param>
    /// <returns>In the order given.</returns>
    /// <exception cref="ArgumentException">There is none, or one is outside [0, 1].</exception>
    public static IReadOnlyList<double> Of(IReadOnlyList<double> pValues)
    {
        ArgumentNullException.ThrowIfNull(pValues);
        if (pValues.Count == 0)
            throw new ArgumentException("pValues must hold at least one, was empty", nameof(pValues));
        foreach (var p in pValues)
            if (!(p >= 0 && p <= 1))
                throw new ArgumentException($"a p-value must be between 0 and 1, was {p}", nameof(pValues));
        var adjusted = new double[pValues.Count];
        var largest = 0.0;
        foreach (
            var (place, rank) in Enumerable.Range(0, pValues.Count).OrderBy(i => pValues[i]).Select((i, k) => (i, k))
        )
        {
            largest = Math.Max(largest, Math.Min(1, (pValues.Count - rank) * pValues[place]));
            adjusted[place] = largest;
        }
        return adjusted;
    }
}
