using System.Buffers.Binary;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Reads and writes <c>.safetensors</c> files: a JSON header, then the raw little-endian numbers of every tensor.</summary>
public static class Safetensors
{
    private const long HeaderLimit = 100_000_000;
    private const string MetadataName = "__metadata__";

    private static readonly Dictionary<string, (torch.ScalarType Type, int Size)> Types = new()
    {
        ["F64"] = (torch.ScalarType.Float64, 8),
        ["F32"] = (torch.ScalarType.Float32, 4),
        ["F16"] = (torch.ScalarType.Float16, 2),
        ["BF16"] = (torch.ScalarType.BFloat16, 2),
        ["I64"] = (torch.ScalarType.Int64, 8),
        ["I32"] = (torch.ScalarType.Int32, 4),
        ["I16"] = (torch.ScalarType.Int16, 2),
        ["I8"] = (torch.ScalarType.Int8, 1),
        ["U8"] = (torch.ScalarType.Byte, 1),
        ["BOOL"] = (torch.ScalarType.Bool, 1),
    };

    private static readonly UTF8Encoding Strict = new(false, true);

    private sealed record Entry(string Name, torch.ScalarType Type, int Size, long[] Shape, long Begin, long End);

    /// <summary>Reads every tensor of a file, bit for bit.</summary>
    /// <param name="path">The file.</param>
    /// <returns>CPU tensors by name, in the header's order, and the file's metadata.</returns>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The header is malformed, names an unknown type, or disagrees with the file's length; offsets
    /// overlap or leave holes.</exception>
    public static NamedTensors Read(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var file = Open(path);
        try
        {
            var (entries, metadata, start) = ReadHeader(file);
            var tensors = new OrderedDictionary<string, torch.Tensor>(entries.Count);
            foreach (var entry in entries)
            {
                file.Position = start + entry.Begin;
                var tensor = torch.empty(entry.Shape, dtype: entry.Type);
                using var flat = tensor.view((entry.End - entry.Begin) / entry.Size);
                TensorBytes.Fill(flat, file);
                if (entry.Type == torch.ScalarType.Bool && !TensorBytes.AreBooleans(flat))
                    throw new InvalidDataException($"holds a boolean in {Listing.Quoted(entry.Name)} that is neither 0 nor 1; the file is damaged");
                tensors.Add(entry.Name, tensor);
            }
            foreach (var tensor in tensors.Values) tensor.MoveToOuterDisposeScope();
            return new NamedTensors(tensors, metadata);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the file '{Path.GetFileName(path)}' {e.Message}", e);
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException($"the file '{Path.GetFileName(path)}' ended while it was read; fetch it again", e);
        }
    }

    /// <summary>Reads the metadata alone.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Read"/>.</exception>
    public static IReadOnlyDictionary<string, string> ReadMetadata(string path)
    {
        using var file = Open(path);
        try
        {
            return ReadHeader(file).Metadata;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException($"the file '{Path.GetFileName(path)}' {e.Message}", e);
        }
    }

