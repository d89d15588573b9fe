using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner.Linting;

/// <summary>Checks a notebook against the rules for what is committed.</summary>
public sealed partial class NotebookLinter
{
    /// <summary>A notebook's file must be smaller than this many bytes.</summary>
    public const int SizeLimit = 2_000_000;

    /// <summary>A code cell has at most this many lines.</summary>
    public const int LineLimit = 25;

    /// <summary>The most characters of a line of code.</summary>
    public const int ColumnLimit = 100;

    /// <summary>What the first code cell must be, to the letter.</summary>
    public const string FirstCell = "#!import \"lab.dib\"";

    /// <summary>The headings that every notebook has, each alone or followed by more words.</summary>
    public static readonly IReadOnlyList<string> RequiredSections =
    [
        "What you will learn",
        "Summary",
        "Exercises",
        "References",
    ];

    // A name like these is everyone's, and a word of the language besides.
    private static readonly HashSet<string> CommonNames = new(StringComparer.OrdinalIgnoreCase)
    {
        "root",
        "user",
        "users",
        "admin",
        "administrator",
        "runner",
        "ubuntu",
        "debian",
        "vscode",
        "node",
        "home",
        "work",
        "build",
        "test",
        "guest",
        "localhost",
        "default",
        "model",
        "data",
    };
    private readonly IReadOnlyList<string> machineNames;
    private readonly string? root;

    /// <summary>Prepares the rules.</summary>
    /// <param name="root">The repository, whose absolute path must not appear; null where there is none.</param>
    /// <param name="machineNames">Names that must not appear in outputs; by default the user's and the machine's,
    /// unless they are everyday words.</param>
    public NotebookLinter(string? root = null, IReadOnlyList<string>? machineNames = null)
    {
        this.root = root is { Length: > 1 } ? Path.TrimEndingDirectorySeparator(root) : null;
        this.machineNames = (machineNames ?? [Environment.UserName, Environment.MachineName])
            .Where(n => n.Length > 3 && !CommonNames.Contains(n))
            .ToList();
    }

    /// <summary>Checks a file.</summary>
    public IReadOnlyList<LintFinding> Check(NotebookFile notebook)
    {
        ArgumentNullException.ThrowIfNull(notebook);
        try
        {
            return Check(notebook.Stem, File.ReadAllText(notebook.File));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [new LintFinding(notebook.Stem, LintRule.Format, 0, $"the file cannot be read: {e.Message}")];
        }
    }

    /// <summary>Checks a notebook's text.</summary>
    /// <param name="name">The name to report it by.</param>
    /// <param name="json">The content of the file.</param>
    public IReadOnlyList<LintFinding> Check(string name, string json)
    {
        ArgumentNullException.ThrowIfNull(json);
        NotebookDocument document;
        try
        {
            document = NotebookDocument.Parse(json);
        }
        catch (FormatException e)
        {
            return [new LintFinding(name, LintRule.Format, 0, e.Message)];
        }

        var findings = new List<LintFinding>();
        void Find(LintRule rule, int cell, string message) => findings.Add(new LintFinding(name, rule, cell, message));
        CheckFile(json, document, Find);
        CheckTitle(document, Find);
        CheckSections(document, Find);
        CheckHashes(document, $"run 'publish {name.Split('-')[0]}'", Find);
        CheckFirstCell(document, FirstCell, Find);
        CheckOutputs(document, Find);
        CheckAltText(document, Find);
        CheckPrivacy(document, Find);
        return findings;
    }

    /// <summary>
    /// Checks a committed notebook that is generated: it is what its source generates. The rules about outputs and
    /// sections do not apply, since students run it; the others do.
    /// </summary>
    /// <param name="name">The notebook's name for the findings, e.g. <c>exercises/03-memorization</c>.</param>
    /// <param name="document">What its source generates.</param>
    /// <param name="firstCell">What its first code cell must be, to the letter.</param>
    /// <param name="committed">The content of the committed file, or null where there is none.</param>
    public IReadOnlyList<LintFinding> CheckGenerated(
        string name,
        NotebookDocument document,
        string firstCell,
        string? committed
    )
    {
        ArgumentNullException.ThrowIfNull(document);
        var findings = new List<LintFinding>();
        void Find(LintRule rule, int cell, string message) => findings.Add(new LintFinding(name, rule, cell, message));
        var json = document.ToJson();
        if (committed is null)
            Find(LintRule.Generated, 0, "the notebook is missing; run 'exercises build'");
        else if (committed != json)
            Find(
                LintRule.Generated,
                0,
                "the notebook is not what its source generates; change the source, then run 'exercises build'"
            );
        CheckFile(json, document, Find);
        CheckTitle(document, Find);
        CheckFirstCell(document, firstCell, Find);
        CheckPrivacy(document, Find);
        return findings;
    }

