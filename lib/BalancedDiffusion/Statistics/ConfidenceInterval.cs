using BalancedDiffusion.Runtime;
using MathNet.Numerics.Distributions;

namespace BalancedDiffusion.Statistics;

/// <summary>An estimate and the interval around it.</summary>
/// <param name="Estimate">The statistic on the data themselves.</param>
/// <param name="Low">The lower end.</param>
/// <param name="High">The upper end, ≥ Low.</param>
/// <param name="Level">The intended coverage, in (0, 1), e.g. 0.95.</param>
public sealed record ConfidenceInterval(double Estimate, double Low, double High, double Level)
{
    /// <summary>Wilson's interval of a share: the p for which <c>(p - successes/trials)² ≤ z² p (1 - p)/trials</c>,
    /// z the normal quantile of the level (Wilson 1927). It keeps inside [0, 1] also at 0 and at all.</summary>
    /// <param name="successes">How many of the trials, from 0 to trials.</param>
    /// <param name="trials">How many trials, ≥ 1.</param>
    /// <param name="level">The coverage, in (0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static ConfidenceInterval OfShare(long successes, long trials, double level = 0.95)
    {
        Guard.AtLeast(trials, 1);
        if (successes < 0 || successes > trials)
            throw new ArgumentOutOfRangeException(
                nameof(successes),
                $"successes must be from 0 to trials = {trials}, was {successes}"
            );
        if (!(level > 0 && level < 1))
            throw new ArgumentOutOfRangeException(nameof(level), $"level must be between 0 and 1, was {level}");
        var z2 = Math.Pow(Normal.InvCDF(0, 1, (1 + level) / 2), 2);
        var (share, n) = (successes / (double)trials, (double)trials);
        var (middle, half) = (share + z2 / (2 * n), Math.Sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))));
        return new(
            share,
            Math.Max(0, (middle - half) / (1 + z2 / n)),
            Math.Min(1, (middle + half) / (1 + z2 / n)),
            level
        );
    }

    /// <summary>Whether a value lies in the interval, its ends included.</summary>
    public bool Contains(double value) => value >= Low && value <= High;

    /// <summary>The estimate and the interval with three decimals, e.g. <c>0.912 [0.887, 0.934]</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Estimate:F3} [{Low:F3}, {High:F3}]");
}
