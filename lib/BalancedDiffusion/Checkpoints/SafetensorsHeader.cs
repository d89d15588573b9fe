using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>A tensor as the header of a safetensors file describes it; its bytes are counted from the end of the
/// header.</summary>
internal sealed record SafetensorsEntry(
    string Name,
    torch.ScalarType Type,
    int Size,
    long[] Shape,
    long Begin,
    long End
);

/// <summary>The header of a safetensors file, checked against the file's length before any number is read.</summary>
internal sealed record SafetensorsHeader(
    IReadOnlyList<SafetensorsEntry> Entries,
    IReadOnlyDictionary<string, string> Metadata,
    long Start
)
{
    public const long Limit = 100_000_000;
    public const string MetadataName = "__metadata__";

    public static readonly Dictionary<string, (torch.ScalarType Type, int Size)> Types = new()
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

    /// <summary>Reads the header of an open file; a message begins with a verb, for the caller to name the
    /// file.</summary>
    public static SafetensorsHeader Read(FileStream file)
    {
        if (file.Length < 8)
            throw new InvalidDataException($"has {file.Length} bytes, too few for a safetensors file; fetch it again");
        Span<byte> prefix = stackalloc byte[8];
        file.ReadExactly(prefix);
        var length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > Limit || length > (ulong)(file.Length - 8))
            throw new InvalidDataException(
                $"announces a header of {length} bytes, but has {file.Length} bytes in all; it is cut off or "
                    + "is not a safetensors file"
            );
        var header = new byte[length];
        file.ReadExactly(header);
        if (length == 0 || header[0] != (byte)'{')
            throw new InvalidDataException(
                "has a header that does not begin with '{'; it is damaged or is not a safetensors file"
            );
        var (entries, metadata) = Parse(header);
        var end = 0L;
        foreach (var entry in entries.OrderBy(e => e.Begin).ThenBy(e => e.End))
        {
            if (entry.Begin != end)
                throw new InvalidDataException(
                    $"{(entry.Begin < end ? "overlaps" : "leaves a hole between")} tensors: "
                        + $"{Listing.Quoted(entry.Name)} begins at {entry.Begin}, expected {end}; it is damaged"
                );
            end = entry.End;
        }
        var start = 8 + (long)length;
        if (file.Length - start != end)
            throw new InvalidDataException(
                $"has {file.Length - start} bytes of numbers, but its header describes {end}; it is cut off or damaged"
            );
        return new SafetensorsHeader(entries, metadata, start);
    }

    private static (List<SafetensorsEntry> Entries, Dictionary<string, string> Metadata) Parse(byte[] header)
    {
        var entries = new List<SafetensorsEntry>();
        var metadata = new Dictionary<string, string>();
        try
        {
            using var json = JsonDocument.Parse(
                header,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 }
            );
            foreach (var property in json.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataName)
                {
                    if (property.Value.ValueKind != JsonValueKind.Object)
                        throw new InvalidDataException("has metadata that is not a map of texts; it is damaged");
                    foreach (var item in property.Value.EnumerateObject())
                        metadata.Add(
                            item.Name,
                            item.Value.ValueKind == JsonValueKind.String
                                ? item.Value.GetString()!
                                : throw new InvalidDataException(
                                    $"has metadata {Listing.Quoted(item.Name)} that is not a text; it is damaged"
                                )
                        );
                    continue;
                }
                entries.Add(ParseEntry(property.Name, property.Value));
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or DecoderFallbackException)
        {
            // InvalidOperationException: a text with half of a surrogate pair or with broken UTF-8
            throw new InvalidDataException(
                $"has a header that is not valid JSON ({Listing.Printable(Sentence.First(e.Message))}); it is damaged",
                e
            );
        }
        return (entries, metadata);
    }

    private static SafetensorsEntry ParseEntry(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Object)
            throw new InvalidDataException(
                $"describes {Listing.Quoted(name)} by something that is not an object; it is damaged"
            );
        string? type = null;
        long[]? shape = null,
            offsets = null;
        foreach (var field in value.EnumerateObject())
            switch (field.Name)
            {
                case "dtype" when field.Value.ValueKind == JsonValueKind.String:
                    type = field.Value.GetString();
                    break;
                case "shape":
                    shape = Numbers(name, field.Value);
                    break;
                case "data_offsets":
                    offsets = Numbers(name, field.Value);
                    break;
                default:
                    throw new InvalidDataException(
                        $"describes {Listing.Quoted(name)} with an unknown field "
                            + $"{Listing.Quoted(field.Name)}; it is damaged"
                    );
            }
        if (type is null || shape is null || offsets is not { Length: 2 })
            throw new InvalidDataException(
                $"describes {Listing.Quoted(name)} without a dtype, a shape and two data_offsets; it is damaged"
            );
        if (!Types.TryGetValue(type, out var known))
            throw new InvalidDataException(
                $"has a tensor {Listing.Quoted(name)} of type {Listing.Quoted(type)}, which is not read here; "
                    + $"known are {string.Join(", ", Types.Keys)}"
            );
        if (shape.Length > 64)
            throw new InvalidDataException(
                $"has a tensor {Listing.Quoted(name)} with {shape.Length} dimensions, more than 64; it is damaged"
            );
        Int128 bytes = known.Size;
        foreach (var n in shape)
        {
            bytes *= n;
            if (bytes > long.MaxValue)
                throw new InvalidDataException(
                    $"has a tensor {Listing.Quoted(name)} of shape {Listing.Shape(shape)}, which is too "
                        + "large; it is damaged"
                );
        }
        if (offsets[1] - (Int128)offsets[0] != bytes)
            throw new InvalidDataException(
                $"gives {Listing.Quoted(name)} the bytes {offsets[0]} to {offsets[1]}, but {type} of shape "
                    + $"{Listing.Shape(shape)} takes {bytes}; it is damaged"
            );
        return new SafetensorsEntry(name, known.Type, known.Size, shape, offsets[0], offsets[1]);
    }

    private static long[] Numbers(string name, JsonElement value)
    {
        if (value.ValueKind != JsonValueKind.Array)
            throw new InvalidDataException(
                $"gives {Listing.Quoted(name)} a shape or offsets that are not a list; it is damaged"
            );
        return value
            .EnumerateArray()
            .Select(n =>
                n.ValueKind == JsonValueKind.Number && n.TryGetInt64(out var whole) && whole >= 0
                    ? whole
                    : throw new InvalidDataException(
                        $"gives {Listing.Quoted(name)} a size or offset that is not a whole number ≥ 0; it is damaged"
                    )
            )
            .ToArray();
    }
}
