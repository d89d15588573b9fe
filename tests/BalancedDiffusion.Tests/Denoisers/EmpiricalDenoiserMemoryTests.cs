using System.Globalization;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Denoisers;

/// <summary>Runs when no other test does, because it looks at the memory of the whole process.</summary>
[CollectionDefinition(nameof(AloneInTheProcess), DisableParallelization = true)]
public class AloneInTheProcess;

[Collection(nameof(AloneInTheProcess))]
public class EmpiricalDenoiserMemoryTests
{
    private static long Status(string key) =>
        long.Parse(
            File.ReadLines("/proc/self/status")
                .First(l => l.StartsWith(key + ":", StringComparison.Ordinal))
                .Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture
        ) * 1024;

    [Fact]
    public void SixtyThousandSamplesTakeNoMatrixOfThemAndTheBatch()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "peak memory is read from /proc");
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(1);
        // The matrix of batch × n distances would take 983 MB, a float64 copy of the data 61 MB.
        var samples = torch.rand([60_000, 128], generator: generator);
        var noisy = torch.rand([2048, 128], generator: generator);
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5"); // the peak starts again
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            Assert.Skip("this system does not let a process reset its peak memory");
        }
        var before = Status("VmRSS");
        using var denoiser = new EmpiricalDenoiser(samples);
        denoiser.Denoise(noisy, 0.5);
        // It may well be nothing, or a few pages less than nothing: freed memory of earlier tests is used again, and
        // the system counts pages in batches. A matrix of this size is always newly mapped.
        var grown = Status("VmHWM") - before;
        Assert.True(grown < 150L << 20, $"the peak grew by {grown >> 20} MB");
    }
}
