using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>
/// The alt text of the pictures in an output. It stands in the output's metadata under the picture's MIME type,
/// <c>"metadata": { "image/png": { "alt": "…" } }</c>, where nbformat has a picture's size too and nbconvert looks
/// for it.
/// </summary>
public static partial class PictureText
{
    private const string Chart = "application/vnd.plotly.v1+json";

    /// <summary>Whether something of this type is seen as a picture: an image, or a chart that the page
    /// draws.</summary>
    public static bool IsPicture(string mimeType)
    {
        ArgumentNullException.ThrowIfNull(mimeType);
        return mimeType == Chart || mimeType.StartsWith("image/", StringComparison.Ordinal);
    }

    /// <summary>The alt text of an output's picture, or null where it has none.</summary>
    /// <param name="output">The output.</param>
    /// <param name="mimeType">Which of its forms.</param>
    public static string? Of(JsonObject output, string mimeType)
    {
        ArgumentNullException.ThrowIfNull(output);
        return
            output["metadata"] is JsonObject metadata
            && metadata[mimeType] is JsonObject own
            && NotebookText.Join(own["alt"]).Trim() is { Length: > 0 } alt
            ? alt
            : null;
    }

    /// <summary>The metadata for an output: the alt text of each picture, taken from the plain text that goes with it,
    /// whose first line names the figure and whose others describe it.</summary>
    /// <param name="data">The output's forms by MIME type.</param>
    public static JsonObject Metadata(JsonObject data)
    {
        ArgumentNullException.ThrowIfNull(data);
        var metadata = new JsonObject();
        if (Described().Match(NotebookText.Join(data["text/plain"])) is { Success: true } described)
            foreach (var (type, _) in data)
                if (IsPicture(type))
                    metadata[type] = new JsonObject { ["alt"] = described.Groups[1].Value.Trim() };
        return metadata;
    }

    [GeneratedRegex(@"^\[Figure [^\n]*\]\n(.*\S.*)", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Described();
}
