using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace BalancedDiffusion.Runtime;

/// <summary>Writes pixels as PNG: 8 bits a channel, grey where every pixel is grey, else RGB; no alpha, no time stamp,
/// no text.</summary>
public static class PngEncoder
{
    /// <summary>Encodes an image.</summary>
    /// <param name="rgb">Red, green and blue of each pixel, row by row from the top, 3 · width · height
    /// bytes.</param>
    /// <param name="width">Pixels in a row, ≥ 1.</param>
    /// <param name="height">Rows, ≥ 1.</param>
    /// <exception cref="ArgumentException">The number of bytes does not fit the size.</exception>
    public static byte[] Encode(ReadOnlySpan<byte> rgb, int width, int height)
    {
        Runtime.Guard.AtLeast(width, 1);
        Runtime.Guard.AtLeast(height, 1);
        if (rgb.Length != 3L * width * height)
            throw new ArgumentException(
                $"{width} × {height} pixels need {3L * width * height} bytes, was {rgb.Length}",
                nameof(rgb)
            );
        var grey = IsGrey(rgb);
        var channels = grey ? 1 : 3;
        using var file = new MemoryStream();
        file.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 8;
        header[9] = (byte)(grey ? 0 : 2);
        Chunk(file, "IHDR", header);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            var stride = width * channels;
            byte[] above = new byte[stride],
                line = new byte[stride],
                trial = new byte[stride],
                best = new byte[stride];
            for (var y = 0; y < height; y++)
            {
                var row = rgb.Slice(3 * y * width, 3 * width);
                if (grey)
                    for (var x = 0; x < width; x++)
                        line[x] = row[3 * x];
                else
                    row.CopyTo(line);
                byte filter = 0;
                var least = long.MaxValue;
                for (byte kind = 0; kind <= 4; kind++)
                {
                    var cost = Filter(kind, line, above, channels, trial);
                    if (cost >= least)
                        continue;
                    (least, filter) = (cost, kind);
                    (best, trial) = (trial, best);
                }
                zlib.WriteByte(filter);
                zlib.Write(best);
                (above, line) = (line, above);
            }
        }
        Chunk(file, "IDAT", packed.ToArray());
        Chunk(file, "IEND", []);
        return file.ToArray();
    }

    private static bool IsGrey(ReadOnlySpan<byte> rgb)
    {
        for (var i = 0; i < rgb.Length; i += 3)
            if (rgb[i] != rgb[i + 1] || rgb[i] != rgb[i + 2])
                return false;
        return true;
    }

    // The filters of the PNG specification: none, left, up, average, Paeth. Returns the sum of the magnitudes, the
    // usual guess at what packs best.
    private static long Filter(byte kind, byte[] line, byte[] above, int step, byte[] result)
    {
        var cost = 0L;
        for (var i = 0; i < line.Length; i++)
        {
            int left = i >= step ? line[i - step] : 0,
                up = above[i],
                corner = i >= step ? above[i - step] : 0;
            var guess = kind switch
            {
                0 => 0,
                1 => left,
                2 => up,
                3 => (left + up) / 2,
                _ => Paeth(left, up, corner),
            };
            result[i] = (byte)(line[i] - guess);
            cost += Math.Abs((int)(sbyte)result[i]);
        }
        return cost;
    }

    private static int Paeth(int left, int up, int corner)
    {
        var guess = left + up - corner;
        int a = Math.Abs(guess - left),
            b = Math.Abs(guess - up),
            c = Math.Abs(guess - corner);
        return a <= b && a <= c ? left
            : b <= c ? up
            : corner;
    }

    private static void Chunk(Stream file, string type, byte[] data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        var body = new byte[4 + data.Length];
        for (var i = 0; i < 4; i++)
            body[i] = (byte)type[i];
        data.CopyTo(body, 4);
        file.Write(body);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32(body));
        file.Write(number);
    }
}
