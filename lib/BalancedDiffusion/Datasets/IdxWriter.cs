using System.Buffers.Binary;
using System.IO.Compression;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>Writes idx files of unsigned bytes.</summary>
public static class IdxWriter
{
    /// <summary>Writes a file, packed by gzip where its name ends in <c>.gz</c>. The file appears whole or not at
    /// all.</summary>
    /// <param name="path">The file; its folder is made where it is missing, and a file of this name is
    /// replaced.</param>
    /// <param name="dims">The lengths of its one to four dimensions, slowest first, each at least 1.</param>
    /// <param name="data">The values in row-major order.</param>
    /// <exception cref="ArgumentException">The lengths do not fit the data.</exception>
    public static void Write(string path, IReadOnlyList<int> dims, ReadOnlySpan<byte> data)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(dims);
        if (dims.Count is < 1 or > 4)
            throw new ArgumentException($"an idx file has 1 to 4 dimensions, was {dims.Count}", nameof(dims));
        long product = 1;
        foreach (var size in dims)
        {
            if (size < 1)
                throw new ArgumentException($"the length of a dimension must be at least 1, was {size}", nameof(dims));
            product = product > int.MaxValue ? product : product * size;
        }
        if (product != data.Length)
            throw new ArgumentException(
                $"dimensions ({string.Join(", ", dims)}) need another number of values than the {data.Length} given",
                nameof(data)
            );

        Span<byte> head = stackalloc byte[4 + 4 * dims.Count];
        head.Clear();
        head[2] = 0x08;
        head[3] = (byte)dims.Count;
        for (var i = 0; i < dims.Count; i++)
            BinaryPrimitives.WriteInt32BigEndian(head[(4 + 4 * i)..], dims[i]);
        using var fresh = new AtomicFile(path);
        using (var file = File.Create(fresh.Temporary))
        using (
            Stream stream = path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)
                ? new GZipStream(file, CompressionLevel.Optimal)
                : file
        )
        {
            stream.Write(head);
            stream.Write(data);
        }
        fresh.Commit();
    }
}
