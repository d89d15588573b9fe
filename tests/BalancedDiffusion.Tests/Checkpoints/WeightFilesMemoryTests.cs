using System.Globalization;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Runtime;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Checkpoints;

public class WeightFilesMemoryTests
{
    // Stated before it was measured: one copy of the numbers in the network and a fifth of it for pieces, not a second
    // copy of the file.
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void LoadingTakesOneCopyOfTheFileInMemory(bool shards)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("memory is read as Linux tells it");
        const long elements = 50_000_000,
            bytes = elements * 4;
        using var folder = new TemporaryFolder();
        string[] names = ["a", "b"];
        using (NewDisposeScope())
        {
            var numbers = zeros(elements / 2);
            if (!shards)
                WeightFixtures.Write(folder, "w.safetensors", ("a", numbers), ("b", numbers));
            else
            {
                foreach (var name in names)
                    WeightFixtures.Write(folder, $"{name}.safetensors", (name, numbers));
                WeightFixtures.Index(folder, "w.index.json", ("a", "a.safetensors"), ("b", "b.safetensors"));
            }
        }
        // What is not written yet takes no memory.
        using var network = new TensorModule();
        foreach (var name in names)
            network.register_buffer(name, empty(elements / 2));
        TorchRuntime.ReleaseMemory();
        var before = MemorySize.Line("/proc/self/status", "VmRSS")!.Value;
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Assert.Skip("this system does not let a process reset its peak");
        }
        var clock = System.Diagnostics.Stopwatch.StartNew();
        WeightFiles.Open(folder.File(shards ? "w.index.json" : "w.safetensors")).LoadInto(network);
        var seconds = clock.Elapsed.TotalSeconds;
        var rise = MemorySize.Line("/proc/self/status", "VmHWM")!.Value - before;
        TestContext.Current.SendDiagnosticMessage(
            string.Create(
                CultureInfo.InvariantCulture,
                $"loading {bytes / 1e6:0} MB raised the peak by {rise / 1e6:0} MB in {seconds:0.00} s"
            )
        );
        Assert.InRange(rise, bytes / 2, bytes * 6 / 5);
    }
}
