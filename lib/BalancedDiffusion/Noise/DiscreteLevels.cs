namespace BalancedDiffusion.Noise;

/// <summary>The levels of a schedule that is stated by betas at whole timesteps, <c>sigma_i = sqrt((1 -
/// alphaBar_i)/alphaBar_i)</c>; between timesteps the logarithm of sigma is linear.</summary>
internal sealed class DiscreteLevels
{
    private readonly double[] logs;

    /// <param name="count">N, ≥ 2.</param>
    /// <param name="beta">beta_i, rising, in (0, 1).</param>
    /// <param name="betaEnd">beta_{N-1}, for the message.</param>
    /// <exception cref="ArgumentOutOfRangeException">So much noise gathers that sigma overflows.</exception>
    public DiscreteLevels(int count, Func<int, double> beta, double betaEnd)
    {
        logs = new double[count];
        var decay = 0.0; // -ln alphaBar
        for (var i = 0; i < count; i++)
        {
            decay -= VariancePreserving.LogOnePlus(-beta(i));
            // ln sqrt(e^decay - 1)
            logs[i] =
                0.5
                * (
                    decay > 1
                        ? decay + Math.Log(1 - Math.Exp(-decay))
                        : Math.Log(2 * Math.Exp(decay / 2) * Math.Sinh(decay / 2))
                );
        }
        if (!(logs[^1] < 700))
            throw new ArgumentOutOfRangeException(
                nameof(betaEnd),
                $"betaEnd must leave the greatest level finite, was {betaEnd} over {count} timesteps"
            );
    }

    public double Least => Math.Exp(logs[0]);

    public double Greatest => Math.Exp(logs[^1]);

    public double Sigma(double t)
    {
        t = ScheduleTimes.Within(t, 0, logs.Length - 1);
        var i = Math.Min((int)t, logs.Length - 2);
        return Math.Exp(logs[i] + (t - i) * (logs[i + 1] - logs[i]));
    }

    public double Time(double sigma) => NearestTime(ScheduleTimes.Within(sigma, Least, Greatest));

    /// <summary>The time of any level; one below the least has time 0, one above the greatest the last.</summary>
    public double NearestTime(double sigma)
    {
        var log = Math.Log(sigma);
        var found = Array.BinarySearch(logs, log);
        if (found >= 0)
            return found;
        var i = Math.Clamp(~found - 1, 0, logs.Length - 2);
        return Math.Clamp(i + (log - logs[i]) / (logs[i + 1] - logs[i]), 0, logs.Length - 1);
    }
}
