using System.Text;
using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>
/// Lists of prompts or classes: a <c>.jsonl</c> with one object a line, as the lists of memorized captions are
/// published, or a <c>.txt</c> with one prompt a line.
/// </summary>
public static class PromptList
{
    private static readonly string[] TextFields = ["caption", "prompt", "Prompt", "text"],
        ClassFields = ["class", "label", "class_label"];
    private static readonly UTF8Encoding Strict = new(false, true);

    /// <summary>Reads a list. Of a line's fields, the prompt is <c>caption</c>, <c>prompt</c>, <c>Prompt</c> or
    /// <c>text</c>, and the class <c>class</c>, <c>label</c> or <c>class_label</c>; a line needs one of the two, and
    /// other fields are kept.</summary>
    /// <param name="path">The file; empty lines are passed over.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">Lines cannot be read; the message names them by number, eight at most. Or
    /// there are no lines at all.</exception>
    public static IReadOnlyList<PromptLine> Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"there is no list of prompts at '{path}'; check the path", path);
        var plain = Path.GetExtension(path).Equals(".txt", StringComparison.OrdinalIgnoreCase);
        var (lines, bad) = (new List<PromptLine>(), new List<string>());
        var name = Path.GetFileName(path);
        try
        {
            var number = 0;
            foreach (var line in File.ReadLines(path, Strict))
            {
                number++;
                if (string.IsNullOrWhiteSpace(line))
                    continue;
                if (plain)
                    lines.Add(new PromptLine(line.Trim(), null, default));
                else if (Parse(line, out var wrong) is { } prompt)
                    lines.Add(prompt);
                else
                    bad.Add($"line {number} {wrong}");
            }
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidDataException($"the list of prompts '{name}' is not UTF-8 text; save it as such", e);
        }
        if (bad.Count > 0)
            throw new InvalidDataException(
                $"the list of prompts '{name}' cannot be read: {Listing.Some(bad)}; correct the lines or take them out"
            );
        if (lines.Count == 0)
            throw new InvalidDataException(
                $"the list of prompts '{name}' is empty; write one "
                    + $"{(plain ? "prompt" : "object such as {\"caption\": \"…\"}")} a line"
            );
        return lines;
    }

    private static PromptLine? Parse(string line, out string wrong)
    {
        wrong = "is not a JSON object";
        try
        {
            using var json = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 16 });
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            var fields = json.RootElement.Clone();
            if (
                First(fields, TextFields) is { } text
                && (text.Value.ValueKind != JsonValueKind.String || string.IsNullOrWhiteSpace(text.Value.GetString()))
            )
            {
                wrong = $"has a {text.Name} that is not a text";
                return null;
            }
            if (
                First(fields, ClassFields) is { } kind
                && !(
                    kind.Value.ValueKind == JsonValueKind.Number
                    && kind.Value.TryGetInt64(out var number)
                    && number >= 0
                )
            )
            {
                wrong = $"has a {kind.Name} that is not a whole number ≥ 0";
                return null;
            }
            wrong = "has neither a caption, prompt or text nor a class or label";
            var prompt = new PromptLine(
                First(fields, TextFields)?.Value.GetString(),
                First(fields, ClassFields)?.Value.GetInt64(),
                fields
            );
            return prompt.Text is null && prompt.Class is null ? null : prompt;
        }
        // InvalidOperationException: half of a surrogate pair
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static (string Name, JsonElement Value)? First(JsonElement fields, string[] names)
    {
        foreach (var name in names)
            if (fields.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null)
                return (name, value);
        return null;
    }
}