    private static void CheckFile(string json, NotebookDocument document, Action<LintRule, int, string> find)
    {
        if (!NotebookDocument.IsInt(document.Json["nbformat_minor"], out var minor) || minor != 5)
            find(
                LintRule.Format,
                0,
                $"nbformat_minor must be 5, was {document.Json["nbformat_minor"]?.ToJsonString() ?? "missing"}"
            );
        var size = System.Text.Encoding.UTF8.GetByteCount(json);
        if (size >= SizeLimit)
            find(
                LintRule.Size,
                0,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"the file has {size / 1e6:0.0} MB, it must be smaller than {SizeLimit / 1e6:0} MB; "
                        + $"show fewer or smaller pictures"
                )
            );
        CheckMetadata(document, find);
        CheckIds(document, find);
        CheckLength(document, find);
    }

    private static void CheckMetadata(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var expected = NotebookDocument.Parse("{\"cells\":[],\"nbformat\":4,\"nbformat_minor\":5,\"metadata\":{}}");
        expected.SetCanonicalMetadata();
        foreach (var (key, value) in expected.Metadata)
            if (!JsonNode.DeepEquals(document.Metadata[key], value))
                find(
                    LintRule.Metadata,
                    0,
                    $"metadata.{key} must be {value!.ToJsonString()}, was "
                        + $"{document.Metadata[key]?.ToJsonString() ?? "missing"}"
                );
        foreach (var (key, _) in document.Metadata)
            if (key is not ("kernelspec" or "language_info" or "balanced_diffusion"))
                find(LintRule.Metadata, 0, $"metadata.{key} must go; some clients do not open a notebook that has it");
    }

    private static void CheckHashes(NotebookDocument document, string publish, Action<LintRule, int, string> find)
    {
        if (document.StoredSourcesHash is not { } sources)
            find(LintRule.SourcesHash, 0, $"no hash of the sources is stored with the outputs; {publish}");
        else if (sources != document.SourcesHash)
        {
            find(
                LintRule.SourcesHash,
                0,
                $"the outputs are not those of these sources, which were changed after the run; {publish}"
            );
            return;
        }
        if (document.StoredOutputsHash is not { } outputs)
            find(LintRule.OutputsHash, 0, $"no hash of the outputs is stored with them; {publish}");
        else if (outputs != document.OutputsHash)
            find(LintRule.OutputsHash, 0, $"the outputs are not those that the run of these sources wrote; {publish}");
    }

    private static void CheckIds(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < document.Cells.Count; i++)
        {
            if (document.Cells[i].Id is not { } id)
                find(LintRule.CellIds, i + 1, "the cell has no id");
            else if (!CellId().IsMatch(id))
                find(LintRule.CellIds, i + 1, $"the id '{id}' must be 1 to 64 letters, digits, hyphens or underscores");
            else if (!seen.Add(id))
                find(LintRule.CellIds, i + 1, $"the id '{id}' stands twice");
        }
    }

    private static void CheckTitle(NotebookDocument document, Action<LintRule, int, string> find)
    {
        if (
            document.Cells.Count == 0
            || document.Cells[0].Type != "markdown"
            || !document.Cells[0].Source.TrimStart().StartsWith("# ", StringComparison.Ordinal)
        )
            find(
                LintRule.Title,
                Math.Min(document.Cells.Count, 1),
                "the first cell must be prose that starts with the title (# …)"
            );
    }

    private static void CheckSections(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var headings = document
            .Cells.Where(c => c.Type == "markdown")
            .SelectMany(c => Heading().Matches(c.Source))
            .Select(m => m.Groups[1].Value.Trim())
            .ToList();
        foreach (var section in RequiredSections)
            if (!headings.Any(h => Section().Replace(h, "").StartsWith(section, StringComparison.OrdinalIgnoreCase)))
                find(LintRule.Sections, 0, $"the section '{section}' is missing");
    }

    private static void CheckLength(NotebookDocument document, Action<LintRule, int, string> find)
    {
        for (var i = 0; i < document.Cells.Count; i++)
        {
            if (!document.Cells[i].IsCode)
                continue;
            var lines = document.Cells[i].Source.TrimEnd().Split('\n');
            if (lines.Length > LineLimit)
                find(
                    LintRule.LongCell,
                    i + 1,
                    $"the cell has {lines.Length} lines, {LineLimit} are the most; move code into the library or "
                        + "split the cell"
                );
            var wide = Array.FindIndex(lines, line => line.TrimEnd('\r').Length > ColumnLimit);
            if (wide >= 0)
                find(
                    LintRule.LongLine,
                    i + 1,
                    $"line {wide + 1} has {lines[wide].TrimEnd('\r').Length} characters, {ColumnLimit} are the most; "
                        + "break it after a comma or an operator"
                );
        }
    }

    private static void CheckFirstCell(NotebookDocument document, string expected, Action<LintRule, int, string> find)
    {
        var first = Enumerable.Range(0, document.Cells.Count).FirstOrDefault(i => document.Cells[i].IsCode, -1);
        if (first < 0)
            find(LintRule.FirstCodeCell, 0, $"there is no code cell; the first must be exactly {expected}");
        else if (document.Cells[first].Source.TrimEnd('\n', '\r') != expected)
            find(LintRule.FirstCodeCell, first + 1, $"the first code cell must be exactly {expected}");
    }

    private static void CheckOutputs(NotebookDocument document, Action<LintRule, int, string> find)
    {
        var number = 0;
        var (picture, any) = (false, false);
        for (var i = 0; i < document.Cells.Count; i++)
        {
            var cell = document.Cells[i];
            if (!cell.IsCode)
                continue;
            number++;
            if (cell.ExecutionCount is not { } count)
                find(LintRule.Executed, i + 1, "the cell was not run; run 'publish'");
            else if (count != number)
                find(
                    LintRule.Executed,
                    i + 1,
                    $"the cell was run as number {count}, it stands at {number}; run 'publish'"
                );
            foreach (var output in cell.Outputs)
            {
                any = true;
                if (NotebookText.Join(output["output_type"]) == "error")
                    find(
                        LintRule.ErrorOutput,
                        i + 1,
                        $"the cell failed: {NotebookText.Join(output["ename"])}: "
                            + $"{NotebookText.Join(output["evalue"]).Split('\n')[0]}"
                    );
                picture |=
                    output["data"] is JsonObject data
                    && new[] { "image/png", "image/svg+xml" }.Any(t => NotebookText.Join(data[t]).Length > 0);
            }
        }
        if (!any)
            find(LintRule.StaticPicture, 0, "no cell has an output; run 'publish'");
        else if (!picture)
            find(LintRule.StaticPicture, 0, "no output is a PNG or SVG picture, so GitHub shows none");
    }

    private static void CheckAltText(NotebookDocument document, Action<LintRule, int, string> find)
    {
        for (var i = 0; i < document.Cells.Count; i++)
        {
            var cell = document.Cells[i];
            var pages =
                cell.Type == "markdown"
                    ? cell.Source
                    : string.Concat(
                        cell.Outputs.Select(output =>
                            output["data"] is JsonObject data ? NotebookText.Join(data["text/html"]) : ""
                        )
                    );
            if (PictureWithoutAlt().Match(EmbeddedData().Replace(pages, "")) is { Success: true } picture)
                find(
                    LintRule.AltText,
                    i + 1,
                    $"a picture in HTML has no alt text ({picture.Value.Split('\n')[0]}); say in alt=\"…\" "
                        + "what it shows"
                );
            if (cell.Type == "markdown" && BlankMarkdownPicture().IsMatch(cell.Source))
                find(LintRule.AltText, i + 1, "a picture in the prose has no alt text; write ![what it shows](…)");
            foreach (var output in cell.Outputs)
            foreach (
                var type in output["data"] is JsonObject data
                    ? data.Select(form => form.Key).Where(PictureText.IsPicture)
                    : []
            )
                if (PictureText.Of(output, type) is null)
                    find(
                        LintRule.AltText,
                        i + 1,
                        $"the output {type} has no alt text in its metadata; show it by Figure, ImageGrid or "
                            + "StrengthControl, which write one, and publish"
                    );
        }
    }

    private void CheckPrivacy(NotebookDocument document, Action<LintRule, int, string> find)
    {
        for (var i = 0; i < document.Cells.Count; i++)
        {
            var cell = document.Cells[i];
            var outputs = string.Join('\n', cell.Outputs.SelectMany(Texts));
            var everything = EmbeddedData().Replace(cell.Source + "\n" + outputs, "");
            outputs = EmbeddedData().Replace(outputs, "");
            if (everything.Contains("probeAddresses", StringComparison.Ordinal))
                find(
                    LintRule.NetworkAddress,
                    i + 1,
                    "the cell holds a script that lists network addresses (probeAddresses)"
                );
            if (Address().Match(outputs) is { Success: true } address)
                find(LintRule.NetworkAddress, i + 1, $"an output names the network address {address.Value.Trim()}");
            if (MachinePath().Match(everything) is { Success: true } path)
                find(LintRule.AbsolutePath, i + 1, $"the cell names a path of one machine: {Around(everything, path)}");
            else if (root is not null && everything.Contains(root, StringComparison.Ordinal))
                find(LintRule.AbsolutePath, i + 1, "the cell names the repository's place on this machine");
            foreach (var name in machineNames)
                if (Regex.IsMatch(outputs, $@"(?<!\w){Regex.Escape(name)}(?!\w)", RegexOptions.IgnoreCase))
                    find(LintRule.UserName, i + 1, $"an output names the user or machine '{name}'");
        }
    }

    // Every text of an output but pictures, whose base64 holds any three letters sooner or later.
    private static IEnumerable<string> Texts(JsonObject output)
    {
        foreach (var key in new[] { "text", "ename", "evalue", "traceback" })
            if (output[key] is { } node)
                yield return NotebookText.Join(node);
        if (output["data"] is not JsonObject data)
            yield break;
        foreach (var (type, value) in data)
            if (!MimeTypes.IsBinary(type) && value is not null)
                yield return MimeTypes.IsJson(type) ? value.ToJsonString(Readable) : NotebookText.Join(value);
    }

    private static readonly System.Text.Json.JsonSerializerOptions Readable = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

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

    [GeneratedRegex(
        @"data:[a-z]+/[a-z0-9.+-]+;base64,[A-Za-z0-9+/=\s]*",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex EmbeddedData();

    private const string QuotedWords = """(?:"[^"]*\S[^"]*"|'[^']*\S[^']*')""";

    [GeneratedRegex(
        @"<img\b(?![^>]*\balt\s*=\s*" + QuotedWords + ")[^>]*>",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex PictureWithoutAlt();

    [GeneratedRegex(@"!\[\s*\]\(", RegexOptions.CultureInvariant)]
    private static partial Regex BlankMarkdownPicture();

    private const string IPv4 = @"\d{1,3}(?:\.\d{1,3}){3}";
    private const string BracketedIPv6 = @"\[[0-9a-f:]+\]";
    private const string AddressWithScheme = "(?:https?|wss?|tcp)://(?:" + IPv4 + "|" + BracketedIPv6 + @")(?::\d+)?";
    private const string PrivateNetwork = @"10(?:\.\d{1,3}){2}|192\.168\.\d{1,3}|172\.(?:1[6-9]|2\d|3[01])\.\d{1,3}";
    private const string PrivateHost = @"(?<![\w.=])(?:" + PrivateNetwork + @")\.(?!0\b)\d{1,3}(?!\w|\.\d)";
    private const string LinkLocalIPv6 = @"\bfe80::[0-9a-f:]+";

    // With a scheme any address counts; bare, only private ones of a host, since 1.2.3.4 or 10.1.0.0 may as well be a
    // version.
    [GeneratedRegex(
        AddressWithScheme + "|" + PrivateHost + "|" + LinkLocalIPv6,
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex Address();

    private const string UnixFolder = @"(?<![\w.~*-])/(?:home|Users|root|work)(?:/[\w.]|(?![\w/-]))";
    private const string WindowsFolder = @"\b[A-Za-z]:\\{1,2}Users\\|\b[A-Za-z]:/Users/";

    [GeneratedRegex(UnixFolder + "|" + WindowsFolder, RegexOptions.CultureInvariant)]
    private static partial Regex MachinePath();
}
