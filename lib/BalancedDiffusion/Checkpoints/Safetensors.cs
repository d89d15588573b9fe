using System.Buffers.Binary;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Reads and writes <c>.safetensors</c> files: a JSON header, then the raw little-endian numbers of every
/// tensor.</summary>
public static class Safetensors
{
    private static readonly UTF8Encoding Strict = new(false, true);

    /// <summary>Reads every tensor of a file, bit for bit.</summary>
    /// <param name="path">The file.</param>
    /// <returns>CPU tensors by name, in the header's order, and the file's metadata.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The header is malformed, names an unknown type, or disagrees with the
    /// file's length; offsets overlap or leave holes.</exception>
    public static NamedTensors Read(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var file = Open(path);
        return CheckpointFile.Named(
            "file",
            path,
            () =>
            {
                var (entries, metadata, start) = SafetensorsHeader.Read(file);
                var tensors = new OrderedDictionary<string, torch.Tensor>(entries.Count);
                foreach (var entry in entries)
                {
                    file.Position = start + entry.Begin;
                    var tensor = torch.empty(entry.Shape, dtype: entry.Type);
                    using var flat = tensor.view((entry.End - entry.Begin) / entry.Size);
                    TensorBytes.Fill(flat, file);
                    if (entry.Type == torch.ScalarType.Bool && !TensorBytes.AreBooleans(flat))
                        throw new InvalidDataException(
                            $"holds a boolean in {Listing.Quoted(entry.Name)} that is neither 0 nor 1; the "
                                + "file is damaged"
                        );
                    tensors.Add(entry.Name, tensor);
                }
                foreach (var tensor in tensors.Values)
                    tensor.MoveToOuterDisposeScope();
                return new NamedTensors(tensors, metadata);
            }
        );
    }

    /// <summary>Reads the metadata alone.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public static IReadOnlyDictionary<string, string> ReadMetadata(string path)
    {
        using var file = Open(path);
        return CheckpointFile.Named("file", path, () => SafetensorsHeader.Read(file).Metadata);
    }

    /// <summary>Writes tensors in the order given. The file appears whole or not at all: it is written beside its place
    /// and then moved there.</summary>
    /// <param name="path">The file; its folder is created where it lacks.</param>
    /// <param name="tensors">Tensors by name, on any device; each of f16, bf16, f32, f64, i8 to i64, u8 or
    /// bool.</param>
    /// <param name="metadata">Text by key, or null.</param>
    /// <exception cref="ArgumentException">A name comes twice, is reserved or is no valid text; a type cannot be
    /// stored. Nothing is written.</exception>
    public static void Write(
        string path,
        IEnumerable<KeyValuePair<string, torch.Tensor>> tensors,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(tensors);
        using var scope = torch.NewDisposeScope();
        var entries = new List<(SafetensorsEntry Entry, string Type, torch.Tensor Tensor)>();
        var names = new HashSet<string>();
        foreach (var (name, tensor) in tensors)
        {
            CheckText(name, nameof(tensors));
            ArgumentNullException.ThrowIfNull(tensor, nameof(tensors));
            if (name == SafetensorsHeader.MetadataName)
                throw new ArgumentException(
                    $"a tensor cannot be named '{SafetensorsHeader.MetadataName}': the format keeps that "
                        + "name; choose another",
                    nameof(tensors)
                );
            if (!names.Add(name))
                throw new ArgumentException(
                    $"the name {Listing.Quoted(name)} comes twice; give each tensor its own",
                    nameof(tensors)
                );
            var type = SafetensorsHeader.Types.FirstOrDefault(t => t.Value.Type == tensor.dtype);
            if (type.Key is null)
                throw new ArgumentException(
                    $"the tensor {Listing.Quoted(name)} has type {tensor.dtype}, which safetensors cannot "
                        + "hold; convert it first",
                    nameof(tensors)
                );
            entries.Add(
                (new SafetensorsEntry(name, tensor.dtype, type.Value.Size, tensor.shape, 0, 0), type.Key, tensor)
            );
        }
        foreach (var (key, text) in metadata ?? new Dictionary<string, string>())
        {
            CheckText(key, nameof(metadata));
            CheckText(text, nameof(metadata));
        }

        // Wide types first, so that every tensor begins at a multiple of its own width.
        var order = Enumerable.Range(0, entries.Count).OrderByDescending(i => entries[i].Entry.Size).ToList();
        var offset = 0L;
        foreach (var i in order)
        {
            var entry = entries[i].Entry;
            var bytes = checked(entry.Shape.Aggregate(1L, (product, n) => product * n) * entry.Size);
            entries[i] = entries[i] with { Entry = entry with { Begin = offset, End = offset + bytes } };
            offset += bytes;
        }
        var header = Header(entries, metadata);
        if (header.Length > SafetensorsHeader.Limit)
            throw new ArgumentException(
                $"the names and metadata take {header.Length} bytes, more than {SafetensorsHeader.Limit}; store less",
                nameof(metadata)
            );

        var target = Path.GetFullPath(path);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var fresh = $"{target}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var file = new FileStream(fresh, FileMode.CreateNew, FileAccess.Write))
            {
                Span<byte> length = stackalloc byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
                file.Write(length);
                file.Write(header);
                foreach (var i in order)
                {
                    if (entries[i].Entry.Begin == entries[i].Entry.End)
                        continue;
                    using var step = torch.NewDisposeScope();
                    TensorBytes.Write(entries[i].Tensor.detach().cpu().contiguous().view(-1), file);
                }
                file.Flush(flushToDisk: true);
            }
            File.Move(fresh, target, overwrite: true);
        }
        finally
        {
            File.Delete(fresh);
        }
    }

    private static void CheckText(string text, string parameter)
    {
        ArgumentNullException.ThrowIfNull(text, parameter);
        try
        {
            Strict.GetByteCount(text);
        }
        catch (EncoderFallbackException)
        {
            throw new ArgumentException(
                $"{Listing.Quoted(text)} is no valid text (half of a surrogate pair stands alone) and cannot be stored",
                parameter
            );
        }
    }

    private static byte[] Header(
        List<(SafetensorsEntry Entry, string Type, torch.Tensor Tensor)> entries,
        IReadOnlyDictionary<string, string>? metadata
    )
    {
        using var buffer = new MemoryStream();
        using (
            var json = new Utf8JsonWriter(
                buffer,
                new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }
            )
        )
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(SafetensorsHeader.MetadataName);
                foreach (var (key, text) in metadata)
                    json.WriteString(key, text);
                json.WriteEndObject();
            }
            foreach (var (entry, type, _) in entries)
            {
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (var n in entry.Shape)
                    json.WriteNumberValue(n);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(entry.Begin);
                json.WriteNumberValue(entry.End);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    internal static FileStream Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"there is no checkpoint at '{path}'; check the path or fetch the file first",
                path
            );
        return File.OpenRead(path);
    }
}
