using System.Buffers.Binary;
using System.IO.Compression;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// Reads idx files of unsigned bytes with one to four dimensions, plain or gzip (told apart by content, not by name).
/// Strict: a wrong magic number, another type of number, a length that does not match and bytes left over are all
/// errors.
/// </summary>
public static class IdxReader
{
    private const byte UnsignedByte = 0x08;
    private const long DeflateLimit = 1100; // deflate cannot pack better than about 1032 to 1

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="dimensions">How many dimensions it must have, 1 to 4, or null for any of these.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is not such a file or it is damaged; the message names the file and
    /// what is wrong.</exception>
    public static IdxArray Read(string path, int? dimensions = null)
    {
        using var stream = Open(path, dimensions, out var dims, out var length);
        var data = new byte[length];
        try
        {
            var read = stream.ReadAtLeast(data, data.Length, throwOnEndOfStream: false);
            if (read < data.Length)
                throw Bad(
                    path,
                    $"ends after {read} of the {data.Length} values that its header promises; it was cut "
                        + "short, fetch it again"
                );
            if (stream.ReadByte() >= 0)
                throw Bad(
                    path,
                    $"goes on after the {data.Length} values that its header promises; it is not the file it "
                        + "should be, fetch it again"
                );
        }
        catch (InvalidDataException e) when (e.Data["idx"] is null)
        {
            throw Bad(path, "is a damaged gzip file; fetch it again", e);
        }
        return new IdxArray(dims, data);
    }

    /// <summary>Reads the lengths of the dimensions only, without the values behind them.</summary>
    /// <inheritdoc cref="Read" path="/param"/>
    /// <inheritdoc cref="Read" path="/exception"/>
    public static IReadOnlyList<int> ReadDims(string path, int? dimensions = null)
    {
        using var stream = Open(path, dimensions, out var dims, out _);
        return dims;
    }

    private static Stream Open(string path, int? dimensions, out int[] dims, out int length)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (dimensions is < 1 or > 4)
            throw new ArgumentOutOfRangeException(nameof(dimensions), $"dimensions must be 1 to 4, was {dimensions}");
        if (Directory.Exists(path))
            throw Bad(path, "is a folder, expected an idx file");
        if (!File.Exists(path))
            throw new FileNotFoundException($"there is no file '{path}'; check the path or fetch the file first", path);
        var raw = new FileStream(
            path,
            FileMode.Open,
            FileAccess.Read,
            FileShare.Read,
            1 << 17,
            FileOptions.SequentialScan
        );
        Stream stream = raw;
        try
        {
            Span<byte> head = stackalloc byte[20];
            var packed =
                raw.ReadAtLeast(head[..2], 2, throwOnEndOfStream: false) == 2 && head[0] == 0x1f && head[1] == 0x8b;
            raw.Position = 0;
            if (packed)
                stream = new GZipStream(raw, CompressionMode.Decompress);
            if (stream.ReadAtLeast(head[..4], 4, throwOnEndOfStream: false) < 4)
                throw Bad(path, "is too short to be an idx file; fetch it again");
            var magic = BinaryPrimitives.ReadUInt32BigEndian(head);
            if (magic >> 16 != 0)
                throw Bad(
                    path,
                    $"is not an idx file: it begins with 0x{magic:x8}, expected 0x0000080{dimensions ?? 3}"
                );
            if (head[2] != UnsignedByte)
                throw Bad(path, $"holds numbers of the type 0x{head[2]:x2}, expected 0x08 (unsigned bytes)");
            int count = head[3];
            if (count is < 1 or > 4 || count != (dimensions ?? count))
                throw Bad(path, $"has {count} dimensions, expected {dimensions?.ToString() ?? "1 to 4"}");
            if (stream.ReadAtLeast(head[..(4 * count)], 4 * count, throwOnEndOfStream: false) < 4 * count)
                throw Bad(path, "ends inside its header; it was cut short, fetch it again");
            dims = new int[count];
            long product = 1;
            for (var i = 0; i < count; i++)
            {
                var size = BinaryPrimitives.ReadUInt32BigEndian(head[(4 * i)..]);
                if (size is 0 or > int.MaxValue)
                    throw Bad(path, $"has the length {size} in dimension {i + 1}, expected 1 to {int.MaxValue}");
                dims[i] = (int)size;
                product *= size;
                if (product > Array.MaxLength)
                    throw Bad(
                        path,
                        $"promises more values ({string.Join(" × ", dims.Take(i + 1))}…) than fit into memory"
                    );
            }
            if (packed ? product > raw.Length * DeflateLimit : product > raw.Length)
                throw Bad(
                    path,
                    $"holds {raw.Length} bytes, too few for the {product} values that its header promises; it "
                        + "was cut short, fetch it again"
                );
            length = (int)product;
            return stream;
        }
        catch (InvalidDataException e) when (e.Data["idx"] is null)
        {
            stream.Dispose();
            throw Bad(path, "is a damaged gzip file; fetch it again", e);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    private static InvalidDataException Bad(string path, string what, Exception? cause = null) =>
        new($"'{path}' {what}", cause) { Data = { ["idx"] = true } };
}
