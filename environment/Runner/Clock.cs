namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Durations for people.</summary>
public static class Clock
{
    /// <summary>E.g. <c>8 s</c>, <c>1:05 min</c>, <c>2:03 h</c>.</summary>
    public static string Format(double seconds)
    {
        if (!double.IsFinite(seconds) || seconds < 0)
            return "–";
        var whole = (long)Math.Round(seconds);
        return whole < 60 ? (seconds < 9.95 ? FormattableString.Invariant($"{seconds:0.0} s") : $"{whole} s")
            : whole < 3600 ? $"{whole / 60}:{whole % 60:00} min"
            : $"{whole / 3600}:{whole % 3600 / 60:00} h";
    }
}
