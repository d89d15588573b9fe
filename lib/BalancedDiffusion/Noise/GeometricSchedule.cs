using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>Levels with a constant ratio, as the paper's ReLU diffusion is sampled with (2 down to 0.02, 60 levels, then 0).</summary>
public sealed record GeometricSchedule : INoiseSchedule
{
    /// <summary>A schedule between two levels.</summary>
    /// <param name="max">The greatest level, &gt; min.</param>
    /// <param name="min">The least level before 0, &gt; 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A level is out of its range.</exception>
    public GeometricSchedule(double max, double min)
    {
        Guard.Sigma(max);
        Guard.Sigma(min);
        if (max <= min) throw new ArgumentOutOfRangeException(nameof(max), $"max must be above min = {min}, was {max}");
        (Max, Min) = (max, min);
    }

    /// <summary>The greatest level.</summary>
    public double Max { get; }

    /// <summary>The least level before 0.</summary>
    public double Min { get; }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps)
    {
        Guard.AtLeast(steps, 1);
        return [.. Enumerable.Range(0, steps).Select(i => i == 0 ? Max : i == steps - 1 ? Min : Max * Math.Pow(Min / Max, (double)i / (steps - 1))), 0];
    }
}
