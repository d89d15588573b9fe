using BalancedDiffusion.Protocols;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>A picture of what a system draws for fixed prompts, at twice its size.</summary>
internal static class SampleGrid
{
    private const int Steps = 25,
        Zoom = 2;
    private const double Guidance = 4;

    /// <summary>Draws and writes it, one row a prompt.</summary>
    /// <param name="path">The PNG file.</param>
    /// <param name="model">The system.</param>
    /// <param name="prompts">The prompts.</param>
    /// <param name="columns">Samples a prompt.</param>
    /// <param name="seed">The seed of the starts.</param>
    public static void Write(
        string path,
        StableDiffusionV1 model,
        IReadOnlyList<string> prompts,
        int columns,
        long seed
    )
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        string[] texts = [.. prompts.SelectMany(prompt => Enumerable.Repeat(prompt, columns))];
        var images = model.Images(model.Sample(texts, Steps, seed, Guidance));
        var (channels, height, width) = (images.shape[1], images.shape[2], images.shape[3]);
        // (rows, columns, 3, h, w) to (rows, h, zoom, columns, w, zoom, 3)
        var bytes = images
            .expand(-1, channels == 1 ? 3 : -1, -1, -1)
            .add(1)
            .mul(127.5)
            .round()
            .clamp(0, 255)
            .to_type(torch.uint8)
            .reshape(prompts.Count, columns, 3, height, 1, width, 1)
            .expand(-1, -1, -1, -1, Zoom, -1, Zoom)
            .permute(0, 3, 4, 1, 5, 6, 2)
            .contiguous();
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(
            path,
            PngEncoder.Encode(
                bytes.data<byte>().ToArray(),
                checked((int)(columns * width * Zoom)),
                checked((int)(prompts.Count * height * Zoom))
            )
        );
    }
}
