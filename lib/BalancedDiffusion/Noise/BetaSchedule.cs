using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Noise;

/// <summary>
/// A schedule that is stated by its betas at N whole timesteps, as a published network was trained with it, seen as
/// levels of <c>y = x + sigma eps</c>: <c>alphaBar_i = prod_{j≤i} (1 - beta_j)</c>,
/// <c>sigma_i = sqrt((1 - alphaBar_i)/alphaBar_i)</c>. Time is the network's timestep, 0 to N - 1; between whole
/// timesteps the logarithm of sigma is linear. Two of one type are equal when their three numbers are.
/// </summary>
public abstract record BetaSchedule : INoiseSchedule
{
    private readonly double[] logs;

    /// <summary>A schedule of N timesteps.</summary>
    /// <param name="betaStart">beta_0, between 0 and betaEnd (exclusive).</param>
    /// <param name="betaEnd">beta_{N-1}, &lt; 1.</param>
    /// <param name="count">N, ≥ 2.</param>
    /// <param name="beta">From i to beta_i, rising, in (0, 1); asked only where the three numbers are in range.</param>
    private protected BetaSchedule(double betaStart, double betaEnd, int count, Func<int, double> beta)
    {
        Guard.Positive(betaStart);
        Guard.AtLeast(count, 2);
        if (!(betaEnd > betaStart) || !(betaEnd < 1))
            throw new ArgumentOutOfRangeException(
                nameof(betaEnd),
                $"betaEnd must be between betaStart = {betaStart} and 1, was {betaEnd}"
            );
        (BetaStart, BetaEnd, Count) = (betaStart, betaEnd, count);
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
        t = ScheduleTimes.Within(t, 0, MaxTime);
        var i = Math.Min((int)t, Count - 2);
        return Math.Exp(logs[i] + (t - i) * (logs[i + 1] - logs[i]));
    }

    /// <summary>The share of the signal's variance that a whole timestep leaves, <c>alphaBar_i</c>.</summary>
    /// <param name="timestep">0 to N - 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public double AlphaBar(int timestep) => VariancePreserving.AlphaBar(Sigma(timestep));

    /// <summary>Noisy samples in the variance-preserving notation, <c>z = sqrt(alphaBar) x + sqrt(1 - alphaBar)
    /// eps</c>.</summary>
    /// <param name="clean">x, (batch, …), floating point.</param>
    /// <param name="noise">eps, the same shape and type.</param>
    /// <param name="timesteps">A timestep for each row.</param>
    /// <returns>z, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The shapes differ, or there are not as many timesteps as rows.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public torch.Tensor AddNoise(torch.Tensor clean, torch.Tensor noise, params IReadOnlyList<int> timesteps)
    {
        ArgumentNullException.ThrowIfNull(clean);
        ArgumentNullException.ThrowIfNull(timesteps);
        Guard.Shape(noise, clean.shape);
        if (clean.dim() == 0 || timesteps.Count != clean.shape[0])
            throw new ArgumentException(
                $"timesteps must be as many as the rows of clean, were {timesteps.Count}",
                nameof(timesteps)
            );
        using var scope = torch.NewDisposeScope();
        var sigmas = timesteps.Select(t => Sigma(t)).ToArray();
        torch.Tensor Column(Func<double, double> scale) =>
            torch
                .tensor([.. sigmas.Select(scale)], dtype: clean.dtype, device: clean.device)
                .reshape([-1, .. Enumerable.Repeat(1L, (int)clean.dim() - 1)]);
        return (
            clean * Column(VariancePreserving.SignalScale) + noise * Column(VariancePreserving.NoiseScale)
        ).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public double Time(double sigma) => NearestTime(ScheduleTimes.Within(sigma, Math.Exp(logs[0]), Math.Exp(logs[^1])));

    /// <summary>The time of any level; one below the least has time 0, one above the greatest the last.</summary>
    internal double NearestTime(double sigma)
    {
        var log = Math.Log(sigma);
        var found = Array.BinarySearch(logs, log);
        if (found >= 0)
            return found;
        var i = Math.Clamp(~found - 1, 0, Count - 2);
        return Math.Clamp(i + (log - logs[i]) / (logs[i + 1] - logs[i]), 0, MaxTime);
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);

    /// <summary>Schedules of one type are equal when their three numbers are.</summary>
    public virtual bool Equals(BetaSchedule? other) =>
        other is not null
        && EqualityContract == other.EqualityContract
        && (BetaStart, BetaEnd, Count) == (other.BetaStart, other.BetaEnd, other.Count);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(EqualityContract, BetaStart, BetaEnd, Count);
}
