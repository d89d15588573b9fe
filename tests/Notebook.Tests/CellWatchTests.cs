using BalancedDiffusion.Reproduce.Runner;

namespace BalancedDiffusion.Notebook.Tests;

public class CellWatchTests
{
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(5);

    private readonly HandClock clock = new();
    private TimeSpan? busy = TimeSpan.FromSeconds(40);
    private bool runnable;

    private CellWatch Watch(double limitMinutes, double? measured = null) =>
        new(TimeSpan.FromMinutes(limitMinutes), measured, Hang, () => busy, () => runnable, clock);

    private bool After(CellWatch watch, double minutes, double computedMinutes)
    {
        clock.Seconds += 60 * minutes;
        busy += TimeSpan.FromMinutes(computedMinutes);
        return watch.Look();
    }

    [Fact]
    public void ACellThatComputesIsGivenUpBehindItsLimit()
    {
        var watch = Watch(30);
        Assert.False(After(watch, 29.9, 29.9));
        Assert.True(After(watch, 0.1, 0.1));
        Assert.Equal(
            "the cell has computed longer than 30 minutes (no earlier run has timed it); see whether it ends at all, "
                + "and give it more with --timeout MINUTES if it does",
            watch.Trouble
        );
    }

    [Fact]
    public void ABusyMachineCostsACellNothing()
    {
        var watch = Watch(10, 42);
        for (var i = 0; i < 9; i++)
            Assert.False(After(watch, 10, 1));
        Assert.True(After(watch, 10, 1.01));
        Assert.Contains("longer than 10 minutes (an earlier run measured 42 s)", watch.Trouble);
    }

    [Fact]
    public void ManyThreadsDoNotMakeTimeGoFaster()
    {
        var watch = Watch(10);
        Assert.False(After(watch, 9, 72));
        Assert.True(After(watch, 1, 8));
    }

    [Fact]
    public void ACellThatComputesNothingHangs()
    {
        var watch = Watch(30, 8);
        Assert.False(After(watch, 2, 2));
        // An idle process uses a little all the same.
        for (var i = 0; i < 4; i++)
            Assert.False(After(watch, 1, 0.01));
        Assert.True(After(watch, 1, 0.01));
        Assert.Equal(
            "the cell has computed nothing for 5 minutes (an earlier run measured 8.0 s), so it hangs; see what it "
                + "waits for (a lock, a file, an answer from elsewhere), then run the notebook again",
            watch.Trouble
        );
    }

    [Fact]
    public void ACellThatWaitsForACoreDoesNotHang()
    {
        var watch = Watch(30);
        runnable = true;
        for (var i = 0; i < 60; i++)
            Assert.False(After(watch, 1, 0.001));
        runnable = false;
        Assert.False(After(watch, 4, 0));
        Assert.True(After(watch, 1, 0));
        Assert.Contains("has computed nothing for 5 minutes", watch.Trouble);
    }

    [Fact]
    public void ACellThatWaitsNowAndThenGoesOn()
    {
        var watch = Watch(30);
        for (var i = 0; i < 20; i++)
        {
            Assert.False(After(watch, 4, 0));
            Assert.False(After(watch, 0.9, 0.5));
        }
    }

    [Fact]
    public void TheTimeOfAProcessThatWasLostDoesNotRunBackwards()
    {
        var watch = Watch(10);
        Assert.False(After(watch, 6, 6));
        Assert.False(After(watch, 1, -5));
        Assert.False(After(watch, 2, 7.9));
        Assert.True(After(watch, 2, 1.2));
    }

    [Fact]
    public void WhereTheSystemDoesNotTellTimeAloneCounts()
    {
        busy = null;
        var watch = Watch(30);
        Assert.False(After(watch, 29, 0));
        Assert.True(After(watch, 1, 0));
        Assert.Contains("longer than 30 minutes", watch.Trouble);
    }

    [Theory]
    [InlineData(null, false, 30)]
    [InlineData(null, true, 30)]
    [InlineData(1.0, false, 10)]
    [InlineData(60.0, false, 10)]
    [InlineData(300.0, false, 50)]
    [InlineData(300.0, true, 30)]
    public void TheLimitIsTenTimesWhatWasMeasured(double? measured, bool isFixed, double minutes) =>
        Assert.Equal(minutes, CellWatch.LimitOf(measured, TimeSpan.FromMinutes(30), isFixed).TotalMinutes);
}
