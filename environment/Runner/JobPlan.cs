using System.Globalization;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>How many notebooks run side by side, and how many threads each kernel computes with.</summary>
/// <param name="Jobs">Notebooks at a time.</param>
/// <param name="Threads">Threads of each kernel; null where the user's own <c>OMP_NUM_THREADS</c> decides.</param>
/// <param name="Notice">One sentence where memory allows fewer than the cores do, else null.</param>
public sealed record JobPlan(int Jobs, int? Threads, string? Notice)
{
    /// <summary>The most notebooks that run side by side unasked: beyond that the longest one alone decides when the
    /// run is done.</summary>
    public const int MostUnasked = 4;

    /// <summary>The free memory, in bytes, that a notebook is given before another starts beside it.</summary>
    public const long BytesPerNotebook = 3_000_000_000;

    /// <summary>
    /// One notebook for each core, since a notebook computes on one core for most of its time; one at a time on a GPU.
    /// The cores are shared out by what was wanted, whatever memory and the number of notebooks make of it: on one
    /// machine a notebook's last digits are the same whether it runs alone, with others, or to be published.
    /// </summary>
    /// <param name="asked">What the user asked for, at least 1, or null.</param>
    /// <param name="notebooks">How many notebooks are to run.</param>
    /// <param name="cores">The machine's cores.</param>
    /// <param name="freeBytes">The memory that is free.</param>
    /// <param name="onGpu">Whether the notebooks compute on a GPU.</param>
    /// <param name="ownThreads">The value of <c>OMP_NUM_THREADS</c>, or null; what is no count of threads is as good as
    /// none.</param>
    /// <exception cref="ArgumentOutOfRangeException">Fewer than one job, notebook or core.</exception>
    public static JobPlan Choose(int? asked, int notebooks, int cores, long freeBytes, bool onGpu, string? ownThreads)
    {
        if (asked < 1)
            throw new ArgumentOutOfRangeException(nameof(asked), $"there must be at least one job, was {asked}");
        ArgumentOutOfRangeException.ThrowIfLessThan(notebooks, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(cores, 1);
        int? own =
            int.TryParse(ownThreads?.Split(',')[0], NumberStyles.Integer, CultureInfo.InvariantCulture, out var count)
            && count > 0
                ? count
                : null;
        var wanted = asked ?? (onGpu ? 1 : Math.Clamp(cores / (own ?? 1), 1, MostUnasked));
        var useful = Math.Min(wanted, notebooks);
        var jobs = (int)Math.Clamp(freeBytes / BytesPerNotebook, 1, useful);
        var notice =
            jobs == useful
                ? null
                : $"{MemorySize.Format(freeBytes)} of memory are free, and a notebook may need "
                    + $"{MemorySize.Format(BytesPerNotebook)}: {(jobs == 1 ? "one runs" : $"{jobs} run")} at a time "
                    + $"instead of {useful}.";
        return new JobPlan(jobs, own is null ? Math.Max(cores / wanted, 1) : null, notice);
    }
}
