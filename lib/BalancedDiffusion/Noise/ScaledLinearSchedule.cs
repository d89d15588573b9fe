using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// Stable Diffusion's schedule (Rombach et al. 2022) as levels of <c>y = x + sigma eps</c>: <c>beta_i = (sqrt(betaStart) + i/(N-1) (sqrt(betaEnd) - sqrt(betaStart)))²</c> for i from 0 to
/// N - 1, <c>alphaBar_i = prod_{j≤i} (1 - beta_j)</c>, <c>sigma_i = sqrt((1 - alphaBar_i)/alphaBar_i)</c>: from 0.0292 to 14.6146. Time is the network's timestep, 0 to N - 1;
/// between whole timesteps the logarithm of sigma is linear. Its own starts, N(0, I) in z, are N(0, (1 + sigma²) I) here: 0.2 % wider than N(0, sigma² I) at the greatest level.
/// </summary>
public sealed record ScaledLinearSchedule : INoiseSchedule
{
    private readonly double[] logs;

    /// <summary>A schedule of N timesteps.</summary>
    /// <param name="betaStart">beta_0, between 0 and betaEnd (exclusive).</param>
    /// <param name="betaEnd">beta_{N-1}, &lt; 1.</param>
    /// <param name="count">N, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or so much noise gathers that sigma overflows.</exception>
    public ScaledLinearSchedule(double betaStart = 0.00085, double betaEnd = 0.012, int count = 1000)
    {
        Guard.Positive(betaStart);
        Guard.AtLeast(count, 2);
        if (!(betaEnd > betaStart) || !(betaEnd < 1)) throw new ArgumentOutOfRangeException(nameof(betaEnd), $"betaEnd must be between betaStart = {betaStart} and 1, was {betaEnd}");
        (BetaStart, BetaEnd, Count) = (betaStart, betaEnd, count);
        logs = new double[count];
        var sum = 0.0; // -ln alphaBar
        for (var i = 0; i < count; i++)
        {
            var root = Math.Sqrt(betaStart) + (Math.Sqrt(betaEnd) - Math.Sqrt(betaStart)) * i / (count - 1);
            sum -= VariancePreserving.LogOnePlus(-root * root);
            // ln sqrt(e^sum - 1)
            logs[i] = 0.5 * (sum > 1 ? sum + Math.Log(1 - Math.Exp(-sum)) : Math.Log(2 * Math.Exp(sum / 2) * Math.Sinh(sum / 2)));
        }
        if (logs[^1] > 700) throw new ArgumentOutOfRangeException(nameof(betaEnd), $"betaEnd must leave the greatest level finite, was {betaEnd} over {count} timesteps");
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
    public double Time(double sigma)
    {
        var log = Math.Log(ScheduleTimes.Within(sigma, Math.Exp(logs[0]), Math.Exp(logs[^1])));
        var found = Array.BinarySearch(logs, log);
        if (found >= 0) return found;
        var i = Math.Clamp(~found - 1, 0, Count - 2);
        return Math.Clamp(i + (log - logs[i]) / (logs[i + 1] - logs[i]), MinTime, MaxTime);
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);

    /// <summary>Schedules are equal when their three numbers are.</summary>
    public bool Equals(ScaledLinearSchedule? other) => other is not null && (BetaStart, BetaEnd, Count) == (other.BetaStart, other.BetaEnd, other.Count);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(BetaStart, BetaEnd, Count);
}
