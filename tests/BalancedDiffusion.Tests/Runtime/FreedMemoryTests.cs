using System.Globalization;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

public class FreedMemoryTests
{
    /// <summary>Pages that this process touched for the first time: the eighth number after the name in
    /// /proc/self/stat.</summary>
    private static long PageFaults()
    {
        var stat = File.ReadAllText("/proc/self/stat");
        return long.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[7], CultureInfo.InvariantCulture);
    }

    [Fact]
    public void MemoryOfAFreedTensorServesTheNext()
    {
        TorchRuntime.EnsureLoaded();
        Assert.SkipUnless(
            TorchRuntime.Log.Any(line => line.Contains("mallopt", StringComparison.Ordinal)),
            "this C library has no such setting"
        );
        const int repeats = 50;
        // Each of 16 MB, 4,096 pages.
        static void Use() => torch.ones([4, 1024, 1024], dtype: torch.float32).Dispose();
        for (var i = 0; i < 5; i++)
            Use();
        var before = PageFaults();
        for (var i = 0; i < repeats; i++)
            Use();
        // Other tests run beside this one; handed back each time it would be 200,000.
        Assert.InRange(PageFaults() - before, 0, 100_000);
    }
}
