using BalancedDiffusion.Reproduce.Runner.Kernel;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>What a run was asked for.</summary>
/// <param name="Profile"><c>quick</c> or <c>full</c>.</param>
/// <param name="Data"><c>faces</c>, <c>fashion-mnist</c> or <c>celeba</c>.</param>
/// <param name="Device"><c>auto</c>, <c>cpu</c> or <c>cuda</c>.</param>
/// <param name="Seed">The seed every notebook starts from, or null for the notebooks' own.</param>
/// <param name="Out">The folder results go to, absolute.</param>
/// <param name="Timeout">The longest that a cell may compute where no earlier run has timed it; see
/// <see cref="CellWatch"/>.</param>
/// <param name="Jobs">How many notebooks run side by side.</param>
/// <param name="Threads">Threads of each kernel; null where the environment decides.</param>
public sealed record RunOptions(
    string Profile,
    string Data,
    string Device,
    long? Seed,
    string Out,
    TimeSpan Timeout,
    int Jobs = 1,
    int? Threads = null
)
{
    /// <summary>Where the kernels run; null for the folder of the notebooks, with everything that this process
    /// has.</summary>
    public KernelEnvironment? KernelEnvironment { get; init; }

    /// <summary>Whether the cells behind one that failed are run too; the first failure is the one reported.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>Whether <see cref="Timeout"/> holds for cells that an earlier run has timed, too.</summary>
    public bool IsTimeoutFixed { get; init; }

    /// <summary>A cell whose processes compute nothing for so long is taken for hung.</summary>
    public TimeSpan StandStill { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The longest that a whole notebook may take by the clock, for code that is not trusted to end; null for
    /// no such limit.</summary>
    public TimeSpan? NotebookLimit { get; init; }

    /// <summary>The longest that some cells may take by the clock, by their ids, for code that is not trusted to
    /// end.</summary>
    public IReadOnlyDictionary<string, TimeSpan> CellLimits { get; init; } = new Dictionary<string, TimeSpan>();

    /// <summary>How the notebooks share the machine, e.g. <c>2 at a time with 1 thread each</c>.</summary>
    public string Pace =>
        $"{Jobs} at a "
        + $"time{(Threads is { } threads ? $" with {threads} {(threads == 1 ? "thread" : "threads")} each" : "")}";

    /// <summary>Names the timings of earlier runs that tell how long this one takes.</summary>
    public string TimingKey => $"{Profile} {Data} {Device}";
}
