using System.Runtime.CompilerServices;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The memory that this process holds is measured, so these tests run when no others do.</summary>
[Collection(OwnMemory.Name)]
public class NativeMemoryWatchTests
{
    [CollectionDefinition(Name, DisableParallelization = true)]
    public sealed class OwnMemory
    {
        public const string Name = "the memory of this process";
    }

    private static readonly TimeSpan Never = TimeSpan.FromDays(1);

    private readonly Queue<Action> asked = new();

    private NativeMemoryWatch Watch(Func<long> resident, TimeProvider? clock = null) =>
        new(100, resident, Never, clock, asked.Enqueue);

    // A look, and the safe point behind it.
    private void Look(NativeMemoryWatch watch)
    {
        watch.Look();
        while (asked.TryDequeue(out var work))
            work();
    }

    [Fact]
    public void ItCollectsWhereTheProcessHasGrownByTheStep()
    {
        var bytes = 1000L;
        using var watch = Watch(() => bytes);
        bytes = 1099;
        Look(watch);
        Assert.Equal(0, watch.Times);
        bytes = 1100;
        Look(watch);
        Assert.Equal(1, watch.Times);
        // What is left after a collection is held by someone: the next is due a step above it.
        Look(watch);
        Assert.Equal(1, watch.Times);
        bytes = 500;
        Look(watch);
        bytes = 600;
        Look(watch);
        Assert.Equal(2, watch.Times);
    }

    [Fact]
    public void ALookAsksOnceAndCollectsNothingItself()
    {
        var bytes = 0L;
        using var watch = Watch(() => bytes);
        bytes = 100;
        var before = GC.CollectionCount(2);
        watch.Look();
        watch.Look();
        Assert.Equal((0, before), (watch.Times, GC.CollectionCount(2)));
        Assert.Single(asked)();
        Assert.Equal(1, watch.Times);
        Assert.True(GC.CollectionCount(2) > before);
    }

    [Fact]
    public void WhatWasAskedForByAWatchThatHasEndedIsLeft()
    {
        var bytes = 0L;
        var watch = Watch(() => bytes);
        bytes = 100;
        watch.Look();
        watch.Dispose();
        Assert.Single(asked)();
        Assert.Equal(0, watch.Times);
    }

    [Fact]
    public void TensorsThatNobodyHoldsAreFreed()
    {
        TorchRuntime.EnsureLoaded();
        var bytes = 0L;
        using var watch = Watch(() => bytes);
        var gone = LetGo();
        bytes = 100;
        Look(watch);
        Assert.All(gone, tensor => Assert.False(tensor.TryGetTarget(out _)));
    }

    [Fact]
    public void ALoopThatLetsGoOfTensorsAndPassesSafePointsStaysSmall()
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.ReleaseMemory();
        const int size = 10_000_000;
        using var watch = new NativeMemoryWatch(5 * size, every: Never);
        long start = Environment.WorkingSet,
            most = start;
        for (var i = 0; i < 60; i++)
        {
            Plant(size / 4);
            most = Math.Max(most, Environment.WorkingSet);
            watch.Look();
            SafePoint.Pass();
        }
        Assert.InRange(watch.Times, 2, 15);
        // Six hundred megabytes went through it, at most four steps of fifty at a time.
        Assert.InRange((most - start) / 1e6, 0, 350);
    }

    [Fact]
    public void WhatSwingsFartherInEverySecondIsLeftMoreRoom()
    {
        var (bytes, clock) = (0L, new HandClock());
        using var watch = Watch(() => bytes, clock);
        bool CleansUpAt(long size)
        {
            bytes = 0;
            Look(watch);
            bytes = size;
            var before = watch.Times;
            Look(watch);
            clock.Seconds += 0.25;
            return watch.Times > before;
        }
        Assert.True(CleansUpAt(100));
        Assert.True(CleansUpAt(100));
        Assert.False(CleansUpAt(199));
        Assert.True(CleansUpAt(200));
        Assert.False(CleansUpAt(399));
        Assert.True(CleansUpAt(400));
        Assert.True(CleansUpAt(400));
    }

    [Fact]
    public void AStepMustBePositive() => Assert.Throws<ArgumentOutOfRangeException>(() => new NativeMemoryWatch(0));

    // Methods of their own, so that no local keeps a tensor alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference<torch.Tensor>[] LetGo() =>
        [.. Enumerable.Range(0, 10).Select(_ => new WeakReference<torch.Tensor>(torch.ones(1000)))];

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Plant(long floats) => torch.ones(floats);
}
