using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>nbformat keeps a text as a list of lines, each with its line feed.</summary>
public static class NotebookText
{
    /// <summary>The text of a string or of a list of lines; empty for anything else.</summary>
    public static string Join(JsonNode? node) =>
        node switch
        {
            JsonArray lines => string.Concat(
                lines.Select(l => l is JsonValue v && v.TryGetValue<string>(out var s) ? s : "")
            ),
            JsonValue value when value.TryGetValue<string>(out var text) => text,
            _ => "",
        };

    /// <summary>The list of lines of a text; each but the last ends with a line feed.</summary>
    public static JsonArray Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var lines = new JsonArray();
        for (var start = 0; start < text.Length; )
        {
            var end = text.IndexOf('\n', start);
            end = end < 0 ? text.Length : end + 1;
            lines.Add(JsonValue.Create(text[start..end]));
            start = end;
        }
        return lines;
    }
}
