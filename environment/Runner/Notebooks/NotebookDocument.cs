using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>
/// A Jupyter notebook, nbformat 4.5, held as the JSON it came as: what is not touched is written back as it was read.
/// </summary>
public sealed partial class NotebookDocument
{
    private static readonly JsonWriterOptions Layout = new()
    {
        Indented = true,
        IndentSize = 1,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private readonly JsonObject root;

    private NotebookDocument(JsonObject root)
    {
        this.root = root;
        Cells = ((JsonArray)root["cells"]!).Select(c => new NotebookCell((JsonObject)c!)).ToList();
    }

    /// <summary>All cells in order.</summary>
    public IReadOnlyList<NotebookCell> Cells { get; }

    /// <summary>The code cells in order.</summary>
    public IEnumerable<NotebookCell> CodeCells => Cells.Where(c => c.IsCode);

    /// <summary>The whole document as JSON.</summary>
    public JsonObject Json => root;

    /// <summary>The document's metadata.</summary>
    public JsonObject Metadata
    {
        get
        {
            if (root["metadata"] is JsonObject present)
                return present;
            var made = new JsonObject();
            root["metadata"] = made;
            return made;
        }
    }

    /// <summary>The text of the first level-one heading, or null.</summary>
    public string? Title =>
        Cells
            .Where(c => c.Type == "markdown")
            .SelectMany(c => c.Source.Split('\n'))
            .FirstOrDefault(l => l.StartsWith("# ", StringComparison.Ordinal))
            ?[2..].Trim();

    /// <summary>
    /// The sha256 of the sources of all code cells in order, in lower-case hexadecimal: outputs belong to sources when
    /// the hash that was stored with them is this one. Prose is left out, so that another sentence does not ask for a
    /// new run.
    /// </summary>
    public string SourcesHash
    {
        get
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (var cell in CodeCells)
            {
                var bytes = Encoding.UTF8.GetBytes(cell.Source.ReplaceLineEndings("\n").TrimEnd());
                hash.AppendData(Encoding.UTF8.GetBytes($"{cell.Language}:{bytes.Length}\n"));
                hash.AppendData(bytes);
            }
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
    }

    /// <summary>
    /// The sha256 of <see cref="SourcesHash"/> and of all outputs, in lower-case hexadecimal, so that neither can be
    /// changed alone. A client that saves the notebook without running it does not change it.
    /// </summary>
    public string OutputsHash => Notebooks.OutputsHash.Of(SourcesHash, CodeCells);

    /// <summary>The hash of the sources that was stored when the outputs were written, or null.</summary>
    public string? StoredSourcesHash => Stored("sources");

    /// <summary>The hash of the outputs that was stored when they were written, or null.</summary>
    public string? StoredOutputsHash => Stored("outputs");

    /// <summary>Reads a notebook.</summary>
    /// <exception cref="FormatException">The text is not JSON, or not a notebook of nbformat 4; the message says
    /// where.</exception>
    public static NotebookDocument Parse(string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(json);
        }
        catch (JsonException e)
        {
            throw new FormatException($"not valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}");
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"not valid JSON: {e.Message}");
        }
        if (node is not JsonObject root)
            throw new FormatException("not a notebook: the file holds no JSON object");
        if (!IsInt(root["nbformat"], out var major) || major != 4)
            throw new FormatException($"nbformat must be 4, was {root["nbformat"]?.ToJsonString() ?? "missing"}");
        if (root["cells"] is not JsonArray cells)
            throw new FormatException("not a notebook: it has no list of cells");
        for (var i = 0; i < cells.Count; i++)
        {
            if (cells[i] is not JsonObject cell)
                throw new FormatException($"cell {i + 1} is not a JSON object");
            if (
                cell["cell_type"] is not JsonValue type
                || !type.TryGetValue<string>(out var name)
                || name is not ("code" or "markdown" or "raw")
            )
                throw new FormatException(
                    $"cell {i + 1} has the cell_type {cell["cell_type"]?.ToJsonString() ?? "missing"}; it "
                        + "must be code, markdown or raw"
                );
            if (!IsText(cell["source"]))
                throw new FormatException($"cell {i + 1} has no source text");
        }
        return new NotebookDocument(root);
    }

    /// <summary>Reads a notebook from a file.</summary>
    /// <exception cref="FormatException">As for <see cref="Parse"/>; the message starts with the file's
    /// name.</exception>
    public static NotebookDocument Load(string path)
    {
        try
        {
            return Parse(File.ReadAllText(path));
        }
        catch (FormatException e)
        {
            throw new FormatException($"{Path.GetFileName(path)}: {e.Message}");
        }
    }

    /// <summary>The notebook as text: one blank of indentation, as Jupyter writes it, and a line feed at the
    /// end.</summary>
    public string ToJson()
    {
        using var memory = new MemoryStream();
        using (var writer = new Utf8JsonWriter(memory, Layout))
            root.WriteTo(writer);
        memory.WriteByte((byte)'\n');
        // The writer escapes what lies beyond the basic plane (emoji, mathematical letters) as surrogate pairs; Jupyter
        // writes the character.
        return SurrogatePair()
            .Replace(
                Encoding.UTF8.GetString(memory.GetBuffer(), 0, (int)memory.Length),
                m =>
                    m.Groups[1].Value
                    + (char)Convert.ToInt32(m.Groups[2].Value, 16)
                    + (char)Convert.ToInt32(m.Groups[3].Value, 16)
            );
    }

    /// <summary>Writes the notebook; the file is replaced as a whole or not at all.</summary>
    public void Save(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        var part = $"{path}.{Environment.ProcessId}.part";
        File.WriteAllText(part, ToJson());
        File.Move(part, path, overwrite: true);
    }

    /// <summary>A copy that shares nothing with this one.</summary>
    public NotebookDocument Clone() => new((JsonObject)root.DeepClone());

    /// <summary>Sets format 4.5 and the only metadata that VS Code's Jupyter and Polyglot extensions both open; drops
    /// all other.</summary>
    public void SetCanonicalMetadata()
    {
        root["metadata"] = new JsonObject
        {
            ["kernelspec"] = new JsonObject
            {
                ["display_name"] = ".NET (C#)",
                ["language"] = "C#",
                ["name"] = ".net-csharp",
            },
            ["language_info"] = new JsonObject
            {
                ["file_extension"] = ".cs",
                ["mimetype"] = "text/x-csharp",
                ["name"] = "C#",
                ["pygments_lexer"] = "csharp",
            },
        };
        root["nbformat"] = 4;
        root["nbformat_minor"] = 5;
    }

    /// <summary>Stores the hashes of the sources and of their outputs as they are now: for whoever has just run
    /// them.</summary>
    public void StoreHashes()
    {
        Metadata.Remove("balanced_diffusion");
        Metadata.Insert(
            0,
            "balanced_diffusion",
            new JsonObject { ["outputs"] = OutputsHash, ["sources"] = SourcesHash }
        );
    }

    /// <summary>Gives every cell without an id one that depends on its place, and never changes an id that is
    /// there.</summary>
    public void FillCellIds()
    {
        var taken = Cells.Select(c => c.Id).OfType<string>().ToHashSet(StringComparer.Ordinal);
        for (var i = 0; i < Cells.Count; i++)
        {
            if (Cells[i].Id is not null)
                continue;
            var id = $"cell-{i + 1:00}";
            while (!taken.Add(id))
                id += "x";
            Cells[i].SetId(id);
        }
    }

    private string? Stored(string key) =>
        Metadata["balanced_diffusion"] is JsonObject own
        && own[key] is JsonValue v
        && v.TryGetValue<string>(out var hash)
            ? hash
            : null;

    [GeneratedRegex(
        @"(?<!\\)((?:\\\\)*)\\u(D[89AB][0-9A-F]{2})\\u(D[C-F][0-9A-F]{2})",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex SurrogatePair();

    internal static bool IsInt(JsonNode? node, out int value)
    {
        value = 0;
        return node is JsonValue v && v.GetValueKind() == JsonValueKind.Number && v.TryGetValue(out value);
    }

    internal static bool IsText(JsonNode? node) =>
        node switch
        {
            JsonValue v => v.GetValueKind() == JsonValueKind.String,
            JsonArray a => a.All(l => l is JsonValue v && v.GetValueKind() == JsonValueKind.String),
            _ => false,
        };
}
