using System.Text.Json;

namespace BalancedDiffusion.Datasets;

/// <summary>What one image is drawn from: a text, or a class.</summary>
/// <param name="Text">The prompt, or null where the line names a class alone.</param>
/// <param name="Class">The class, zero or more, or null.</param>
/// <param name="Fields">The line as it stands in the file, with whatever else it says: a url, an index, a seed.</param>
public sealed record PromptLine(string? Text, long? Class, JsonElement Fields)
{
    /// <summary>The address of the image that the caption belongs to, or null where the line says none.</summary>
    public string? Url =>
        Fields.ValueKind == JsonValueKind.Object
        && Fields.TryGetProperty("url", out var url)
        && url.ValueKind == JsonValueKind.String
            ? url.GetString()
            : null;

    /// <summary>The line's own number in its source, such as LAION's, or null where it says none.</summary>
    public long? Index =>
        Fields.ValueKind == JsonValueKind.Object
        && Fields.TryGetProperty("index", out var index)
        && index.TryGetInt64(out var number)
            ? number
            : null;
}
