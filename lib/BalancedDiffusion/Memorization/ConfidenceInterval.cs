namespace BalancedDiffusion.Memorization;

/// <summary>An estimate and the interval around it.</summary>
/// <param name="Estimate">The statistic on the data themselves.</param>
/// <param name="Low">The lower end.</param>
/// <param name="High">The upper end, ≥ Low.</param>
/// <param name="Level">The intended coverage, in (0, 1), e.g. 0.95.</param>
public sealed record ConfidenceInterval(double Estimate, double Low, double High, double Level)
{
    /// <summary>Whether a value lies in the interval, its ends included.</summary>
    public bool Contains(double value) => value >= Low && value <= High;

    /// <summary>The estimate and the interval with three decimals, e.g. <c>0.912 [0.887, 0.934]</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Estimate:F3} [{Low:F3}, {High:F3}]");
}
