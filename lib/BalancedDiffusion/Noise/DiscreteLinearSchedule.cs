using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// The linear schedule of DDPM (Ho et al. 2020), which the published DiT uses too, as levels of <c>y = x + sigma
/// eps</c>: beta rises linearly from betaStart to betaEnd over N timesteps, <c>alphaBar_i = prod_{j≤i} (1 -
/// beta_j)</c>, <c>sigma_i = sqrt((1 - alphaBar_i)/alphaBar_i)</c>: from 0.0100 to 157.4. Time is the network's
/// timestep, 0 to N - 1; between whole timesteps the logarithm of sigma is linear.
/// </summary>
public sealed record DiscreteLinearSchedule : INoiseSchedule
{
    private readonly DiscreteLevels levels;

    /// <summary>A schedule of N timesteps.</summary>
    /// <param name="betaStart">beta_0, between 0 and betaEnd (exclusive).</param>
    /// <param name="betaEnd">beta_{N-1}, &lt; 1.</param>
    /// <param name="count">N, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or so much noise gathers that sigma
    /// overflows.</exception>
    public DiscreteLinearSchedule(double betaStart = 1e-4, double betaEnd = 0.02, int count = 1000)
    {
        Guard.Positive(betaStart);
        Guard.AtLeast(count, 2);
        if (!(betaEnd > betaStart) || !(betaEnd < 1))
            throw new ArgumentOutOfRangeException(
                nameof(betaEnd),
                $"betaEnd must be between betaStart = {betaStart} and 1, was {betaEnd}"
            );
        (BetaStart, BetaEnd, Count) = (betaStart, betaEnd, count);
        levels = new DiscreteLevels(count, i => betaStart + (betaEnd - betaStart) * i / (count - 1), betaEnd);
    }

    /// <summary>beta_0.</summary>
    public double BetaStart { get; }

    /// <summary>beta_{N-1}.</summary>
    public double BetaEnd { get; }

    /// <summary>N, the number of timesteps.</summary>
    public int Count { get; }

    /// <inheritdoc/>
    public double MinTime => 0;

    /// <inheritdoc/>
    public double MaxTime => Count - 1;

    /// <inheritdoc/>
    public double Sigma(double t) => levels.Sigma(t);

    /// <inheritdoc/>
    public double Time(double sigma) => levels.Time(sigma);

    /// <summary>The time of any level; one below the least has time 0, one above the greatest the last.</summary>
    internal double NearestTime(double sigma) => levels.NearestTime(sigma);

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);

    /// <summary>Schedules are equal when their three numbers are.</summary>
    public bool Equals(DiscreteLinearSchedule? other) =>
        other is not null && (BetaStart, BetaEnd, Count) == (other.BetaStart, other.BetaEnd, other.Count);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(BetaStart, BetaEnd, Count);
}
