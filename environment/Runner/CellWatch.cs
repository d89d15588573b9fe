using System.Globalization;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>
/// Says when a cell is to be given up: when it has computed for much longer than is known of it, or when it computes
/// nothing any more. Time in which the machine was busy with other things does not count against it.
/// </summary>
public sealed class CellWatch
{
    /// <summary>So many times its measured time a cell may compute.</summary>
    public const double Slack = 10;

    /// <summary>A cell computes where its processes use more than this share of a core, or wait for one.</summary>
    public const double IdleShare = 0.01;

    /// <summary>The least that a cell may compute, however short it was before.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromMinutes(10);

    private readonly Func<TimeSpan?> busy;
    private readonly Func<bool> runnable;
    private readonly TimeProvider clock;
    private readonly TimeSpan standStill;
    private readonly double? measured;
    private readonly long start;
    private readonly TimeSpan? first;
    private TimeSpan used,
        markUsed;
    private long mark;

    /// <summary>Begins with the cell.</summary>
    /// <param name="limit">The longest that it may compute.</param>
    /// <param name="measured">The seconds that an earlier run measured, for the message; null for none.</param>
    /// <param name="standStill">So long without computing counts as hung.</param>
    /// <param name="busy">The processor time that all processes of the notebook have used so far, or null where the
    /// system does not tell; then time alone counts, and nothing is taken for hung.</param>
    /// <param name="runnable">Whether one of them computes or waits for a core or a disk just now, which on a crowded
    /// machine may be all that it does; null where the system does not tell.</param>
    /// <param name="clock">Tells the time; null for the system's.</param>
    public CellWatch(
        TimeSpan limit,
        double? measured,
        TimeSpan standStill,
        Func<TimeSpan?> busy,
        Func<bool>? runnable = null,
        TimeProvider? clock = null
    )
    {
        ArgumentNullException.ThrowIfNull(busy);
        (Limit, this.measured, this.standStill, this.busy) = (limit, measured, standStill, busy);
        this.runnable = runnable ?? (() => false);
        this.clock = clock ?? TimeProvider.System;
        start = mark = this.clock.GetTimestamp();
        first = busy();
    }

    /// <summary>The longest that it may compute.</summary>
    public TimeSpan Limit { get; }

    /// <summary>How often to look: often enough for the limit, and at most four times a second.</summary>
    public TimeSpan Pause =>
        TimeSpan.FromSeconds(Math.Clamp(Math.Min(Limit.TotalSeconds, standStill.TotalSeconds) / 20, 0.25, 5));

    /// <summary>Why it is given up, one sentence without a full stop; null while it goes on.</summary>
    public string? Trouble { get; private set; }

    /// <summary>The longest that a cell may compute.</summary>
    /// <param name="measured">The seconds that an earlier run measured, or null.</param>
    /// <param name="otherwise">The limit where none did, and of every cell where the user asked for it.</param>
    /// <param name="isFixed">Whether the user asked for it.</param>
    public static TimeSpan LimitOf(double? measured, TimeSpan otherwise, bool isFixed) =>
        isFixed || measured is not { } seconds ? otherwise
        : TimeSpan.FromSeconds(Slack * seconds) is var many && many > Least ? many
        : Least;

    /// <summary>Looks once.</summary>
    /// <returns>Whether the cell is to be given up; <see cref="Trouble"/> says why.</returns>
    public bool Look()
    {
        var now = clock.GetTimestamp();
        var elapsed = clock.GetElapsedTime(start, now);
        var computed = elapsed;
        if (first is { } before && busy() is { } total)
        {
            // A process that ended takes its time with it where nobody waited for it.
            used = total - before > used ? total - before : used;
            computed = used < elapsed ? used : elapsed;
            if (used - markUsed > IdleShare * standStill || runnable())
                (mark, markUsed) = (now, used);
            else if (clock.GetElapsedTime(mark, now) >= standStill)
                Trouble =
                    $"the cell has computed nothing for {Length(standStill)}{Known}, so it hangs; see what it "
                    + "waits for (a lock, a file, an answer from elsewhere), then run the notebook again";
        }
        if (computed >= Limit)
            Trouble ??=
                $"the cell has computed longer than {Length(Limit)}{Known}; see whether it ends at all, and give "
                + "it more with --timeout MINUTES if it does";
        return Trouble is not null;
    }

    /// <summary>A length of time in words, e.g. <c>20 seconds</c> or <c>1.5 minutes</c>.</summary>
    public static string Length(TimeSpan length) =>
        length.TotalMinutes >= 1
            ? string.Create(CultureInfo.InvariantCulture, $"{length.TotalMinutes:0.##} minutes")
            : string.Create(CultureInfo.InvariantCulture, $"{length.TotalSeconds:0.#} seconds");

    private string Known =>
        measured is { } seconds
            ? $" (an earlier run measured {Clock.Format(seconds)})"
            : " (no earlier run has timed it)";
}
