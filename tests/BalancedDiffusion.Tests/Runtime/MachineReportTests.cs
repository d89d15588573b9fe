using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

public class MachineReportTests
{
    [Fact]
    public void EveryFactThatAResultDependsOnIsNamed()
    {
        var report = MachineReport.Create(data: ["faces", "fashion-mnist"]);
        foreach (
            var name in new[]
            {
                "BalancedDiffusion",
                ".NET",
                "TorchSharp",
                "libtorch",
                "Operating system",
                "Processor",
                "Cores",
                "Memory",
                "torch threads",
                "Device",
                "Why this device",
                "Matrix products",
                "Data",
            }
        )
            Assert.False(string.IsNullOrWhiteSpace(report[name]), name);
        Assert.Equal("faces, fashion-mnist", report["Data"]);
        Assert.Equal(torch.get_num_threads().ToString(), report["torch threads"]);
        Assert.StartsWith("2.10", report["libtorch"]);
        Assert.StartsWith("0.107", report["TorchSharp"]);
        Assert.StartsWith(".NET 10", report[".NET"]);
        Assert.Equal("none found", MachineReport.Create(data: [])["Data"]);
        Assert.DoesNotContain(MachineReport.Create().Rows, r => r.Name == "Data");
        Assert.Contains("has no row 'Weather'", Assert.Throws<KeyNotFoundException>(() => report["Weather"]).Message);
    }

    [Fact]
    public void NoValueHoldsAPathOrTheNameOfTheUserOrMachine()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var device = new ComputeDevice(torch.CPU, $"CPU: could not open {Path.Combine(home, "cuda", "libcuda.so")}.");
        var text = MachineReport
            .Create(device, [Path.Combine(home, "data", "celeba"), AppContext.BaseDirectory])
            .ToString();
        Assert.DoesNotContain(home + Path.DirectorySeparatorChar, text);
        Assert.DoesNotContain(AppContext.BaseDirectory, text);
        Assert.Contains("could not open libcuda.so", text);
        Assert.Contains("celeba", text);
        if (Environment.MachineName.Length >= 3)
            Assert.DoesNotMatch(
                $@"(?i)(?<!\w){System.Text.RegularExpressions.Regex.Escape(Environment.MachineName)}(?!\w)",
                text
            );
    }

    [Theory]
    [InlineData("/home/ada/data/celeba", "celeba")]
    [InlineData("read /home/ada/x.gz and /opt/y.gz", "read x.gz and y.gz")]
    [InlineData(@"C:\Users\Ada Lovelace\data\celeba", "celeba")]
    [InlineData(@"\\server\share\celeba", "celeba")]
    [InlineData("~/data/celeba", "celeba")]
    [InlineData("file:///home/ada/celeba", "celeba")]
    [InlineData("/home/ada/data/", "…")]
    [InlineData("Intel(R) Core(TM) i7 CPU @ 2.80GHz", "Intel(R) Core(TM) i7 CPU @ 2.80GHz")]
    [InlineData("100 images/s, x86/64", "100 images/s, x86/64")]
    [InlineData(
        "CPU: the library was built without CUDA (build it with -p:Cuda=true).",
        "CPU: the library was built without CUDA (build it with -p:Cuda=true)."
    )]
    public void PathsAreCutToTheirLastPartAndOtherTextStays(string text, string expected) =>
        Assert.Equal(expected, MachineReport.WithoutNames(text));

    [Fact]
    public void NamesAreBlottedOutAsWordsOnly()
    {
        Assert.Equal("Linux on …, adamant", MachineReport.WithoutNames("Linux on Ada, adamant", "ada"));
        Assert.Equal("pc of x", MachineReport.WithoutNames("pc of x", "pc", "x"));
    }
}
