using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>Levels even in <c>sigma^(1/rho)</c> (Karras et al. 2022, equation 5): rho = 7 spends most steps on small levels.</summary>
public sealed record KarrasSchedule : INoiseSchedule
{
    /// <summary>A schedule between two levels.</summary>
    /// <param name="max">The greatest level, &gt; min.</param>
    /// <param name="min">The least level before 0, &gt; 0.</param>
    /// <param name="rho">The exponent, &gt; 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public KarrasSchedule(double max = 80, double min = 0.002, double rho = 7)
    {
        Guard.Sigma(max);
        Guard.Sigma(min);
        Guard.Positive(rho);
        if (max <= min) throw new ArgumentOutOfRangeException(nameof(max), $"max must be above min = {min}, was {max}");
        (Max, Min, Rho) = (max, min, rho);
    }

    /// <summary>The greatest level.</summary>
    public double Max { get; }

    /// <summary>The least level before 0.</summary>
    public double Min { get; }

    /// <summary>The exponent.</summary>
    public double Rho { get; }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps)
    {
        Guard.AtLeast(steps, 1);
        var (from, to) = (Math.Pow(Max, 1 / Rho), Math.Pow(Min, 1 / Rho));
        return [.. Enumerable.Range(0, steps).Select(i => i == 0 ? Max : i == steps - 1 ? Min : Math.Pow(from + (to - from) * i / (steps - 1), Rho)), 0];
    }
}
