using System.Text.Json.Nodes;

namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>One cell of a notebook, a view of its JSON.</summary>
public sealed class NotebookCell
{
    private readonly JsonObject json;

    internal NotebookCell(JsonObject json) => this.json = json;

    /// <summary>The cell as JSON.</summary>
    public JsonObject Json => json;

    /// <summary><c>code</c>, <c>markdown</c> or <c>raw</c>.</summary>
    public string Type => json["cell_type"]!.GetValue<string>();

    /// <summary>Whether this is a code cell.</summary>
    public bool IsCode => Type == "code";

    /// <summary>The id, or null where the cell has none.</summary>
    public string? Id => json["id"] is JsonValue v && v.TryGetValue<string>(out var id) ? id : null;

    /// <summary>The source as one text.</summary>
    public string Source => NotebookText.Join(json["source"]);

    /// <summary>The kernel the cell is meant for: <c>csharp</c> unless its metadata says otherwise.</summary>
    public string Language
    {
        get
        {
            foreach (
                var (group, key) in new[] { ("polyglot_notebook", "kernelName"), ("dotnet_interactive", "language") }
            )
                if (
                    json["metadata"] is JsonObject m
                    && m[group] is JsonObject g
                    && g[key] is JsonValue v
                    && v.TryGetValue<string>(out var name)
                    && name.Length > 0
                )
                    return name;
            return "csharp";
        }
    }

    /// <summary>The outputs of a code cell; empty where it has none.</summary>
    public IEnumerable<JsonObject> Outputs => json["outputs"] is JsonArray a ? a.OfType<JsonObject>() : [];

    /// <summary>The execution count, or null where the cell has not been run.</summary>
    public int? ExecutionCount => NotebookDocument.IsInt(json["execution_count"], out var count) ? count : null;

    /// <summary>Replaces the outputs and the execution count.</summary>
    public void SetResult(int? executionCount, JsonArray outputs)
    {
        json["execution_count"] = executionCount;
        json["outputs"] = outputs;
        // Keys in the order Jupyter writes them, so that a run changes nothing but results.
        var sorted = json.OrderBy(p => p.Key, StringComparer.Ordinal).ToList();
        json.Clear();
        foreach (var (key, value) in sorted)
            json[key] = value;
    }

    internal void SetId(string id) => json["id"] = id;
}
