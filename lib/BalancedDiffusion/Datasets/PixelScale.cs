using TorchSharp;

namespace BalancedDiffusion.Datasets;

/// <summary>Turns bytes into the library's images.</summary>
internal static class PixelScale
{
    private static readonly float[] Table = [.. Enumerable.Range(0, 256).Select(x => (float)(x / 127.5 - 1.0))];

    /// <summary>The value of a black pixel.</summary>
    public const float Black = -1f;

    /// <summary>x/127.5 - 1 of each byte: 0 becomes -1 and 255 becomes 1.</summary>
    public static float Of(byte value) => Table[value];

    /// <summary>Images of interleaved bytes as a tensor (n, channels, size, size); the caller owns it.</summary>
    public static torch.Tensor Tensor(IReadOnlyList<byte[]> images, int channels, int size)
    {
        var plane = size * size;
        var values = new float[checked(images.Count * channels * plane)];
        for (var n = 0; n < images.Count; n++)
        for (var c = 0; c < channels; c++)
        {
            var to = values.AsSpan((n * channels + c) * plane, plane);
            for (var i = 0; i < plane; i++)
                to[i] = Table[images[n][i * channels + c]];
        }
        return torch.tensor(values, [images.Count, channels, size, size]);
    }
}
