using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Finds the pictures in a notebook's outputs.</summary>
public static partial class FigureExtractor
{
    private static readonly (string MimeType, string Extension)[] Kinds =
    [
        ("image/png", "png"),
        ("image/svg+xml", "svg"),
        ("image/jpeg", "jpg"),
        ("image/gif", "gif"),
    ];

    /// <summary>All pictures in the order of the notebook; of an output that has several forms the first of PNG, SVG,
    /// JPEG, GIF.</summary>
    /// <param name="document">The executed notebook.</param>
    /// <param name="notebook">Its name.</param>
    public static IReadOnlyList<Figure> Extract(NotebookDocument document, string notebook)
    {
        ArgumentNullException.ThrowIfNull(document);
        var figures = new List<Figure>();
        foreach (var output in document.CodeCells.SelectMany(c => c.Outputs))
            if (Extract(output, notebook, figures.Count + 1) is { } figure)
                figures.Add(figure);
        return figures;
    }

    /// <summary>The picture of one output, or null where it has none.</summary>
    /// <param name="output">The output.</param>
    /// <param name="notebook">The notebook's name.</param>
    /// <param name="number">The picture's place among the notebook's pictures, from 1.</param>
    public static Figure? Extract(JsonObject output, string notebook, int number)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (output["data"] is not JsonObject data)
            return null;
        foreach (var (type, extension) in Kinds)
        {
            if (NotebookText.Join(data[type]) is not { Length: > 0 } text || Decode(type, text) is not { } bytes)
                continue;
            var said = PlainForm().Match(NotebookText.Join(data["text/plain"]));
            return new Figure(
                notebook,
                number,
                Name(output, said),
                extension,
                bytes,
                said.Success ? said.Groups[2].Value : null,
                PictureText.Of(output, type)
            );
        }
        return null;
    }

    private static byte[]? Decode(string type, string text)
    {
        if (type == "image/svg+xml")
            return Encoding.UTF8.GetBytes(text);
        try
        {
            return Convert.FromBase64String(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    // A figure's own name: in the output's metadata, or in the plain text that goes with the picture, "[Figure 3.2:
    // title]".
    private static string? Name(JsonObject output, Match said)
    {
        var name =
            output["metadata"] is JsonObject m && m["id"] is JsonValue v && v.TryGetValue<string>(out var id) ? id
            : said.Success ? said.Groups[1].Value
            : "";
        var safe = Unsafe().Replace(name.ToLowerInvariant(), "-").Trim('-');
        return safe.Length == 0 ? null
            : safe.Length > 48 ? safe[..48].TrimEnd('-')
            : safe;
    }

    [GeneratedRegex(@"^\[Figure ([^:\]\n]+): ([^\n]*)\]", RegexOptions.CultureInvariant)]
    private static partial Regex PlainForm();

    [GeneratedRegex("[^a-z0-9]+", RegexOptions.CultureInvariant)]
    private static partial Regex Unsafe();
}
