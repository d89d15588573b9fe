using System.Diagnostics;
using System.Globalization;
using System.Text;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// How long one forward pass of Stable Diffusion's full U-Net takes on the CPU, for the latents of one image of
/// 512×512, and the most memory that the process had by then: random weights, which take as long as published ones.
/// The first pass pays for torch's choice of kernels, the second is what every further step of a sampler costs; one
/// image in 50 steps with guidance takes a hundred of them. The goal, which nothing enforces: within 12 GB.
/// </summary>
public static class StableDiffusionForward
{
    private const long Tokens = 77;

    /// <summary>Runs the network twice, and writes a table to the console and to stable-diffusion-forward.md.</summary>
    /// <param name="folder">The folder for the table; made if it is not there.</param>
    public static void Run(string folder)
    {
        var options = new ConditionalUNetOptions();
        List<string> lines = ["| | seconds | most memory of the process |", "|---|---|---|"];
        var watch = Stopwatch.StartNew();
        void Note(string what)
        {
            lines.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {what} | {watch.Elapsed.TotalSeconds:F1} | "
                        + $"{MemorySize.Format(MemorySize.Line("/proc/self/status", "VmHWM"))} |"
                )
            );
            watch.Restart();
        }
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var network = new ConditionalUNet(options, seed: 0);
        Note(
            string.Create(
                CultureInfo.InvariantCulture,
                $"drawing {network.parameters().Sum(p => p.NumberOfElements):N0} weights"
            )
        );
        var latents = GaussianNoise.Draw([1, options.InChannels, options.SampleSize, options.SampleSize], 1);
        var text = GaussianNoise.Draw([1, Tokens, options.TextWidth], 2);
        watch.Restart();
        foreach (var pass in new[] { "first", "second" })
        {
            using var noise = network.call(latents, torch.tensor([500L]), text);
            if (!Guard.AllFinite(noise))
                throw new InvalidOperationException("the network of random weights gave NaN or infinity");
            Note($"{pass} forward pass");
        }
        var table = string.Join('\n', lines) + "\n";
        Console.WriteLine(table);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "stable-diffusion-forward.md"), table, new UTF8Encoding(false));
    }
}
