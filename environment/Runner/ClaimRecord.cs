using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>A claim that a notebook checked, or left out for a stated reason.</summary>
/// <param name="Notebook">The notebook's name, e.g. <c>02-relu-dae</c>.</param>
/// <param name="Id">A short name, unique in its notebook.</param>
/// <param name="Statement">What is claimed.</param>
/// <param name="Measured">What was measured: a number, a text, or null.</param>
/// <param name="Relation">E.g. <c>&lt;</c>, <c>≈</c>.</param>
/// <param name="Bound">What it is compared with: a number, a text, a list of two numbers, or null.</param>
/// <param name="Holds">The outcome; null exactly when skipped.</param>
/// <param name="Seconds">How long the check took.</param>
/// <param name="Skipped">Why it does not count: it was not checked, e.g. "CelebA is not on this machine", or it was
/// measured and is known not to hold on this data; null when it counts.</param>
public sealed record ClaimRecord(
    string Notebook,
    string Id,
    string Statement,
    JsonNode? Measured,
    string Relation,
    JsonNode? Bound,
    bool? Holds,
    double Seconds,
    string? Skipped
)
{
    /// <summary>Whether it was measured and does not hold, as was known of this data.</summary>
    public bool IsExcepted => Skipped is not null && Relation.Length > 0;

    /// <summary>The object of <c>claims.json</c>; a skipped claim has <c>skipped</c> with its reason, and <c>holds</c>
    /// null.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["notebook"] = Notebook,
            ["id"] = Id,
            ["statement"] = Statement,
            ["measured"] = Measured?.DeepClone(),
            ["relation"] = Relation,
            ["bound"] = Bound?.DeepClone(),
            ["holds"] = Holds,
            ["seconds"] = Math.Round(Seconds, 3),
        };
        if (Skipped is not null)
            json["skipped"] = Skipped;
        return json;
    }
}
