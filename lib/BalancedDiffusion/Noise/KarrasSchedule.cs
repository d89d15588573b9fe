using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// The schedule of Karras et al. (2022, equation 5): levels equally spaced in <c>sigma^(1/rho)</c>,
/// <c>sigma_i = (max^(1/rho) + i/(N-1) (min^(1/rho) - max^(1/rho)))^rho</c> for i = 0 … N-1, and then 0.
/// </summary>
public sealed record KarrasSchedule : INoiseSchedule
{
    /// <summary>A schedule between two levels.</summary>
    /// <param name="max">The first level, &gt; min; 80 in the paper.</param>
    /// <param name="min">The last level above 0; 0.002 in the paper.</param>
    /// <param name="rho">How strongly the steps crowd at small noise, &gt; 0; 7 in the paper.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is not positive and finite, or max is not above min.</exception>
    public KarrasSchedule(double max = 80, double min = 0.002, double rho = 7)
    {
        Guard.Sigma(max);
        Guard.Sigma(min);
        Guard.Positive(rho);
        if (max <= min) throw new ArgumentOutOfRangeException(nameof(max), $"max must be above min = {min}, was {max}");
        (Max, Min, Rho) = (max, min, rho);
    }

    /// <summary>The first level.</summary>
    public double Max { get; }

    /// <summary>The last level above 0.</summary>
    public double Min { get; }

    /// <summary>How strongly the steps crowd at small noise.</summary>
    public double Rho { get; }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps)
    {
        Guard.AtLeast(steps, 1);
        double from = Math.Pow(Max, 1 / Rho), to = Math.Pow(Min, 1 / Rho);
        return [.. Enumerable.Range(0, steps).Select(i => i == 0 ? Max : Math.Pow(from + i / (steps - 1.0) * (to - from), Rho)), 0];
    }
}
