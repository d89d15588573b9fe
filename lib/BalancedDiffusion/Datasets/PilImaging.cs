using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// The two image operations of the authors' preprocessing, in the integer arithmetic of the Python Imaging Library
/// (Pillow), so that the same bytes come out. Images are rows of interleaved bytes: pixel (x, y), channel c lies at
/// <c>(y · width + x) · channels + c</c>.
/// </summary>
public static class PilImaging
{
    private const int Precision = 32 - 8 - 2;

    /// <summary>
    /// Resizes the whole image with Pillow's bilinear filter: a triangle whose support grows with the reduction, so
    /// that shrinking averages. Weights are rounded to 22 fractional bits, and the rows are resized (and rounded to
    /// bytes) before the columns.
    /// </summary>
    /// <param name="pixels">The image, width · height · channels bytes.</param>
    /// <param name="width">Pixels a row, at least 1.</param>
    /// <param name="height">Rows, at least 1.</param>
    /// <param name="channels">Bytes a pixel, at least 1; each channel is resized by itself.</param>
    /// <param name="newWidth">Pixels a row of the result, at least 1.</param>
    /// <param name="newHeight">Rows of the result, at least 1.</param>
    /// <exception cref="ArgumentException">A length is below 1 or does not fit the number of bytes.</exception>
    public static byte[] ResizeBilinear(
        ReadOnlySpan<byte> pixels,
        int width,
        int height,
        int channels,
        int newWidth,
        int newHeight
    )
    {
        Guard.AtLeast(width, 1);
        Guard.AtLeast(height, 1);
        Guard.AtLeast(channels, 1);
        Guard.AtLeast(newWidth, 1);
        Guard.AtLeast(newHeight, 1);
        if ((long)width * height * channels != pixels.Length)
            throw new ArgumentException(
                $"an image of {width} × {height} with {channels} channels has "
                    + $"{(long)width * height * channels} bytes, was {pixels.Length}",
                nameof(pixels)
            );

        var across = Weights(width, newWidth);
        var narrow = new byte[checked(newWidth * height * channels)];
        for (int y = 0, to = 0; y < height; y++)
        for (var x = 0; x < newWidth; x++)
        for (var c = 0; c < channels; c++, to++)
            narrow[to] = Sum(pixels, (y * width + across[x].First) * channels + c, channels, across[x].Values);

        var down = Weights(height, newHeight);
        var result = new byte[checked(newWidth * newHeight * channels)];
        var row = newWidth * channels;
        for (int y = 0, to = 0; y < newHeight; y++)
        for (var x = 0; x < row; x++, to++)
            result[to] = Sum(narrow, down[y].First * row + x, row, down[y].Values);
        return result;
    }

    /// <summary>The luma of ITU-R 601 as Pillow computes it: <c>(19595 R + 38470 G + 7471 B + 32768) / 65536</c>,
    /// rounded down.</summary>
    /// <param name="rgb">Pixels of three bytes, red, green, blue.</param>
    /// <returns>One byte a pixel.</returns>
    /// <exception cref="ArgumentException">The number of bytes is not a multiple of three.</exception>
    public static byte[] Luma(ReadOnlySpan<byte> rgb)
    {
        if (rgb.Length % 3 != 0)
            throw new ArgumentException($"RGB pixels have three bytes each, was {rgb.Length} bytes", nameof(rgb));
        var grey = new byte[rgb.Length / 3];
        for (var i = 0; i < grey.Length; i++)
            grey[i] = (byte)((rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 0x8000) >> 16);
        return grey;
    }

    private static byte Sum(ReadOnlySpan<byte> from, int index, int step, int[] weights)
    {
        var sum = 1 << (Precision - 1);
        foreach (var weight in weights)
        {
            sum += from[index] * weight;
            index += step;
        }
        return (byte)Math.Clamp(sum >> Precision, 0, 255);
    }

    private static (int First, int[] Values)[] Weights(int size, int newSize)
    {
        var scale = (double)size / newSize;
        var reach = Math.Max(scale, 1.0);
        var inverse = 1.0 / reach;
        var all = new (int, int[])[newSize];
        for (var i = 0; i < newSize; i++)
        {
            var centre = (i + 0.5) * scale;
            var first = Math.Max((int)(centre - reach + 0.5), 0);
            var end = Math.Min((int)(centre + reach + 0.5), size);
            var triangle = new double[end - first];
            var total = 0.0;
            for (var j = 0; j < triangle.Length; j++)
            {
                triangle[j] = Math.Max(1.0 - Math.Abs((j + first - centre + 0.5) * inverse), 0.0);
                total += triangle[j];
            }
            all[i] = (
                first,
                Array.ConvertAll(triangle, w => (int)(0.5 + (total != 0.0 ? w / total : w) * (1 << Precision)))
            );
        }
        return all;
    }
}
