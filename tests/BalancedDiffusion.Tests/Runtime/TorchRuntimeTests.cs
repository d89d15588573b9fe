using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

public class TorchRuntimeTests
{
    [Fact]
    public void LibtorchIsLoadedFromBesideTheLibraryAndAnswers()
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.EnsureLoaded();
        using var two = torch.ones(2).sum();
        Assert.Equal(2, two.item<float>());
        Assert.NotNull(TorchRuntime.NativeFolder);
        Assert.StartsWith(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar), TorchRuntime.NativeFolder);
        Assert.NotEmpty(TorchRuntime.Log);
    }

    [Fact]
    public void TheLogTellsOfTheMendExactlyWhereTheSystemsLibraryIsTooOld()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("only Linux needs it");
        var standard = File.ReadLines("/proc/self/maps")
            .Select(l => l[Math.Max(l.IndexOf('/'), 0)..])
            .First(f => Path.GetFileName(f).StartsWith("libstdc++.so.6", StringComparison.Ordinal));
        var newest = "GLIBCXX_3.4.32"u8;
        var has = File.ReadAllBytes(standard).AsSpan().IndexOf(newest) >= 0;
        Assert.Equal(!has, TorchRuntime.Log.Any(line => line.Contains("marked weak")));
    }

    [Fact]
    public void ReleasedMemoryGoesBackToTheSystem()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("only glibc is asked");
        TorchRuntime.EnsureLoaded();
        // Blocks too small to be mapped by themselves, with a last one that keeps the heap from shrinking at its end.
        const int count = 4000,
            size = 16_000;
        long Released()
        {
            var tensors = Enumerable.Range(0, count).Select(_ => torch.ones(size)).ToArray();
            using var end = torch.ones(size);
            foreach (var tensor in tensors)
                tensor.Dispose();
            var before = Environment.WorkingSet;
            TorchRuntime.ReleaseMemory();
            return before - Environment.WorkingSet;
        }
        // Other tests run beside this one and may take memory in the same moment.
        Assert.Contains(Enumerable.Range(0, 5), _ => Released() > count * size * sizeof(float) / 2);
    }
}
