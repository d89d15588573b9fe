using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Notebooks;

namespace BalancedDiffusion.Reproduce.Linting;

/// <summary>Checks a notebook against the rules for what is committed.</summary>
public sealed partial class NotebookLinter
{
    /// <summary>A notebook's file must be smaller than this many bytes.</summary>
    public const int SizeLimit = 2_000_000;

    /// <summary>A code cell has at most this many lines.</summary>
    public const int LineLimit = 30;

    /// <summary>What the first code cell must be, to the letter.</summary>
    public const string FirstCell = "#!import \"lab.dib\"";

    /// <summary>The headings that every notebook has, each alone or followed by more words.</summary>
    public static readonly IReadOnlyList<string> RequiredSections = ["What you will learn", "Summary", "Exercises", "References"];

    // A name like these is everyone's, and a word of the language besides.
    private static readonly HashSet<string> CommonNames = new(StringComparer.OrdinalIgnoreCase)
        { "root", "user", "users", "admin", "administrator", "runner", "ubuntu", "debian", "vscode", "node", "home", "work", "build", "test", "guest", "localhost", "default", "model", "data" };
    private readonly IReadOnlyList<string> machineNames;
    private readonly string? root;

    /// <summary>Prepares the rules.</summary>
    /// <param name="root">The repository, whose absolute path must not appear; null where there is none.</param>
    /// <param name="machineNames">Names that must not appear in outputs; by default the user's and the machine's, unless they are everyday words.</param>
    public NotebookLinter(string? root = null, IReadOnlyList<string>? machineNames = null)
    {
        this.root = root is { Length: > 1 } ? Path.TrimEndingDirectorySeparator(root) : null;
        this.machineNames = (machineNames ?? [Environment.UserName, Environment.MachineName]).Where(n => n.Length > 3 && !CommonNames.Contains(n)).ToList();
    }

