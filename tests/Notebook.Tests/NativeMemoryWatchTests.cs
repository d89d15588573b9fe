using System.Runtime.CompilerServices;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Notebook.Tests;

public class NativeMemoryWatchTests
{
    private static readonly TimeSpan Never = TimeSpan.FromDays(1);

    [Fact]
    public void ItCollectsWhereTheProcessHasGrownByTheStep()
    {
        var bytes = 1000L;
        using var watch = new NativeMemoryWatch(100, () => bytes, Never);
        bytes = 1099;
        watch.Look();
        Assert.Equal(0, watch.Times);
        bytes = 1100;
        watch.Look();
        Assert.Equal(1, watch.Times);
        // What is left after a collection is held by someone: the next is due a step above it.
        watch.Look();
        Assert.Equal(1, watch.Times);
        bytes = 500;
        watch.Look();
        bytes = 600;
        watch.Look();
        Assert.Equal(2, watch.Times);
    }

    [Fact]
    public void TensorsThatNobodyHoldsAreFreed()
    {
        TorchRuntime.EnsureLoaded();
        var bytes = 0L;
        using var watch = new NativeMemoryWatch(100, () => bytes, Never);
        var gone = LetGo();
        bytes = 100;
        watch.Look();
        Assert.All(gone, tensor => Assert.False(tensor.TryGetTarget(out _)));
    }

    [Fact]
    public void WhatSwingsFartherInEverySecondIsLeftMoreRoom()
    {
        var (bytes, clock) = (0L, new HandClock());
        using var watch = new NativeMemoryWatch(100, () => bytes, Never, clock);
        bool CleansUpAt(long size)
        {
            bytes = 0;
            watch.Look();
            bytes = size;
            var before = watch.Times;
            watch.Look();
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

    // A method of its own, so that no local keeps a tensor alive.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference<torch.Tensor>[] LetGo() =>
        [.. Enumerable.Range(0, 10).Select(_ => new WeakReference<torch.Tensor>(torch.ones(1000)))];
}
