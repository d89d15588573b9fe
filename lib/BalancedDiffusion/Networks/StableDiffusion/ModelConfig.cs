using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>Reads the JSON config of one part of a published model; every fault ends in one sentence that names the
/// part.</summary>
internal sealed class ModelConfig
{
    private readonly JsonElement root;
    private readonly string what;

    private ModelConfig(JsonElement root, string what) => (this.root, this.what) = (root, what);

    /// <summary>Makes something of a config.</summary>
    /// <param name="json">The text.</param>
    /// <param name="what">The part, with its article.</param>
    /// <param name="required">The keys that must be there.</param>
    /// <param name="read">What is made; an <see cref="ArgumentException"/> of a value becomes a fault of the
    /// config.</param>
    /// <exception cref="InvalidDataException">The text is no JSON object, lacks a key, or has a value that cannot
    /// be.</exception>
    public static T Read<T>(string json, string what, IReadOnlyList<string> required, Func<ModelConfig, T> read)
    {
        ArgumentNullException.ThrowIfNull(json);
        try
        {
            using var document = JsonDocument.Parse(
                json,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 16 }
            );
            var config = new ModelConfig(document.RootElement, what);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw config.Refusal("it is no JSON object");
            if (required.Where(key => config.At(key) is null).ToList() is { Count: > 0 } missing)
                throw config.Refusal($"missing {Listing.Of(missing)}");
            return read(config);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException(
                $"the config does not describe {what}: it is not valid JSON "
                    + $"({Listing.Printable(Sentence.First(e.Message))})",
                e
            );
        }
        catch (OverflowException e)
        {
            throw new InvalidDataException($"the config does not describe {what}: a whole number is too large", e);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException(
                $"the config does not describe {what}: "
                    + $"{Listing.Printable(Sentence.First(e.Message.Split(" (Parameter")[0]))}",
                e
            );
        }
    }

    /// <summary>The JSON text under a safetensors file's <c>config</c>.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static string Of(IReadOnlyDictionary<string, string> metadata, string what)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        return metadata.TryGetValue("config", out var json)
            ? json
            : throw new InvalidDataException($"the metadata holds no 'config', so it does not describe {what}");
    }

    /// <summary>A whole number; the other value where the key is missing.</summary>
    public long Whole(string key, long otherwise = 0) =>
        At(key) is not { } value ? otherwise
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) ? number
        : throw Wrong(key, "a whole number");

    /// <summary>A number; the other value where the key is missing.</summary>
    public double Number(string key, double otherwise) =>
        At(key) is not { } value ? otherwise
        : value.ValueKind == JsonValueKind.Number ? value.GetDouble()
        : throw Wrong(key, "a number");

    /// <summary>A text; null where the key is missing.</summary>
    public string? Word(string key) =>
        At(key) is not { } value ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw Wrong(key, "a text");

    /// <summary>True or false; the other value where the key is missing.</summary>
    public bool Flag(string key, bool otherwise) =>
        At(key) is not { } value ? otherwise
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw Wrong(key, "true or false");

    /// <summary>A list of whole numbers.</summary>
    public IReadOnlyList<long> Wholes(string key) =>
        [
            .. List(key)
                .Select(n =>
                    n.ValueKind == JsonValueKind.Number && n.TryGetInt64(out var number)
                        ? number
                        : throw Wrong(key, "a list of whole numbers")
                ),
        ];

    /// <summary>A list of words.</summary>
    public IReadOnlyList<string> Words(string key) =>
        [
            .. List(key)
                .Select(n =>
                    n.ValueKind == JsonValueKind.String ? n.GetString()! : throw Wrong(key, "a list of texts")
                ),
        ];

    /// <summary>Whether the value is a list.</summary>
    public bool IsList(string key) => At(key)?.ValueKind == JsonValueKind.Array;

    /// <summary>Throws unless the key is missing or has this value, as JSON: the network here computes no
    /// other.</summary>
    public void Only(string key, string json)
    {
        if (At(key) is { } value && !JsonElement.DeepEquals(value, JsonElement.Parse(json)))
            throw Refusal($"'{key}' must be {json} here, was {Shown(value)}");
    }

    /// <summary>One sentence about the config.</summary>
    public InvalidDataException Refusal(string why) => new($"the config does not describe {what}: {why}");

    private JsonElement? At(string key) =>
        root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private IEnumerable<JsonElement> List(string key) =>
        At(key) is { ValueKind: JsonValueKind.Array } value ? value.EnumerateArray() : throw Wrong(key, "a list");

    private InvalidDataException Wrong(string key, string wanted) =>
        Refusal($"'{key}' must be {wanted}, was {(At(key) is { } value ? Shown(value) : "nothing")}");

    private static string Shown(JsonElement value) => Listing.Printable(value.GetRawText());
}
