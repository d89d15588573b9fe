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
        if (!OperatingSystem.IsLinux()) Assert.Skip("only Linux needs it");
        var standard = File.ReadLines("/proc/self/maps").Select(l => l[Math.Max(l.IndexOf('/'), 0)..]).First(f => Path.GetFileName(f).StartsWith("libstdc++.so.6", StringComparison.Ordinal));
        var newest = "GLIBCXX_3.4.32"u8;
        var has = File.ReadAllBytes(standard).AsSpan().IndexOf(newest) >= 0;
        Assert.Equal(!has, TorchRuntime.Log.Any(line => line.Contains("marked weak")));
    }

    [Fact]
    public void FreedTensorsAreReusedWithoutFaultingTheirPagesAgain()
    {
        if (!OperatingSystem.IsLinux() || !TorchRuntime.Log.Any(line => line.Contains("are kept"))) Assert.Skip("only glibc, with its own settings, keeps freed memory");
        const int pages = 16 << 20 >> 12;
        // Other tests run beside this one, so the faults are those of this thread.
        long Faults() => long.Parse(File.ReadAllText("/proc/thread-self/stat").Split(") ")[1].Split(' ')[7]);
        void Tensors(int count)
        {
            for (var i = 0; i < count; i++) torch.ones(4 << 20).Dispose();
        }
        Tensors(2);
        var before = Faults();
        Tensors(20);
        Assert.InRange(Faults() - before, 0, 5 * pages);
    }
}
