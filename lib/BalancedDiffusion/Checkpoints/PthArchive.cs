using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>The entries under the one top folder of the zip file, read with their checksums.</summary>
internal sealed class PthArchive : IStorageBytes
{
    private readonly Dictionary<string, ZipArchiveEntry> entries = [];
    private readonly long fileLength;

    public PthArchive(ZipArchive zip, long fileLength)
    {
        this.fileLength = fileLength;
        var pickles = zip
            .Entries.Where(e =>
                e.FullName.EndsWith("/data.pkl", StringComparison.Ordinal) && e.FullName.Count(c => c == '/') == 1
            )
            .ToList();
        if (pickles.Count != 1)
            throw new InvalidDataException(
                pickles.Count == 0
                    ? "is a zip file without data.pkl, so not a state dict saved by torch.save"
                    : "holds data.pkl more than once; the file is damaged"
            );
        var folder = pickles[0].FullName[..^"data.pkl".Length];
        foreach (var entry in zip.Entries.Where(e => e.FullName.StartsWith(folder, StringComparison.Ordinal)))
            if (!entries.TryAdd(entry.FullName[folder.Length..], entry))
                throw new InvalidDataException(
                    $"holds {Listing.Quoted(entry.FullName)} more than once; the file is damaged"
                );
    }

    public void CheckByteOrder()
    {
        if (!entries.ContainsKey("byteorder"))
            return; // written since PyTorch 2.1
        var order = Encoding.Latin1.GetString(Bytes("byteorder", 16));
        if (order == "little")
            return;
        throw new InvalidDataException(
            order == "big"
                ? "was written on a big-endian machine, which is not read here; load it in PyTorch there and "
                    + "save it as safetensors"
                : $"has byte order {Listing.Quoted(order)}, must be 'little'; the file is damaged"
        );
    }

    public long CheckLength(string key, long count, int size)
    {
        var name = $"data/{key}";
        var entry = Entry(name);
        if (count < 0 || (Int128)count * size != entry.Length)
            throw new InvalidDataException(
                $"says that {Listing.Quoted(name)} holds {count} elements of {size} bytes, but it has "
                    + $"{entry.Length} bytes; the file is cut off or damaged"
            );
        RefuseBomb(entry);
        return entry.Length;
    }

    public byte[] Bytes(string name, int limit)
    {
        var entry = Entry(name);
        if (entry.Length > limit)
            throw new InvalidDataException(
                $"has a {Listing.Quoted(name)} of {entry.Length} bytes, more than {limit}; a state dict does not"
            );
        RefuseBomb(entry);
        var bytes = new byte[entry.Length];
        using var stream = entry.Open();
        stream.ReadExactly(bytes);
        Finish(entry, stream, Crc32.HashToUInt32(bytes));
        return bytes;
    }

    public void Read(string key, torch.Tensor flat)
    {
        var entry = Entry($"data/{key}");
        var checksum = new Crc32();
        using var stream = entry.Open();
        TensorBytes.Fill(flat, stream, checksum.Append);
        Finish(entry, stream, checksum.GetCurrentHashAsUInt32());
    }

    private static void Finish(ZipArchiveEntry entry, Stream stream, uint checksum)
    {
        if (stream.ReadByte() >= 0 || checksum != entry.Crc32)
            throw new InvalidDataException(
                $"is damaged: the checksum of {Listing.Quoted(entry.FullName)} does not match; fetch the file again"
            );
    }

    private void RefuseBomb(ZipArchiveEntry entry)
    {
        // Deflate cannot shrink more than 1032-fold.
        if (
            entry.Length < 0
            || entry.CompressedLength < 0
            || entry.CompressedLength > fileLength
            || entry.Length / 1040 > entry.CompressedLength
        )
            throw new InvalidDataException(
                $"says that {Listing.Quoted(entry.FullName)} has {entry.Length} bytes, which a file of "
                    + $"{fileLength} bytes cannot hold; it is cut off or damaged"
            );
    }

    private ZipArchiveEntry Entry(string name) =>
        entries.TryGetValue(name, out var entry)
            ? entry
            : throw new InvalidDataException($"lacks {Listing.Quoted(name)}; the file is cut off or damaged");
}
