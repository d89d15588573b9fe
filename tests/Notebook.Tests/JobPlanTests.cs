using BalancedDiffusion.Reproduce.Runner;

namespace BalancedDiffusion.Notebook.Tests;

public class JobPlanTests
{
    private const long Plenty = 100 * JobPlan.BytesPerNotebook;

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(2, 2, 1)]
    [InlineData(3, 3, 1)]
    [InlineData(4, 4, 1)]
    [InlineData(8, 4, 2)]
    [InlineData(15, 4, 3)]
    public void ANotebookRunsOnEachCoreAtMostFourAndLargerMachinesGiveThemThreads(int cores, int jobs, int threads) =>
        Assert.Equal(new JobPlan(jobs, threads, null), JobPlan.Choose(null, 11, cores, Plenty, onGpu: false, null));

    [Theory]
    [InlineData(1, 2, 1, 2)]
    [InlineData(1, 8, 1, 8)]
    [InlineData(3, 2, 3, 1)]
    [InlineData(8, 16, 8, 2)]
    public void WhatWasAskedForSharesTheCoresOut(int asked, int cores, int jobs, int threads) =>
        Assert.Equal(new JobPlan(jobs, threads, null), JobPlan.Choose(asked, 11, cores, Plenty, onGpu: false, null));

    [Fact]
    public void AGpuIsLeftToOneNotebookUnlessMoreAreAskedFor()
    {
        Assert.Equal(new JobPlan(1, 8, null), JobPlan.Choose(null, 11, 8, Plenty, onGpu: true, null));
        Assert.Equal(new JobPlan(2, 4, null), JobPlan.Choose(2, 11, 8, Plenty, onGpu: true, null));
    }

    [Theory]
    [InlineData("1", 2, 2)]
    [InlineData("2", 2, 1)]
    [InlineData("2,1", 8, 4)]
    [InlineData("99", 2, 1)]
    public void TheUserSOwnNumberOfThreadsStaysAndCounts(string own, int cores, int jobs) =>
        Assert.Equal(new JobPlan(jobs, null, null), JobPlan.Choose(null, 11, cores, Plenty, onGpu: false, own));

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("many")]
    public void WhatIsNoNumberOfThreadsIsAsGoodAsNone(string own) =>
        Assert.Equal(
            JobPlan.Choose(null, 11, 2, Plenty, onGpu: false, null),
            JobPlan.Choose(null, 11, 2, Plenty, onGpu: false, own)
        );

    [Theory]
    [InlineData(
        null,
        0L,
        1,
        1,
        "0.0 GB of memory are free, and a notebook may need 3.0 GB: one runs at a time instead of 4."
    )]
    [InlineData(
        null,
        5_900_000_000L,
        1,
        1,
        "5.9 GB of memory are free, and a notebook may need 3.0 GB: one runs at a time instead of 4."
    )]
    [InlineData(
        null,
        9_100_000_000L,
        3,
        1,
        "9.1 GB of memory are free, and a notebook may need 3.0 GB: 3 run at a time instead of 4."
    )]
    [InlineData(
        2,
        5_900_000_000L,
        1,
        2,
        "5.9 GB of memory are free, and a notebook may need 3.0 GB: one runs at a time instead of 2."
    )]
    [InlineData(2, 6_000_000_000L, 2, 2, null)]
    [InlineData(1, 0L, 1, 4, null)]
    public void MemoryAllowsFewerAndSaysSoButChangesNoThreads(
        int? asked,
        long free,
        int jobs,
        int threads,
        string? notice
    ) => Assert.Equal(new JobPlan(jobs, threads, notice), JobPlan.Choose(asked, 11, 4, free, onGpu: false, null));

    [Fact]
    public void ASingleNotebookComputesWithTheThreadsThatItHasAmongOthers()
    {
        Assert.Equal(new JobPlan(1, 1, null), JobPlan.Choose(null, 1, 2, 1, onGpu: false, null));
        Assert.Equal(
            JobPlan.Choose(null, 11, 2, Plenty, onGpu: false, null).Threads,
            JobPlan.Choose(null, 1, 2, Plenty, onGpu: false, null).Threads
        );
    }

    [Theory]
    [InlineData(0, 1, 1)]
    [InlineData(-1, 1, 1)]
    [InlineData(1, 0, 1)]
    [InlineData(1, 1, 0)]
    public void NothingRunsOnNothing(int asked, int notebooks, int cores) =>
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            JobPlan.Choose(asked, notebooks, cores, Plenty, onGpu: false, null)
        );

    [Fact]
    public void ThisMachineHasMemoryAndThisProcessTakesSome()
    {
        Assert.InRange(MemorySize.Free(), 1, long.MaxValue);
        using var self = System.Diagnostics.Process.GetCurrentProcess();
        var peak = BalancedDiffusion.Reproduce.Runner.Kernel.ProcessTree.PeakBytes(self, "no process carries this");
        if (!OperatingSystem.IsMacOS())
            Assert.InRange(peak!.Value, 10_000_000, long.MaxValue);
    }

    [Theory]
    [InlineData(null, "–")]
    [InlineData(0L, "0.0 GB")]
    [InlineData(2_960_000_000L, "3.0 GB")]
    public void MemoryIsForPeopleToo(long? bytes, string text) => Assert.Equal(text, MemorySize.Format(bytes));
}
