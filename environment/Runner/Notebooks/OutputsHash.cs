using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>
/// The sha256 of a notebook's outputs together with the sources they came from. It does not change when a client writes
/// the file again without running it: order of keys, spelling of numbers, line endings and the splitting of texts into
/// lines are left out.
/// </summary>
internal static class OutputsHash
{
    /// <summary>The hash in lower-case hexadecimal.</summary>
    /// <param name="sources">The hash of the sources.</param>
    /// <param name="cells">The code cells in order.</param>
    public static string Of(string sources, IEnumerable<NotebookCell> cells)
    {
        var text = new StringBuilder(sources);
        foreach (var cell in cells)
        {
            text.Append("\ncell");
            foreach (var output in cell.Outputs)
                AppendOutput(text.Append('\n'), output);
        }
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static void AppendOutput(StringBuilder text, JsonObject output)
    {
        foreach (var (key, value) in Sorted(output))
        {
            text.Append(key).Append('=');
            if (key == "data" && value is JsonObject data)
                foreach (var (type, form) in Sorted(data))
                {
                    text.Append(type).Append(':');
                    if (MimeTypes.IsJson(type))
                        Append(text, form);
                    else
                        AppendText(text, form);
                }
            else if (key == "text")
                AppendText(text, value);
            else
                Append(text, value);
            text.Append(';');
        }
    }

    private static void Append(StringBuilder text, JsonNode? node)
    {
        switch (node)
        {
            case JsonObject members:
                text.Append('{');
                foreach (var (key, value) in Sorted(members))
                    Append(text.Append(JsonValue.Create(key).ToJsonString()).Append(':'), value);
                text.Append('}');
                break;
            case JsonArray items:
                text.Append('[');
                foreach (var item in items)
                    Append(text, item);
                text.Append(']');
                break;
            case not null when node.GetValueKind() == JsonValueKind.Number:
                text.Append(
                        double.Parse(node.ToJsonString(), CultureInfo.InvariantCulture)
                            .ToString("R", CultureInfo.InvariantCulture)
                    )
                    .Append(',');
                break;
            default:
                text.Append(node?.ToJsonString() ?? "null").Append(',');
                break;
        }
    }

    private static void AppendText(StringBuilder text, JsonNode? node) =>
        text.Append(JsonValue.Create(NotebookText.Join(node).ReplaceLineEndings("\n").TrimEnd()).ToJsonString());

    private static IEnumerable<KeyValuePair<string, JsonNode?>> Sorted(JsonObject members) =>
        members.OrderBy(member => member.Key, StringComparer.Ordinal);
}
