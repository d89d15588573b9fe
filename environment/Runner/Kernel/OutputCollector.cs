using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>
/// Turns the kernel's events into nbformat outputs, cell by cell: order kept, updated displays replaced where they
/// stand, streams merged, JSON as JSON, nothing of this machine left in.
/// </summary>
/// <param name="scrubber">Makes paths relative.</param>
public sealed partial class OutputCollector(OutputScrubber scrubber)
{
    /// <summary>The most characters kept of one stream output; a cell that prints without end must not eat the
    /// memory.</summary>
    public const int StreamLimit = 1_000_000;

    private readonly Dictionary<string, List<Entry>> cells = [];
    private readonly Dictionary<string, Display> displays = [];

    /// <summary>Whether anything was shown so far.</summary>
    public bool HasOutputs => cells.Values.Any(entries => entries.Count > 0);

    /// <summary>Takes an event in; what is no output is ignored.</summary>
    public void Add(KernelEvent e)
    {
        ArgumentNullException.ThrowIfNull(e);
        var cell = Cell(e.CommandToken);
        switch (e.Type)
        {
            case "StandardOutputValueProduced":
                AddStream(cell, "stdout", e);
                break;
            case "StandardErrorValueProduced":
                AddStream(cell, "stderr", e);
                break;
            case "DisplayedValueProduced" or "ReturnValueProduced":
                AddDisplay(cell, e, isResult: e.Type == "ReturnValueProduced");
                break;
            case "DisplayedValueUpdated":
                if (e.Text("valueId") is { Length: > 0 } id && displays.TryGetValue(id, out var shown))
                    shown.Values = Values(e);
                else
                    AddDisplay(cell, e, isResult: false);
                break;
        }
    }

    /// <summary>Adds the error that ended a cell.</summary>
    public void AddError(string token, CellError error)
    {
        ArgumentNullException.ThrowIfNull(error);
        Cell(token).Add(new Fault(error));
    }

    /// <summary>The outputs of a cell as nbformat wants them.</summary>
    public JsonArray Outputs(string token, int executionCount)
    {
        var outputs = new JsonArray();
        foreach (var entry in Cell(token))
        {
            switch (entry)
            {
                case Stream s:
                    outputs.Add(
                        new JsonObject
                        {
                            ["name"] = s.Name,
                            ["output_type"] = "stream",
                            ["text"] = NotebookText.Split(
                                scrubber.Scrub(OutputScrubber.WithoutColours(s.Text.ToString()))
                            ),
                        }
                    );
                    break;
                case Display d when Bundle(d.Values) is { Count: > 0 } data:
                    var output = new JsonObject { ["data"] = data };
                    if (d.IsResult)
                        output["execution_count"] = executionCount;
                    output["metadata"] = PictureText.Metadata(data);
                    output["output_type"] = d.IsResult ? "execute_result" : "display_data";
                    outputs.Add(output);
                    break;
                case Fault f:
                    outputs.Add(
                        new JsonObject
                        {
                            ["ename"] = f.Error.Name,
                            ["evalue"] = scrubber.Scrub(f.Error.Message),
                            ["output_type"] = "error",
                            ["traceback"] = new JsonArray(
                                f.Error.Traceback.Select(l => (JsonNode)JsonValue.Create(scrubber.Scrub(l))!).ToArray()
                            ),
                        }
                    );
                    break;
            }
        }
        return outputs;
    }

    private List<Entry> Cell(string token)
    {
        if (!cells.TryGetValue(token, out var list))
            cells[token] = list = [];
        return list;
    }

    private static void AddStream(List<Entry> cell, string name, KernelEvent e)
    {
        var text = string.Concat(e.FormattedValues().Select(v => v.Value)).Replace("\r\n", "\n");
        if (text.Length == 0)
            return;
        if (cell.LastOrDefault() is not Stream last || last.Name != name)
            cell.Add(last = new Stream(name));
        if (last.IsFull)
            return;
        if (last.Text.Length + text.Length > StreamLimit)
        {
            var cut = StreamLimit - last.Text.Length;
            if (cut > 0 && char.IsHighSurrogate(text[cut - 1]))
                cut--;
            last.Text.Append(text, 0, Math.Max(cut, 0))
                .Append($"\n[more than {StreamLimit:N0} characters; the rest was left out]\n");
            last.IsFull = true;
            return;
        }
        last.Text.Append(text);
    }

    private void AddDisplay(List<Entry> cell, KernelEvent e, bool isResult)
    {
        var values = Values(e);
        if (values.Count == 0)
            return;
        var display = new Display(isResult) { Values = values };
        cell.Add(display);
        if (e.Text("valueId") is { Length: > 0 } id)
            displays[id] = display;
    }

    // In its first cell the kernel may show a script that lists the machine's network addresses.
    private static List<(string MimeType, string Value)> Values(KernelEvent e) =>
        e.FormattedValues().Where(v => !v.Value.Contains("probeAddresses", StringComparison.Ordinal)).ToList();

    private JsonObject Bundle(List<(string MimeType, string Value)> values)
    {
        var data = new JsonObject();
        foreach (var (type, raw) in values)
        {
            var value = raw;
            if (MimeTypes.IsBinary(type))
                data[type] = value.Trim();
            else if (MimeTypes.IsJson(type))
                data[type] = AsJson(scrubber.Scrub(value));
            else
            {
                value = scrubber.Scrub(value.Replace("\r\n", "\n"));
                if (type == "text/plain")
                    value = OutputScrubber.WithoutColours(value);
                if (type == "text/html" && PlainResult().Match(value) is { Success: true } plain)
                {
                    // A number or a text: its HTML is a page of style around it. Keep the value, and say it in plain
                    // text too.
                    value = $"<div class=\"dni-plaintext\"><pre>{plain.Groups[1].Value}</pre></div>";
                    if (values.All(v => v.MimeType != "text/plain"))
                        data["text/plain"] = NotebookText.Split(WebUtility.HtmlDecode(plain.Groups[1].Value));
                }
                data[type] = NotebookText.Split(value);
            }
        }
        // nbformat sorts keys; a fixed order keeps differences between two runs small.
        return new JsonObject(
            data.OrderBy(p => p.Key, StringComparer.Ordinal)
                .Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone()))
        );
    }

    private static JsonNode? AsJson(string text)
    {
        try
        {
            return JsonNode.Parse(text, documentOptions: new JsonDocumentOptions { MaxDepth = 256 });
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    [GeneratedRegex(
        @"^\s*<div class=""dni-plaintext""><pre>([^<]*)</pre></div>\s*(?:<style>[^<]*</style>)?\s*$",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex PlainResult();

    private abstract class Entry;

    private sealed class Stream(string name) : Entry
    {
        public string Name { get; } = name;
        public StringBuilder Text { get; } = new();
        public bool IsFull { get; set; }
    }

    private sealed class Display(bool isResult) : Entry
    {
        public bool IsResult { get; } = isResult;
        public List<(string MimeType, string Value)> Values { get; set; } = [];
    }

    private sealed class Fault(CellError error) : Entry
    {
        public CellError Error { get; } = error;
    }
}
