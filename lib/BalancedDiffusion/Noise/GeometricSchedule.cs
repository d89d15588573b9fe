using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// Noise levels in geometric progression, the variance-exploding schedule:
/// <c>sigma_i = max (min/max)^(i/(N-1))</c> for i = 0 … N-1, and then 0. The paper's ReLU diffusion takes 60 of them from 2 to 0.02.
/// </summary>
public sealed record GeometricSchedule : INoiseSchedule
{
    /// <summary>A schedule between two levels.</summary>
    /// <param name="max">The first level, &gt; min.</param>
    /// <param name="min">The last level above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, or max is not above min.</exception>
    public GeometricSchedule(double max, double min)
    {
        Guard.Sigma(max);
        Guard.Sigma(min);
        if (max <= min) throw new ArgumentOutOfRangeException(nameof(max), $"max must be above min = {min}, was {max}");
        (Max, Min) = (max, min);
    }

    /// <summary>The first level.</summary>
    public double Max { get; }

    /// <summary>The last level above 0.</summary>
    public double Min { get; }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps)
    {
        Guard.AtLeast(steps, 1);
        return [.. Enumerable.Range(0, steps).Select(i => steps == 1 ? Max : Max * Math.Pow(Min / Max, i / (steps - 1.0))), 0];
    }
}
