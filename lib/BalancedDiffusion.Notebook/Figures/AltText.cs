using System.Text.RegularExpressions;
using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// The words that stand for a picture where it is not seen: read aloud, on a page that blocks images, in a search. They
/// are the picture's plain text behind the first line, which VS Code takes for it, and a chart's
/// <c>layout.meta.alt</c>; the runner writes them into the metadata of a published output, where nbconvert looks.
/// </summary>
internal static partial class AltText
{
    private const int MostNames = 16;

    /// <summary>The words for a chart: its kind, title and takeaway, then axes and series of each of its panels; of a
    /// diagram, which has no series, what is written in it.</summary>
    /// <param name="figure">The figure as Plotly has it, its axes titled.</param>
    /// <param name="title">What is shown.</param>
    /// <param name="takeaway">What to see.</param>
    public static string OfChart(JObject figure, string title, string takeaway)
    {
        var layout = (JObject)figure["layout"]!;
        var panels = figure["data"]!
            .Cast<JObject>()
            .GroupBy(trace => (string?)trace["xaxis"] ?? "x")
            .Select(panel => (Kind: Kind([.. panel]), Words: Panel(layout, [.. panel])))
            .ToList();
        var annotations = (layout["annotations"] as JArray ?? []).Select(a => (string?)a["text"] ?? "").ToList();
        if (panels.Count == 0)
        {
            var words = annotations.Select(text => Plain(text.Replace("<br>", ", ", StringComparison.Ordinal)));
            return $"Diagram: {Sentence(title)} {Sentence(takeaway)} {string.Join("; ", words)}.";
        }
        if (panels.Count == 1)
            return $"{Capital(panels[0].Kind)}: {Sentence(title)} {Sentence(takeaway)} {panels[0].Words}";
        string Heading(int i) => i < annotations.Count ? Plain(annotations[i]) : $"Chart {i + 1}";
        var charts = panels.Select((panel, i) => $"{Heading(i)} ({panel.Kind}). {panel.Words}");
        return $"{panels.Count} charts: {Sentence(title)} {Sentence(takeaway)} {string.Join(" ", charts)}";
    }

    /// <summary>The words for a grid of images.</summary>
    /// <param name="count">How many images.</param>
    /// <param name="columns">Images in a row.</param>
    /// <param name="title">What is shown.</param>
    /// <param name="takeaway">What to see.</param>
    /// <param name="rowLabels">The labels of the rows, or null.</param>
    /// <param name="captions">The captions under the images, or null.</param>
    public static string OfImages(
        int count,
        int columns,
        string title,
        string takeaway,
        IReadOnlyList<string>? rowLabels = null,
        IReadOnlyList<string>? captions = null
    )
    {
        var rows = (count + columns - 1) / columns;
        var kind =
            count == 1 ? "One image"
            : rows == 1 ? $"Row of {count} images"
            : $"{count} images in {rows} rows of {columns}";
        var labels = rowLabels is null ? "" : $" Rows: {Names(rowLabels)}.";
        return $"{kind}: {Sentence(title)} "
            + $"{Sentence(takeaway)}{labels}{(captions is null ? "" : $" Captions: {Names(captions)}.")}";
    }

    private static string Panel(JObject layout, IReadOnlyList<JObject> traces)
    {
        var words = new List<string>();
        foreach (var axis in new[] { "xaxis", "yaxis" })
        {
            var name = axis + ((string?)traces[0][axis] ?? "x")[1..];
            if (layout[name] is not JObject own || (string?)own["title"]?["text"] is not { Length: > 0 } text)
                continue;
            words.Add(
                $"{char.ToUpperInvariant(axis[0])}: "
                    + $"{Plain(text)}{((string?)own["type"] == "log" ? " (logarithmic)" : "")}"
            );
        }
        if (traces[0]["z"] is JArray { Count: > 0 } z && z[0] is JArray cells)
            words.Add(
                $"{z.Count} rows by {cells.Count} columns. Colour: "
                    + $"{Plain((string?)traces[0]["colorbar"]?["title"]?["text"] ?? "value")}"
            );
        if (
            (string?)traces[0]["type"] == "bar"
            && traces[0]["x"] is JArray labels
            && labels.All(label => label.Type == JTokenType.String)
        )
            words.Add($"Places: {Names([.. labels.Select(label => (string)label!)])}");
        // A band goes by the name of its curve, and so does the white rim of a line over a heatmap.
        var series = traces.Where(trace => trace["fill"] is null && trace["z"] is null).ToList();
        var names = series.Select(trace => (string?)trace["name"]).OfType<string>().Distinct().ToList();
        if (names.Count > 0)
            words.Add($"{names.Count} {Thing(series)}{(names.Count == 1 ? "" : "s")}: {Names(names)}");
        return string.Join(" ", words.Select(Sentence));
    }

    private static string Kind(IReadOnlyList<JObject> traces) =>
        (string?)traces[0]["type"] switch
        {
            "bar" => traces[0]["width"] is null ? "bar chart" : "histogram",
            "heatmap" => "heatmap",
            null or "scatter" or "scattergl" => traces.Any(HasLine) ? "line chart" : "scatter plot",
            { } other => $"{other} chart",
        };

    private static string Thing(IReadOnlyList<JObject> traces) =>
        Kind(traces) switch
        {
            "bar chart" => "group",
            "histogram" => "sample",
            "scatter plot" => "set",
            _ => "curve",
        };

    private static bool HasLine(JObject trace) =>
        ((string?)trace["mode"])?.Contains("lines", StringComparison.Ordinal) ?? true;

    private static string Names(IReadOnlyList<string> names) =>
        string.Join("; ", names.Take(MostNames).Select(Plain))
        + (names.Count > MostNames ? $"; and {names.Count - MostNames} more" : "");

    private static string Sentence(string text) =>
        Plain(text) is var plain && plain.EndsWith('.') || plain.EndsWith('!') || plain.EndsWith('?')
            ? plain
            : plain + ".";

    private static string Capital(string text) => text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..];

    private static string Plain(string text) => Blanks().Replace(Markup().Replace(text, ""), " ").Trim();

    [GeneratedRegex(@"</?[A-Za-z][^>]*>|[`$]|\*\*", RegexOptions.CultureInvariant)]
    private static partial Regex Markup();

    [GeneratedRegex(@"\s+", RegexOptions.CultureInvariant)]
    private static partial Regex Blanks();
}
