using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>A picture of samples at twice their size.</summary>
internal static class SampleGrid
{
    private const int Zoom = 2;

    /// <summary>Writes it.</summary>
    /// <param name="path">The PNG file; its folder is made where it lacks.</param>
    /// <param name="images">(rows · columns, 1 or 3, height, width), about [-1, 1].</param>
    /// <param name="columns">Images a row.</param>
    public static void Write(string path, torch.Tensor images, int columns)
    {
        using var scope = torch.NewDisposeScope();
        var (channels, height, width) = (images.shape[1], images.shape[2], images.shape[3]);
        // (rows, columns, 3, h, w) to (rows, h, zoom, columns, w, zoom, 3)
        var bytes = images
            .expand(-1, channels == 1 ? 3 : -1, -1, -1)
            .add(1)
            .mul(127.5)
            .round()
            .clamp(0, 255)
            .to_type(torch.uint8)
            .reshape(-1, columns, 3, height, 1, width, 1)
            .expand(-1, -1, -1, -1, Zoom, -1, Zoom)
            .permute(0, 3, 4, 1, 5, 6, 2)
            .contiguous();
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(
            path,
            PngEncoder.Encode(
                bytes.data<byte>().ToArray(),
                checked((int)(columns * width * Zoom)),
                checked((int)(images.shape[0] / columns * height * Zoom))
            )
        );
    }
}
