using System.Text.Json;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Reporting;

/// <summary>The lines that a notebook's claims are written to while it runs, one JSON object a line.</summary>
public static class ClaimsFile
{
    /// <summary>
    /// Reads the file. A missing file is a notebook without claims. A line that is no claim becomes a problem, one
    /// sentence, never a silent loss; so does an id that stands twice, since each claim must be found by its id. A
    /// claim that was left out has <c>"skipped": true</c> and a <c>"reason"</c> (or the reason as <c>"skipped"</c>); it
    /// counts neither as holding nor as failing.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="notebook">The notebook's name.</param>
    public static (IReadOnlyList<ClaimRecord> Claims, IReadOnlyList<string> Problems) Read(string file, string notebook)
    {
        var claims = new List<ClaimRecord>();
        var problems = new List<string>();
        if (!File.Exists(file))
            return (claims, problems);
        var number = 0;
        foreach (var line in File.ReadLines(file))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                var claim = Parse(line, notebook);
                if (claims.Any(c => c.Id == claim.Id))
                    problems.Add($"the claims of {notebook} name the id '{claim.Id}' twice; give each claim its own");
                else
                    claims.Add(claim);
            }
            catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
            {
                var reason = e is FormatException ? e.Message : "it is not JSON";
                problems.Add(
                    $"line {number} of the claims of {notebook} is no claim: {reason}: "
                        + $"{(line.Length > 80 ? line[..79] + "…" : line)}"
                );
            }
        }
        return (claims, problems);
    }

    private static ClaimRecord Parse(string line, string notebook)
    {
        if (JsonNode.Parse(line) is not JsonObject json)
            throw new FormatException("it is not a JSON object");
        var skipped =
            json["skipped"] is JsonValue mark && mark.TryGetValue<bool>(out var isSkipped)
                ? (isSkipped ? Text(json, "reason") : null)
                : Text(json, "skipped", required: false);
        bool? holds = json["holds"] is JsonValue v && v.TryGetValue<bool>(out var h) ? h : null;
        if (skipped is null && holds is null)
            throw new FormatException("it lacks \"holds\"");
        if (json["seconds"] is { } s && s.GetValueKind() != JsonValueKind.Number)
            throw new FormatException("\"seconds\" is no number");
        return new ClaimRecord(
            notebook,
            Text(json, "id")!,
            Text(json, "statement", skipped is null) ?? skipped!,
            json["measured"]?.DeepClone(),
            Text(json, "relation", skipped is null) ?? "",
            json["bound"]?.DeepClone(),
            skipped is null ? holds : null,
            json["seconds"]?.GetValue<double>() ?? 0,
            skipped
        );
    }

    private static string? Text(JsonObject json, string name, bool required = true) =>
        json[name] is JsonValue v && v.TryGetValue<string>(out var text) && (text.Length > 0 || !required)
            ? (text.Length > 0 ? text : null)
        : required ? throw new FormatException($"it lacks \"{name}\"")
        : null;
}
