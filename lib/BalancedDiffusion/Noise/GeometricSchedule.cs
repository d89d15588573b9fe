namespace BalancedDiffusion.Noise;

/// <summary>
/// The variance-exploding schedule <c>sigma(t) = min (max/min)^t</c>, t from 0 to 1 (Song et al. 2021): levels with a
/// constant ratio, as the paper's ReLU diffusion is sampled with (2 down to 0.02, 60 levels, then 0).
/// </summary>
public sealed record GeometricSchedule : INoiseSchedule
{
    /// <summary>A schedule between two levels.</summary>
    /// <param name="max">The greatest level, &gt; min.</param>
    /// <param name="min">The least level before 0, &gt; 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">A level is out of its range.</exception>
    public GeometricSchedule(double max, double min)
    {
        ScheduleTimes.Range(max, min);
        (Max, Min) = (max, min);
    }

    /// <summary>The greatest level.</summary>
    public double Max { get; }

    /// <summary>The least level before 0.</summary>
    public double Min { get; }

    /// <inheritdoc/>
    public double MinTime => 0;

    /// <inheritdoc/>
    public double MaxTime => 1;

    /// <inheritdoc/>
    public double Sigma(double t)
    {
        t = ScheduleTimes.Within(t, 0, 1);
        return t == 1 ? Max : Min * Math.Pow(Max / Min, t);
    }

    /// <inheritdoc/>
    public double Time(double sigma) => Math.Log(ScheduleTimes.Within(sigma, Min, Max) / Min) / Math.Log(Max / Min);

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);
}
