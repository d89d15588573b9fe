namespace BalancedDiffusion.Notebook;

/// <summary>
/// Frees what cells have let go of. A tensor is a small object to the garbage collector and a large one to the machine, so that gigabytes of tensors which nobody holds any more can wait for a collection that no one asks for. The
/// watch looks at the process a few times a second, and asks for one when it has grown.
/// </summary>
internal sealed class NativeMemoryWatch : IDisposable
{
    private readonly long step;
    private readonly Timer timer;
    private readonly Func<long> resident;
    private long lowest;
    private int busy;

    /// <summary>Begins to watch.</summary>
    /// <param name="step">By how many bytes the process may grow before garbage is collected, &gt; 0.</param>
    /// <param name="resident">Tells the resident bytes of this process; null for the system's number.</param>
    /// <param name="every">How often it looks; null for four times a second.</param>
    public NativeMemoryWatch(long step, Func<long>? resident = null, TimeSpan? every = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(step);
        this.step = step;
        this.resident = resident ?? (() => Environment.WorkingSet);
        lowest = this.resident();
        var period = every ?? TimeSpan.FromMilliseconds(250);
        timer = new Timer(_ => Look(), null, period, period);
    }

    /// <summary>How many collections it asked for.</summary>
    public int Collections { get; private set; }

    /// <summary>Looks once: collects where the process has grown by the step since it was smallest after the last collection.</summary>
    internal void Look()
    {
        // A look that takes longer than the period is not joined by the next.
        if (Interlocked.Exchange(ref busy, 1) == 1) return;
        try
        {
            var now = resident();
            lowest = Math.Min(lowest, now);
            if (now < lowest + step) return;
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Collections++;
            lowest = resident();
        }
        finally
        {
            Volatile.Write(ref busy, 0);
        }
    }

    /// <summary>Ends the watch.</summary>
    public void Dispose() => timer.Dispose();
}
