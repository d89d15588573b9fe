using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The schedule of the published DiT, that of Ho et al. 2020, as levels of <c>y = x + sigma eps</c>: beta rises linearly from betaStart to betaEnd over N timesteps,
/// <c>alphaBar_i = prod_{j≤i} (1 - beta_j)</c>, <c>sigma_i = sqrt((1 - alphaBar_i)/alphaBar_i)</c>: from 0.0100 to 157.4. Time is the network's timestep, 0 to N - 1; between whole
/// timesteps the logarithm of sigma is linear.
/// </summary>
public sealed record DitSchedule : INoiseSchedule
{
    private readonly double[] logs;

    /// <summary>A schedule of N timesteps.</summary>
    /// <param name="betaStart">beta_0, between 0 and betaEnd (exclusive).</param>
    /// <param name="betaEnd">beta_{N-1}, &lt; 1.</param>
    /// <param name="count">N, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or so much noise gathers that sigma overflows.</exception>
    public DitSchedule(double betaStart = 1e-4, double betaEnd = 0.02, int count = 1000)
    {
        Guard.Positive(betaStart);
        Guard.AtLeast(count, 2);
        if (!(betaEnd > betaStart) || !(betaEnd < 1)) throw new ArgumentOutOfRangeException(nameof(betaEnd), $"betaEnd must be between betaStart = {betaStart} and 1, was {betaEnd}");
        (BetaStart, BetaEnd, Count) = (betaStart, betaEnd, count);
        logs = new double[count];
        var decay = 0.0; // -ln alphaBar
        for (var i = 0; i < count; i++)
        {
            decay -= VariancePreserving.LogOnePlus(-(betaStart + (betaEnd - betaStart) * i / (count - 1)));
            // sigma² = e^decay - 1 = 2 e^(decay/2) sinh(decay/2)
            logs[i] = 0.5 * (decay / 2 + Math.Log(2 * Math.Sinh(decay / 2)));
        }
        if (!(logs[^1] < 700)) throw new ArgumentOutOfRangeException(nameof(betaEnd), $"betaEnd must leave the greatest level finite, was {betaEnd} over {count} timesteps");
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
    public double Sigma(double t)
    {
        t = ScheduleTimes.Within(t, MinTime, MaxTime);
        var i = Math.Min((int)t, Count - 2);
        return Math.Exp(logs[i] + (t - i) * (logs[i + 1] - logs[i]));
    }

    /// <inheritdoc/>
    public double Time(double sigma) => NearestTime(ScheduleTimes.Within(sigma, Math.Exp(logs[0]), Math.Exp(logs[^1])));

    /// <summary>The time of any level; one below the least has time 0, one above the greatest the last.</summary>
    internal double NearestTime(double sigma)
    {
        var log = Math.Log(sigma);
        var found = Array.BinarySearch(logs, log);
        if (found >= 0) return found;
        var i = Math.Clamp(~found - 1, 0, Count - 2);
        return Math.Clamp(i + (log - logs[i]) / (logs[i + 1] - logs[i]), MinTime, MaxTime);
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);

    /// <summary>Schedules are equal when their three numbers are.</summary>
    public bool Equals(DitSchedule? other) => other is not null && (BetaStart, BetaEnd, Count) == (other.BetaStart, other.BetaEnd, other.Count);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(BetaStart, BetaEnd, Count);
}
