using System.Runtime.CompilerServices;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Noise;

/// <summary>What the schedules share: levels at even times, and the checks of times and levels.</summary>
internal static class ScheduleTimes
{
    // A time or a level that came out of one formula may miss the end of another by rounding.
    private const double Slack = 1e-9;

    /// <summary>The levels at even times, then 0.</summary>
    public static IReadOnlyList<double> Levels(INoiseSchedule schedule, int steps)
    {
        Guard.AtLeast(steps, 1);
        var (from, to) = (schedule.MaxTime, schedule.MinTime);
        return
        [
            .. Enumerable
                .Range(0, steps)
                .Select(i =>
                    schedule.Sigma(
                        i == 0 ? from
                        : i == steps - 1 ? to
                        : from + (to - from) * i / (steps - 1)
                    )
                ),
            0,
        ];
    }

    /// <summary>The value within its bounds; what misses them by rounding only is moved onto them.</summary>
    public static double Within(
        double value,
        double least,
        double most,
        [CallerArgumentExpression(nameof(value))] string? name = null
    )
    {
        if (!(value >= least - Slack * Math.Abs(least)) || !(value <= most + Slack * Math.Abs(most)))
            throw new ArgumentOutOfRangeException(
                name,
                $"{name} must be from {least} to {most} in this schedule, was {value}"
            );
        return Math.Clamp(value, least, most);
    }

    /// <summary>max and min must be levels in this order.</summary>
    public static void Range(double max, double min)
    {
        Guard.Sigma(max);
        Guard.Sigma(min);
        if (max <= min)
            throw new ArgumentOutOfRangeException(nameof(max), $"max must be above min = {min}, was {max}");
    }
}