    /// <summary>Checks a file.</summary>
    public IReadOnlyList<LintFinding> Check(NotebookFile notebook)
    {
        ArgumentNullException.ThrowIfNull(notebook);
        try { return Check(notebook.Stem, File.ReadAllText(notebook.File)); }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException) { return [new LintFinding(notebook.Stem, LintRule.Format, 0, $"the file cannot be read: {e.Message}")]; }
    }

    /// <summary>Checks a notebook's text.</summary>
    /// <param name="name">The name to report it by.</param>
    /// <param name="json">The content of the file.</param>
    public IReadOnlyList<LintFinding> Check(string name, string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        NotebookDocument document;
        try { document = NotebookDocument.Parse(json); }
        catch (FormatException e) { return [new LintFinding(name, LintRule.Format, 0, e.Message)]; }

        var findings = new List<LintFinding>();
        void Find(LintRule rule, int cell, string message) => findings.Add(new LintFinding(name, rule, cell, message));
        if (!NotebookDocument.IsInt(document.Json["nbformat_minor"], out var minor) || minor != 5) Find(LintRule.Format, 0, $"nbformat_minor must be 5, was {document.Json["nbformat_minor"]?.ToJsonString() ?? "missing"}");
        var size = System.Text.Encoding.UTF8.GetByteCount(json);
        if (size >= SizeLimit) Find(LintRule.Size, 0, FormattableString.Invariant($"the file has {size / 1e6:0.0} MB, it must be smaller than {SizeLimit / 1e6:0} MB; show fewer or smaller pictures"));
        CheckMetadata(document, Find);
        CheckIds(document, Find);
        CheckProse(document, Find);
        CheckCode(document, Find);
        CheckPrivacy(document, Find);
        return findings;
    }

    private static void CheckMetadata(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var expected = NotebookDocument.Parse("{\"cells\":[],\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{}}");
        expected.SetCanonicalMetadata();
        foreach (var (key, value) in expected.Metadata)
            if (!JsonNode.DeepEquals(document.Metadata[key], value)) find(LintRule.Metadata, 0, $"metadata.{key} must be {value!.ToJsonString()}, was {document.Metadata[key]?.ToJsonString() ?? "missing"}");
        foreach (var (key, _) in document.Metadata)
            if (key is not ("kernelspec" or "language_info" or "balanced_diffusion")) find(LintRule.Metadata, 0, $"metadata.{key} must go; some clients do not open a notebook that has it");
        if (document.StoredSourcesHash is not { } stored) find(LintRule.SourcesHash, 0, "no hash of the sources is stored with the outputs; run 'publish'");
        else if (stored != document.SourcesHash) find(LintRule.SourcesHash, 0, "the code was changed after the outputs were written; run 'publish'");
    }

    private static void CheckIds(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < document.Cells.Count; i++)
        {
            if (document.Cells[i].Id is not { } id) find(LintRule.CellIds, i + 1, "the cell has no id");
            else if (!CellId().IsMatch(id)) find(LintRule.CellIds, i + 1, $"the id '{id}' must be 1 to 64 letters, digits, hyphens or underscores");
            else if (!seen.Add(id)) find(LintRule.CellIds, i + 1, $"the id '{id}' stands twice");
        }
    }

    private static void CheckProse(NotebookDocument document, Action<LintRule, int, string> find)
    {
        if (document.Cells.Count == 0 || document.Cells[0].Type != "markdown" || !document.Cells[0].Source.TrimStart().StartsWith("# ", StringComparison.Ordinal))
            find(LintRule.Title, Math.Min(document.Cells.Count, 1), "the first cell must be prose that starts with the title (# …)");
        var headings = document.Cells.Where(c => c.Type == "markdown").SelectMany(c => Heading().Matches(c.Source)).Select(m => m.Groups[1].Value.Trim()).ToList();
        foreach (var section in RequiredSections)
            if (!headings.Any(h => Section().Replace(h, "").StartsWith(section, StringComparison.OrdinalIgnoreCase))) find(LintRule.Sections, 0, $"the section '{section}' is missing");
    }

    private static void CheckCode(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var number = 0;
        var (picture, any) = (false, false);
        for (var i = 0; i < document.Cells.Count; i++)
        {
            var cell = document.Cells[i];
            if (!cell.IsCode) continue;
            number++;
            if (number == 1 && cell.Source.TrimEnd('\n', '\r') != FirstCell) find(LintRule.FirstCodeCell, i + 1, $"the first code cell must be exactly {FirstCell}");
            if (cell.ExecutionCount is not { } count) find(LintRule.Executed, i + 1, "the cell was not run; run 'publish'");
            else if (count != number) find(LintRule.Executed, i + 1, $"the cell was run as number {count}, it stands at {number}; run 'publish'");
            var lines = cell.Source.TrimEnd().Split('\n').Length;
            if (lines > LineLimit) find(LintRule.LongCell, i + 1, $"the cell has {lines} lines, {LineLimit} are the most; move code into the library or split the cell");
            foreach (var output in cell.Outputs)
            {
                any = true;
                if (NotebookText.Join(output["output_type"]) == "error") find(LintRule.ErrorOutput, i + 1, $"the cell failed: {NotebookText.Join(output["ename"])}: {NotebookText.Join(output["evalue"]).Split('\n')[0]}");
                picture |= output["data"] is JsonObject data && new[] { "image/png", "image/svg+xml" }.Any(t => NotebookText.Join(data[t]).Length > 0);
            }
        }
        if (number == 0) find(LintRule.FirstCodeCell, 0, $"there is no code cell; the first must be exactly {FirstCell}");
        if (!any) find(LintRule.StaticPicture, 0, "no cell has an output; run 'publish'");
        else if (!picture) find(LintRule.StaticPicture, 0, "no output is a PNG or SVG picture, so GitHub shows none");
    }

    private void CheckPrivacy(NotebookDocument document, Action<LintRule, int, string> find)
    {
        for (var i = 0; i < document.Cells.Count; i++)
        {
            var cell = document.Cells[i];
            var outputs = string.Join('\n', cell.Outputs.SelectMany(Texts));
            var everything = EmbeddedData().Replace(cell.Source + "\n" + outputs, "");
            outputs = EmbeddedData().Replace(outputs, "");
            if (everything.Contains("probeAddresses", StringComparison.Ordinal)) find(LintRule.NetworkAddress, i + 1, "the cell holds a script that lists network addresses (probeAddresses)");
            if (Address().Match(outputs) is { Success: true } address) find(LintRule.NetworkAddress, i + 1, $"an output names the network address {address.Value.Trim()}");
            if (MachinePath().Match(everything) is { Success: true } path) find(LintRule.AbsolutePath, i + 1, $"the cell names a path of one machine: {Around(everything, path)}");
            else if (root is not null && everything.Contains(root, StringComparison.Ordinal)) find(LintRule.AbsolutePath, i + 1, "the cell names the repository's place on this machine");
            foreach (var name in machineNames)
                if (Regex.IsMatch(outputs, $@"(?<!\w){Regex.Escape(name)}(?!\w)", RegexOptions.IgnoreCase)) find(LintRule.UserName, i + 1, $"an output names the user or machine '{name}'");
        }
    }

    // Every text of an output but pictures, whose base64 holds any three letters sooner or later.
    private static IEnumerable<string> Texts(JsonObject output)
    {
        foreach (var key in new[] { "text", "ename", "evalue", "traceback" })
            if (output[key] is { } node) yield return NotebookText.Join(node);
        if (output["data"] is not JsonObject data) yield break;
        foreach (var (type, value) in data)
            if (!MimeTypes.IsBinary(type) && value is not null) yield return MimeTypes.IsJson(type) ? value.ToJsonString(Readable) : NotebookText.Join(value);
    }

    private static readonly System.Text.Json.JsonSerializerOptions Readable = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static string Around(string text, Match match)
    {
        var line = text[match.Index..Math.Min(text.Length, match.Index + 60)].Split('\n')[0];
        return line.Split('"', '\'', ' ', '<')[0];
    }

    [GeneratedRegex("^[A-Za-z0-9_-]{1,64}$", RegexOptions.CultureInvariant)]
    private static partial Regex CellId();

    [GeneratedRegex(@"^#{1,6}[ \t]+(.+?)[ \t#]*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^[\W\d_]+", RegexOptions.CultureInvariant)]
    private static partial Regex Section();

    [GeneratedRegex(@"data:[a-z]+/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=\s]*", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex EmbeddedData();

    // With a scheme any address counts; bare, only private ones of a host, since 1.2.3.4 or 10.1.0.0 may as well be a version.
    [GeneratedRegex(@"(?:https?|wss?|tcp)://(?:\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:]+\])(?::\d+)?|(?<![\w.=])(?:10(?:\.\d{1,3}){2}|192\.168\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])\.\d{1,3})\.(?!0\b)\d{1,3}(?!\w|\.\d)|\bfe80::[0-9a-f:]+", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Address();

    [GeneratedRegex(@"(?<![\w.~*-])/(?:home|Users|root|work)(?:/[\w.]|(?![\w/-]))|\b[A-Za-z]:\\{1,2}Users\\|\b[A-Za-z]:/Users/", RegexOptions.CultureInvariant)]
    private static partial Regex MachinePath();
}
