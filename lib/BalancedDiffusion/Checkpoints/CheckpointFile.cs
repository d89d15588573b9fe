using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Checkpoints;

/// <summary>What the readers of models share: a file is a <c>.pth</c> (zip or old pickle) or a safetensors, told by its
/// first bytes.</summary>
internal static class CheckpointFile
{
    /// <summary>Opens a file for its headers, and for its numbers piece after piece.</summary>
    public static ITensorFile Open(string path) => IsZip(path) ? new PthFile(path) : new SafetensorsFile(path);

    public static NamedTensors Read(string path) => IsZip(path) ? PthCheckpoint.Read(path) : Safetensors.Read(path);

    public static IReadOnlyDictionary<string, string> Provenance(string path) =>
        IsZip(path) ? new Dictionary<string, string>() : Safetensors.ReadMetadata(path);

    /// <summary>The metadata to write: what the caller gives, and what the model says of itself, which may not be
    /// contradicted.</summary>
    public static Dictionary<string, string> Metadata(
        IReadOnlyDictionary<string, string>? provenance,
        string key,
        string value
    )
    {
        var metadata = new Dictionary<string, string>(provenance ?? new Dictionary<string, string>());
        if (metadata.TryGetValue(key, out var said) && said != value)
            throw new ArgumentException(
                $"provenance says {key} = {Listing.Quoted(said)}, but the model has {key} = {value}; leave "
                    + "that key out",
                nameof(provenance)
            );
        metadata[key] = value;
        return metadata;
    }

    /// <summary>Reads, and puts the file's name before what is said of it.</summary>
    public static T Named<T>(string what, string path, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the {what} '{Path.GetFileName(path)}' {e.Message}", e);
        }
        catch (Exception e)
            when (e
                    is EndOfStreamException
                        or NotSupportedException
                        or ArgumentException
                        or OverflowException
                        or IndexOutOfRangeException
            )
        {
            throw new InvalidDataException(
                $"the {what} '{Path.GetFileName(path)}' is damaged "
                    + $"({Listing.Printable(Sentence.First(e.Message))}); fetch the file again",
                e
            );
        }
    }

    private static bool IsZip(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"there is no checkpoint at '{path}'; check the path or fetch the file first",
                path
            );
        Span<byte> start = stackalloc byte[9];
        using var file = File.OpenRead(path);
        var read = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        // A safetensors begins with the length of its header, below 2^32, and '{'. Its first bytes may be those of a
        // zip or of a pickle.
        if (read == start.Length && start[8] == (byte)'{' && !start[4..8].ContainsAnyExcept((byte)0))
            return false;
        return read >= 2 && (start.StartsWith("PK"u8) || start[0] == 0x80);
    }
}