    /// <summary>Writes tensors in the order given. The file appears whole or not at all: it is written beside its place and then moved there.</summary>
    /// <param name="path">The file; its folder is created where it lacks.</param>
    /// <param name="tensors">Tensors by name, on any device; each of f16, bf16, f32, f64, i8 to i64, u8 or bool.</param>
    /// <param name="metadata">Text by key, or null.</param>
    /// <exception cref="ArgumentException">A name comes twice, is reserved or is no valid text; a type cannot be stored. Nothing is written.</exception>
    public static void Write(string path, IEnumerable<KeyValuePair<string, torch.Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(tensors);
        using var scope = torch.NewDisposeScope();
        var entries = new List<(Entry Entry, string Type, torch.Tensor Tensor)>();
        var names = new HashSet<string>();
        foreach (var (name, tensor) in tensors)
        {
            CheckText(name, nameof(tensors));
            ArgumentNullException.ThrowIfNull(tensor, nameof(tensors));
            if (name == MetadataName) throw new ArgumentException($"a tensor cannot be named '{MetadataName}': the format keeps that name; choose another", nameof(tensors));
            if (!names.Add(name)) throw new ArgumentException($"the name {Listing.Quoted(name)} comes twice; give each tensor its own", nameof(tensors));
            var type = Types.FirstOrDefault(t => t.Value.Type == tensor.dtype);
            if (type.Key is null) throw new ArgumentException($"the tensor {Listing.Quoted(name)} has type {tensor.dtype}, which safetensors cannot hold; convert it first", nameof(tensors));
            entries.Add((new Entry(name, tensor.dtype, type.Value.Size, tensor.shape, 0, 0), type.Key, tensor));
        }
        foreach (var (key, text) in metadata ?? new Dictionary<string, string>())
        {
            CheckText(key, nameof(metadata));
            CheckText(text, nameof(metadata));
        }

        // Wide types first, so that every tensor begins at a multiple of its own width.
        var order = Enumerable.Range(0, entries.Count).OrderByDescending(i => entries[i].Entry.Size).ToList();
        var at = 0L;
        foreach (var i in order)
        {
            var entry = entries[i].Entry;
            var bytes = checked(entry.Shape.Aggregate(1L, (product, n) => product * n) * entry.Size);
            entries[i] = entries[i] with { Entry = entry with { Begin = at, End = at + bytes } };
            at += bytes;
        }
        var header = Header(entries, metadata);
        if (header.Length > HeaderLimit) throw new ArgumentException($"the names and metadata take {header.Length} bytes, more than {HeaderLimit}; store less", nameof(metadata));

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
                    if (entries[i].Entry.Begin == entries[i].Entry.End) continue;
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
            throw new ArgumentException($"{Listing.Quoted(text)} is no valid text (half of a surrogate pair stands alone) and cannot be stored", parameter);
        }
    }

    private static byte[] Header(List<(Entry Entry, string Type, torch.Tensor Tensor)> entries, IReadOnlyDictionary<string, string>? metadata)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is not null)
            {
                json.WriteStartObject(MetadataName);
                foreach (var (key, text) in metadata) json.WriteString(key, text);
                json.WriteEndObject();
            }
            foreach (var (entry, type, _) in entries)
            {
                json.WriteStartObject(entry.Name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (var n in entry.Shape) json.WriteNumberValue(n);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(entry.Begin);
                json.WriteNumberValue(entry.End);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0) buffer.WriteByte((byte)' ');
        return buffer.ToArray();
    }

    private static FileStream Open(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path)) throw new FileNotFoundException($"there is no checkpoint at '{path}'; check the path or fetch the file first", path);
        return File.OpenRead(path);
    }

    private static (List<Entry> Entries, Dictionary<string, string> Metadata, long Start) ReadHeader(FileStream file)
    {
        if (file.Length < 8) throw new InvalidDataException($"has {file.Length} bytes, too few for a safetensors file; fetch it again");
        Span<byte> prefix = stackalloc byte[8];
        file.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > HeaderLimit || length > (ulong)(file.Length - 8))
            throw new InvalidDataException($"announces a header of {length} bytes, but has {file.Length} bytes in all; it is cut off or is not a safetensors file");
        var header = new byte[length];
        file.ReadExactly(header);
        if (length == 0 || header[0] != (byte)'{') throw new InvalidDataException("has a header that does not begin with '{'; it is damaged or is not a safetensors file");
        var (entries, metadata) = Parse(header);
        var end = 0L;
        foreach (var entry in entries.OrderBy(e => e.Begin).ThenBy(e => e.End))
        {
            if (entry.Begin != end)
                throw new InvalidDataException($"{(entry.Begin < end ? "overlaps" : "leaves a hole between")} tensors: {Listing.Quoted(entry.Name)} begins at {entry.Begin}, expected {end}; it is damaged");
            end = entry.End;
        }
        var start = 8 + (long)length;
        if (file.Length - start != end) throw new InvalidDataException($"has {file.Length - start} bytes of numbers, but its header describes {end}; it is cut off or damaged");
        return (entries, metadata, start);
    }

    private static (List<Entry> Entries, Dictionary<string, string> Metadata) Parse(byte[] header)
    {
        var entries = new List<Entry>();
        var metadata = new Dictionary<string, string>();
        try
        {
            using var json = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 });
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataName)
                {
                    if (property.Value.ValueKind != JsonValueKind.Object) throw new InvalidDataException("has metadata that is not a map of texts; it is damaged");
                    foreach (var item in property.Value.EnumerateObject())
                        metadata.Add(item.Name, item.Value.ValueKind == JsonValueKind.String ? item.Value.GetString()! : throw new InvalidDataException($"has metadata {Listing.Quoted(item.Name)} that is not a text; it is damaged"));
                    continue;
                }
                entries.Add(ParseEntry(property.Name, property.Value));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or DecoderFallbackException)
        {
            // InvalidOperationException: a text with half of a surrogate pair or with broken UTF-8
            throw new InvalidDataException($"has a header that is not valid JSON ({Listing.Printable(Sentence.First(e.Message))}); it is damaged", e);
        }
        return (entries, metadata);
    }

    private static Entry ParseEntry(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"describes {Listing.Quoted(name)} by something that is not an object; it is damaged");
        string? type = null;
        long[]? shape = null, offsets = null;
        foreach (var field in value.EnumerateObject())
            switch (field.Name)
            {
                case "dtype" when field.Value.ValueKind == JsonValueKind.String: type = field.Value.GetString(); break;
                case "shape": shape = Numbers(name, field.Value); break;
                case "data_offsets": offsets = Numbers(name, field.Value); break;
                default: throw new InvalidDataException($"describes {Listing.Quoted(name)} with an unknown field {Listing.Quoted(field.Name)}; it is damaged");
            }
        if (type is null || shape is null || offsets is not { Length: 2 })
            throw new InvalidDataException($"describes {Listing.Quoted(name)} without a dtype, a shape and two data_offsets; it is damaged");
        if (!Types.TryGetValue(type, out var known))
            throw new InvalidDataException($"has a tensor {Listing.Quoted(name)} of type {Listing.Quoted(type)}, which is not read here; known are {string.Join(", ", Types.Keys)}");
        if (shape.Length > 64) throw new InvalidDataException($"has a tensor {Listing.Quoted(name)} with {shape.Length} dimensions, more than 64; it is damaged");
        Int128 bytes = known.Size;
        foreach (var n in shape)
        {
            bytes *= n;
            if (bytes > long.MaxValue) throw new InvalidDataException($"has a tensor {Listing.Quoted(name)} of shape {Listing.Shape(shape)}, which is too large; it is damaged");
        }
        if (offsets[1] - (Int128)offsets[0] != bytes)
            throw new InvalidDataException($"gives {Listing.Quoted(name)} the bytes {offsets[0]} to {offsets[1]}, but {type} of shape {Listing.Shape(shape)} takes {bytes}; it is damaged");
        return new Entry(name, known.Type, known.Size, shape, offsets[0], offsets[1]);
    }

    private static long[] Numbers(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array) throw new InvalidDataException($"gives {Listing.Quoted(name)} a shape or offsets that are not a list; it is damaged");
        return value.EnumerateArray().Select(n => n.ValueKind == JsonValueKind.Number && n.TryGetInt64(out var whole) && whole >= 0 ? whole
            : throw new InvalidDataException($"gives {Listing.Quoted(name)} a size or offset that is not a whole number ≥ 0; it is damaged")).ToArray();
    }
}
