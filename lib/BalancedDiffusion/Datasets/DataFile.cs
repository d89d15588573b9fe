using System.IO.Compression;
using System.Security.Cryptography;

namespace BalancedDiffusion.Datasets;

/// <summary>One file of a data set or checkpoint, as the manifest knows it.</summary>
/// <param name="Path">Where it lies below a data folder, with forward slashes, e.g.
/// <c>fashion-mnist/train-images-idx3-ubyte.gz</c>.</param>
/// <param name="Bytes">The length of its content (unpacked, where the file is gzip), or null where it is not
/// known.</param>
/// <param name="Sha256">The SHA-256 of its content (unpacked, where the file is gzip) in lower-case hexadecimal, or
/// null where it is not known.</param>
/// <param name="Urls">Where it can be downloaded, in the order to try; empty where it cannot.</param>
public sealed record DataFile(string Path, long? Bytes, string? Sha256, IReadOnlyList<string> Urls)
{
    /// <summary>
    /// Whether no published checksum is known, so that the one of the first download is recorded beside the file and
    /// holds from then on. Such a file must not be gzip.
    /// </summary>
    public bool RecordsSum { get; init; }

    /// <summary>What has to be said of a file that passes: nothing where a published checksum is known, else half a
    /// sentence.</summary>
    /// <param name="file">The file on this machine.</param>
    public string? Caveat(string file) =>
        Sha256 is not null ? null
        : RecordsSum && RecordedChecksum.Of(file) is not null
            ? "no published checksum at hand to compare with: that of the first download is recorded beside it"
        : "no checksum to compare with";

    /// <summary>
    /// Compares a file with the manifest. A gzip file is judged by what it unpacks to, so that a repacked one passes
    /// and a damaged one does not; where the manifest knows neither length nor checksum, only whether the file can be
    /// read is judged.
    /// </summary>
    /// <param name="file">The file on this machine.</param>
    /// <returns>Null where it is the right file, else half a sentence that says what is wrong, e.g. <c>holds 12 bytes,
    /// expected 60008</c>.</returns>
    public string? Verify(string file)
    {
        try
        {
            using var raw = File.OpenRead(file);
            Span<byte> magic = stackalloc byte[2];
            var packed =
                raw.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
            raw.Position = 0;
            if (!packed && Bytes is { } expected && raw.Length != expected)
                return $"holds {raw.Length} bytes, expected {expected}";
            if (!packed && RecordsSum && RecordedChecksum.Of(file) is null)
                return null;
            using Stream content = packed ? new GZipStream(raw, CompressionMode.Decompress) : raw;
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var buffer = new byte[1 << 17];
            long length = 0;
            for (int read; (read = content.Read(buffer)) > 0; )
            {
                length += read;
                if (length > Bytes)
                    return $"unpacks to more than the expected {Bytes} bytes";
                hash.AppendData(buffer, 0, read);
            }
            if (Bytes is { } bytes && length != bytes)
                return $"unpacks to {length} bytes, expected {bytes}";
            if ((Sha256 ?? (RecordsSum ? RecordedChecksum.Of(file) : null)) is not { } wanted)
                return null;
            var found = Convert.ToHexStringLower(hash.GetHashAndReset());
            return found == wanted
                ? null
                : $"has the checksum {found[..16]}…, expected "
                    + $"{wanted[..16]}…{(Sha256 is null ? " as recorded at its first download" : "")}";
        }
        catch (InvalidDataException)
        {
            return "is a damaged gzip file";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"cannot be read ({e.Message.TrimEnd('.')})";
        }
    }
}
