using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// Frees what cells have let go of. A tensor is a small object to the garbage collector and a large one to the machine,
/// so that gigabytes of tensors which nobody holds any more can wait for a collection that no one asks for; and the
/// C library keeps what was freed. The watch looks at the process a few times a second. Where it has grown, the watch
/// asks for both to be cleaned up at the next safe point of the computation: a collection beside a call of torch could
/// free a number that libtorch is reading.
/// </summary>
internal sealed class NativeMemoryWatch : IDisposable
{
    // A computation that swings by more than the step in every second is left to swing further, up to this many steps:
    // cleaning up costs it time.
    private const int MostSteps = 4;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(1);

    private readonly Timer timer;
    private readonly Func<long> resident;
    private readonly Action<Action> ask;
    private readonly TimeProvider clock;
    private readonly Lock gate = new();
    private readonly long most;
    private long step,
        lowest,
        last;
    private bool asked;
    private volatile bool ended;

    /// <summary>Begins to watch.</summary>
    /// <param name="step">By how many bytes the process may grow before it is cleaned up, &gt; 0.</param>
    /// <param name="resident">Tells the resident bytes of this process; null for the system's number.</param>
    /// <param name="every">How often it looks; null for four times a second.</param>
    /// <param name="clock">Tells the time; null for the system's.</param>
    /// <param name="ask">Has work done at a safe point; null for <see cref="SafePoint.Ask"/>.</param>
    public NativeMemoryWatch(
        long step,
        Func<long>? resident = null,
        TimeSpan? every = null,
        TimeProvider? clock = null,
        Action<Action>? ask = null
    )
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(step);
        (this.step, most) = (step, MostSteps * step);
        this.resident = resident ?? (() => Environment.WorkingSet);
        this.clock = clock ?? TimeProvider.System;
        this.ask = ask ?? SafePoint.Ask;
        lowest = this.resident();
        var period = every ?? TimeSpan.FromMilliseconds(250);
        timer = new Timer(_ => Look(), null, period, period);
    }

    /// <summary>How often it cleaned up.</summary>
    public int Times { get; private set; }

    /// <summary>Looks once: asks for a clean-up where the process has grown by the step since it was smallest after the
    /// last time. It collects nothing itself.</summary>
    internal void Look()
    {
        lock (gate)
        {
            if (asked)
                return;
            var now = resident();
            lowest = Math.Min(lowest, now);
            if (now < lowest + step)
                return;
            asked = true;
        }
        ask(CleanUp);
    }

    // On the thread that computes, at a safe point.
    private void CleanUp()
    {
        if (ended)
            return;
        lock (gate)
            if (Times > 0 && clock.GetElapsedTime(last) < Soon)
                step = Math.Min(2 * step, most);
        TorchRuntime.ReleaseMemory();
        lock (gate)
        {
            Times++;
            (lowest, last, asked) = (resident(), clock.GetTimestamp(), false);
        }
    }

    /// <summary>Ends the watch.</summary>
    public void Dispose()
    {
        ended = true;
        timer.Dispose();
    }
}
