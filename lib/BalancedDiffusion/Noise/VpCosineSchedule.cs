using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>
/// The cosine schedule (Nichol and Dhariwal 2021), as levels of <c>y = x + sigma eps</c>: <c>alphaBar(t) =
/// cos²(b(t))/cos²(b(0))</c>, <c>b(t) = (t + s)/(1 + s) · pi/2</c>. Time t = i/N is their discrete step i of N, for
/// every i from 1 to N exactly. As they clip beta at 0.999, which touches the last step only, alphaBar(1) is a
/// thousandth of alphaBar(1 - 1/N) instead of 0; within that last step the logarithm of sigma is linear in t.
/// </summary>
public sealed record VpCosineSchedule : INoiseSchedule
{
    private const double KeptByTheClip = 0.001;
    private readonly double first,
        before,
        last;

    /// <summary>A schedule on [1/count, 1].</summary>
    /// <param name="offset">s, &gt; 0; 0.008 as published.</param>
    /// <param name="count">N, the discrete steps of training, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public VpCosineSchedule(double offset = 0.008, int count = 1000)
    {
        Guard.Positive(offset);
        Guard.AtLeast(count, 2);
        (Offset, Count) = (offset, count);
        (first, before) = (Level(MinTime), Level(Knee));
        last = Math.Sqrt((1 + before * before) / KeptByTheClip - 1);
    }

    /// <summary>s, which keeps the first steps from being too small.</summary>
    public double Offset { get; }

    /// <summary>N, the discrete steps of training.</summary>
    public int Count { get; }

    /// <inheritdoc/>
    public double MinTime => 1.0 / Count;

    /// <inheritdoc/>
    public double MaxTime => 1;

    private double Knee => (Count - 1.0) / Count;

    /// <inheritdoc/>
    public double Sigma(double t)
    {
        t = ScheduleTimes.Within(t, MinTime, MaxTime);
        return t <= Knee ? Level(t)
            : t == 1 ? last
            : before * Math.Pow(last / before, (t - Knee) * Count);
    }

    /// <inheritdoc/>
    public double Time(double sigma)
    {
        sigma = ScheduleTimes.Within(sigma, first, last);
        if (sigma > before)
            return Math.Min(Knee + Math.Log(sigma / before) / Math.Log(last / before) / Count, 1);
        var start = Angle(0);
        var angle = Math.Atan2(Math.Sqrt(Math.Sin(start) * Math.Sin(start) + sigma * sigma), Math.Cos(start));
        return Math.Clamp(angle * 2 / Math.PI * (1 + Offset) - Offset, MinTime, Knee);
    }

    /// <inheritdoc/>
    public IReadOnlyList<double> Levels(int steps) => ScheduleTimes.Levels(this, steps);

    private double Angle(double t) => (t + Offset) / (1 + Offset) * Math.PI / 2;

    // sigma² = (cos² b(0) - cos² b)/cos² b, and cos² a - cos² b = sin(b - a) sin(b + a) does not cancel.
    private double Level(double t) =>
        Math.Sqrt(Math.Sin(Angle(t) - Angle(0)) * Math.Sin(Angle(t) + Angle(0))) / Math.Cos(Angle(t));
}
