using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Networks;

/// <summary>A tiny DiT with random weights, and what the reference implementation makes of given inputs (float32,
/// CPU).</summary>
internal static class DitGolden
{
    public static string File(string name)
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (System.IO.File.Exists(Path.Combine(folder.FullName, "Notebooks.sln")))
                return Path.Combine(folder.FullName, "data", "tiny", name);
        throw new DirectoryNotFoundException("the tests run outside of the repository, where the tiny networks are");
    }

    public static Dit Network() => DitCheckpoint.Load(File("dit-tiny.safetensors"));

    public static NamedTensors Answers() => Safetensors.Read(File("dit-tiny-io.safetensors"));

    /// <summary>The largest difference, over the largest number expected.</summary>
    public static double Difference(torch.Tensor actual, torch.Tensor expected)
    {
        Assert.Equal(expected.shape, actual.shape);
        using var scope = torch.NewDisposeScope();
        return ((actual - expected).abs().max() / expected.abs().max()).to_type(torch.float64).item<double>();
    }
}
