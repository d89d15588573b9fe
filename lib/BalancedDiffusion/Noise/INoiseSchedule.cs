namespace BalancedDiffusion.Noise;

/// <summary>
/// Noise levels as a function sigma(t) of a time that rises with the noise, its inverse, and the levels that a sampler
/// goes through. Levels are those of <c>y = x + sigma eps</c> for every schedule; <see cref="VariancePreserving"/> maps
/// them to the notation of DDPM.
/// </summary>
public interface INoiseSchedule
{
    /// <summary>The time of the least level before 0.</summary>
    double MinTime { get; }

    /// <summary>The time of the greatest level.</summary>
    double MaxTime { get; }

    /// <summary>The noise level at a time; strictly increasing.</summary>
    /// <param name="t">The time, from <see cref="MinTime"/> to <see cref="MaxTime"/>.</param>
    /// <returns>sigma(t), &gt; 0.</returns>
    /// <exception cref="ArgumentOutOfRangeException">t is outside its range.</exception>
    double Sigma(double t);

    /// <summary>The time of a noise level, the inverse of <see cref="Sigma"/>.</summary>
    /// <param name="sigma">The level, from sigma(MinTime) to sigma(MaxTime).</param>
    /// <returns>t, from <see cref="MinTime"/> to <see cref="MaxTime"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">sigma is outside its range.</exception>
    double Time(double sigma);

    /// <summary>The levels of a run: those at even times from <see cref="MaxTime"/> down to <see cref="MinTime"/>, then
    /// 0.</summary>
    /// <param name="steps">How many steps, ≥ 1; one step goes from the greatest level to 0.</param>
    /// <returns>steps + 1 levels, strictly decreasing from the greatest level to exactly 0.</returns>
    /// <exception cref="ArgumentOutOfRangeException">steps is below 1.</exception>
    IReadOnlyList<double> Levels(int steps);
}
