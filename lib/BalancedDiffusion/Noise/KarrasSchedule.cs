using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// Levels even in <c>sigma^(1/rho)</c> (Karras et al. 2022, equation 5): rho = 7 spends most steps on small levels.
/// <c>sigma(t) = (min^(1/rho) + t (max^(1/rho) - min^(1/rho)))^rho</c>, t from 0 to 1; their step i of N is t = 1 -
/// i/(N-1).
/// </summary>
public sealed record KarrasSchedule : INoiseSchedule
{
    private readonly double from,
        to;

    /// <summary>A schedule between two levels.</summary>
    /// <param name="max">The greatest level, &gt; min.</param>
    /// <param name="min">The least level before 0, &gt; 0.</param>
    /// <param name="rho">The exponent, &gt; 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public KarrasSchedule(double max = 80, double min = 0.002, double rho = 7)
    {
        ScheduleTimes.Range(max, min);
        Guard.Positive(rho);
        (Max, Min, Rho) = (max, min, rho);
        (from, to) = (Math.Pow(min, 1 / rho), Math.Pow(max, 1 / rho));
        if (!double.IsFinite(to) || !(from > 0) || !(from < to))
            throw new ArgumentOutOfRangeException(
                nameof(rho),
                $"rho must leave {min} and {max} apart after the power 1/rho, was {rho}"
            );
    }

    /// <summary>The greatest level.</summary>
    public double Max { get; }

    /// <summary>The least level before 0.</summary>
    public double Min { get; }

    /// <summary>The exponent.</summary>
    public double Rho { get; }

    /// <inheritdoc/>
    public double MinTime => 0;

    /// <inheritdoc/>
    public double MaxTime => 1;

    /// <inheritdoc/>
    public double Sigma(double t)
    {
        t = ScheduleTimes.Within(t, 0, 1);
        return t == 1 ? Max
            : t == 0 ? Min
            : Math.Pow(from + t * (to - from), Rho);
    }

    /// <inheritdoc/>
    public double Time(double sigma) =>
        Math.Clamp((Math.Pow(ScheduleTimes.Within(sigma, Min, Max), 1 / Rho) - from) / (to - from), 0, 1);

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);
}
