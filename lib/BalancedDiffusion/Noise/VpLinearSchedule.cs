using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// The variance-preserving schedule with beta(t) rising linearly (Song et al. 2021), as levels of <c>y = x + sigma
/// eps</c>: <c>sigma(t)² = exp(betaMin t + (betaMax - betaMin) t²/2) - 1</c>, and t = (sqrt(betaMin² + 2 (betaMax -
/// betaMin) ln(1 + sigma²)) - betaMin)/(betaMax - betaMin) (Karras et al. 2022, table 1).
/// </summary>
public sealed record VpLinearSchedule : INoiseSchedule
{
    /// <summary>A schedule on [minTime, 1].</summary>
    /// <param name="betaMin">beta(0), &gt; 0.</param>
    /// <param name="betaMax">beta(1), &gt; betaMin.</param>
    /// <param name="minTime">The time of the least level before 0, between 0 and 1 (exclusive).</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public VpLinearSchedule(double betaMin = 0.1, double betaMax = 20, double minTime = 1e-3)
    {
        Guard.Positive(betaMin);
        Guard.Positive(betaMax);
        if (betaMax <= betaMin)
            throw new ArgumentOutOfRangeException(
                nameof(betaMax),
                $"betaMax must be above betaMin = {betaMin}, was {betaMax}"
            );
        if (betaMin + betaMax > 1000)
            throw new ArgumentOutOfRangeException(
                nameof(betaMax),
                $"betaMax must leave sigma(1) finite, so betaMin + betaMax at most 1000, was {betaMax}"
            );
        if (!(minTime > 0) || !(minTime < 1))
            throw new ArgumentOutOfRangeException(nameof(minTime), $"minTime must be between 0 and 1, was {minTime}");
        (BetaMin, BetaMax, MinTime) = (betaMin, betaMax, minTime);
    }

    /// <summary>beta(0).</summary>
    public double BetaMin { get; }

    /// <summary>beta(1).</summary>
    public double BetaMax { get; }

    /// <inheritdoc/>
    public double MinTime { get; }

    /// <inheritdoc/>
    public double MaxTime => 1;

    /// <inheritdoc/>
    public double Sigma(double t) => Level(ScheduleTimes.Within(t, MinTime, MaxTime));

    /// <inheritdoc/>
    public double Time(double sigma)
    {
        sigma = ScheduleTimes.Within(sigma, Level(MinTime), Level(MaxTime));
        // (sqrt(b² + c) - b)/slope without the cancellation at small levels.
        var gained = 2 * VariancePreserving.LogOnePlus(sigma * sigma);
        return Math.Clamp(
            gained / (Math.Sqrt(BetaMin * BetaMin + (BetaMax - BetaMin) * gained) + BetaMin),
            MinTime,
            MaxTime
        );
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);

    private double Level(double t)
    {
        var half = 0.5 * t * (BetaMin + 0.5 * (BetaMax - BetaMin) * t);
        return Math.Sqrt(2 * Math.Exp(half) * Math.Sinh(half));
    }
}
