using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace BalancedDiffusion.Notebook;

/// <summary>A statement of a notebook, the number measured for it, and whether it holds. One record for all who handle
/// it: the notebook that makes it, the program that runs notebooks, and the site.</summary>
/// <param name="Notebook">The notebook's name.</param>
/// <param name="Id">The claim's name, unique within its notebook.</param>
/// <param name="Statement">What is claimed, one sentence.</param>
/// <param name="Measured">The measured number; NaN where the claim was skipped.</param>
/// <param name="Relation">How it must stand to the bound: <c>&lt;=</c>, <c>&gt;=</c>, <c>&lt;</c>, <c>&gt;</c>,
/// <c>=±tolerance</c>; empty where skipped.</param>
/// <param name="Bound">The bound; NaN where the claim was skipped.</param>
/// <param name="Holds">Whether it holds; false where skipped.</param>
/// <param name="Seconds">Seconds since the previous claim or the start of the notebook.</param>
/// <param name="Skipped">Why it does not count: it was not measured, or is known not to hold on this run's data; or
/// null.</param>
public sealed record Claim(
    string Notebook,
    string Id,
    string Statement,
    double Measured,
    string Relation,
    double Bound,
    bool Holds,
    double Seconds,
    string? Skipped = null
)
{
    /// <summary>The form of one claim in a notebook's output: the object of <see cref="ToJson"/>.</summary>
    public const string MimeType = "application/vnd.balanced-diffusion.claim+json";

    /// <summary>The form of a table of claims in a notebook's output: an object with <c>claims</c>, a list of such
    /// objects, and <c>sum</c>, one sentence.</summary>
    public const string TableMimeType = "application/vnd.balanced-diffusion.claims+json";

    /// <summary>What became of it.</summary>
    public ClaimOutcome Outcome =>
        Skipped is null ? (Holds ? ClaimOutcome.Holds : ClaimOutcome.Fails)
        : Relation.Length > 0 ? ClaimOutcome.Exception
        : ClaimOutcome.Skipped;

    /// <summary>Whether it was measured, does not hold, and was known not to hold on this run's data.</summary>
    public bool IsExcepted => Outcome == ClaimOutcome.Exception;

    /// <summary>The outcome as a word: <c>holds</c>, <c>fails</c>, <c>exception</c> or <c>skipped</c>.</summary>
    public string OutcomeName => Outcome.ToString().ToLowerInvariant();

    /// <summary>The outcome with its sign, which tells it without colour.</summary>
    public string OutcomeText =>
        Outcome switch
        {
            ClaimOutcome.Holds => "✓ holds",
            ClaimOutcome.Fails => "✗ fails",
            ClaimOutcome.Exception => "– exception",
            _ => "– skipped",
        };

    /// <summary>The statement, with the reason behind it where it is known not to hold.</summary>
    public string StatementText => IsExcepted ? $"{Statement} ({Skipped})" : Statement;

    /// <summary>The measured number as a reader sees it, four digits; empty where it was skipped.</summary>
    public string MeasuredText => Outcome == ClaimOutcome.Skipped ? "" : Claims.Number(Measured);

    /// <summary>What it must be, e.g. <c>≤ 0.01</c>; empty where it was skipped.</summary>
    public string BoundText =>
        Outcome == ClaimOutcome.Skipped
            ? ""
            : Relation switch
            {
                "<=" => $"≤ {Claims.Number(Bound)}",
                ">=" => $"≥ {Claims.Number(Bound)}",
                ['=', ..] => $"{Claims.Number(Bound)} {Relation.Replace("=±", "± ")}",
                _ => $"{Relation} {Claims.Number(Bound)}",
            };

    /// <summary>
    /// The claim as a JSON object with the names of the properties. What was not measured is null; numbers that are
    /// not finite are the texts <c>NaN</c>, <c>Infinity</c> and <c>-Infinity</c>. <c>holds</c> is null where the claim
    /// does not count, and <c>skipped</c> is there only then.
    /// </summary>
    /// <param name="withSeconds">Whether to tell <c>seconds</c>, which no two runs have in common.</param>
    public JsonObject ToJson(bool withSeconds = true)
    {
        var json = new JsonObject
        {
            ["notebook"] = Notebook,
            ["id"] = Id,
            ["statement"] = Statement,
            ["measured"] = Outcome == ClaimOutcome.Skipped ? null : ToNode(Measured),
            ["relation"] = Relation,
            ["bound"] = Outcome == ClaimOutcome.Skipped ? null : ToNode(Bound),
            ["holds"] = Skipped is null ? JsonValue.Create(Holds) : null,
        };
        if (withSeconds)
            json["seconds"] = Math.Round(Seconds, 3);
        if (Skipped is not null)
            json["skipped"] = Skipped;
        return json;
    }

    /// <summary>Reads what <see cref="ToJson"/> writes.</summary>
    /// <param name="json">The object.</param>
    /// <param name="notebook">The notebook's name; null for the one in the object.</param>
    /// <exception cref="FormatException">It is no claim; the message says what it lacks.</exception>
    public static Claim FromJson(JsonNode? json, string? notebook = null)
    {
        if (json is not JsonObject record)
            throw new FormatException("it is not a JSON object");
        var skipped = Text(record, "skipped", isNeeded: false);
        bool? holds = record["holds"] is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag : null;
        if (skipped is null && holds is null)
            throw new FormatException("it lacks \"holds\"");
        return new Claim(
            notebook ?? Text(record, "notebook")!,
            Text(record, "id")!,
            Text(record, "statement")!,
            Number(record, "measured") ?? double.NaN,
            Text(record, "relation", isNeeded: skipped is null) ?? "",
            Number(record, "bound") ?? double.NaN,
            skipped is null && holds == true,
            Number(record, "seconds") ?? 0,
            skipped
        );
    }

    private static JsonValue ToNode(double number) =>
        double.IsFinite(number)
            ? JsonValue.Create(number)
            : JsonValue.Create(number.ToString(CultureInfo.InvariantCulture));

    private static string? Text(JsonObject record, string name, bool isNeeded = true)
    {
        if (record[name] is not { } node || (node.GetValueKind() == JsonValueKind.String && (string?)node is ""))
            return isNeeded ? throw new FormatException($"it lacks \"{name}\"") : null;
        return node.GetValueKind() == JsonValueKind.String
            ? (string)node!
            : throw new FormatException($"\"{name}\" is no text");
    }

    private static double? Number(JsonObject record, string name) =>
        record[name] is not { } node ? null
        : node.GetValueKind() == JsonValueKind.Number ? node.GetValue<double>()
        : node.GetValueKind() == JsonValueKind.String && (string)node! is "NaN" or "Infinity" or "-Infinity"
            ? double.Parse((string)node!, CultureInfo.InvariantCulture)
        : throw new FormatException($"\"{name}\" is no number");
}
