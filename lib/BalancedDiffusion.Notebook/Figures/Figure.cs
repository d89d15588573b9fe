using System.Globalization;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;
using Plotly.NET;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// Shows charts in one style: as Plotly's own format, which editors draw and let the reader turn and zoom
/// without the web, and as a still PNG for everything else. Plotly's HTML is never emitted: it fetches scripts from the
/// web and hides the rest.
/// </summary>
public static class Figure
{
    /// <summary>The width of a still picture before it is enlarged, pixels.</summary>
    public const int Width = 820;

    private const int MostJson = 400_000,
        MostPng = 150_000;
    private static bool saidNoBrowser;

    /// <summary>Shows a chart.</summary>
    /// <param name="chart">A chart from <see cref="Plot"/> or from Plotly.NET.</param>
    /// <param name="id">The figure's name, e.g. <c>3.2</c>.</param>
    /// <param name="title">What is shown, one line; drawn above.</param>
    /// <param name="takeaway">One sentence that says what to see; the caption below.</param>
    /// <param name="xTitle">The horizontal axis's title with its unit, where the chart has none yet.</param>
    /// <param name="yTitle">The vertical axis's title with its unit, where the chart has none yet.</param>
    /// <param name="height">The height in pixels, 200 to 1600; 0 chooses.</param>
    /// <exception cref="ArgumentException">The id, title or takeaway is empty, or an axis has no title.</exception>
    public static void Show(
        GenericChart chart,
        string id,
        string title,
        string takeaway,
        string? xTitle = null,
        string? yTitle = null,
        int height = 0
    )
    {
        ArgumentNullException.ThrowIfNull(chart);
        if (height is not 0 and (< 200 or > 1600))
            throw new ArgumentException(
                $"height must be 200 to 1600 pixels, or 0 to have it chosen, was {height}",
                nameof(height)
            );
        var (json, pixels, alt) = Prepare(chart, id, title, takeaway, xTitle, yTitle, height);
        var forms = new List<(string, string)>();
        if (json.Length <= MostJson)
            forms.Add(("application/vnd.plotly.v1+json", json));
        if (StaticPng(json, pixels) is { } png)
            forms.Add(("image/png", png));
        forms.Add(("text/plain", $"[Figure {id}: {title}]\n{alt}"));
        Output.Show([.. forms]);
        Caption(id, takeaway);
    }

    internal static void Begin() => saidNoBrowser = false;

    internal static void RequireWords(string id, string title, string takeaway)
    {
        if (string.IsNullOrWhiteSpace(id))
            throw new ArgumentException("a figure needs an id such as '3.2', was empty", nameof(id));
        if (string.IsNullOrWhiteSpace(title))
            throw new ArgumentException($"figure {id} needs a title that says what is shown, was empty", nameof(title));
        if (string.IsNullOrWhiteSpace(takeaway))
            throw new ArgumentException(
                $"figure {id} needs a takeaway, one sentence that says what to see, was empty",
                nameof(takeaway)
            );
    }

    internal static void Caption(string id, string takeaway) =>
        Output.Show(
            ("text/markdown", $"**Figure {id}.** {takeaway.Trim()}"),
            ("text/plain", $"Figure {id}. {takeaway.Trim()}")
        );

    internal static JObject Parse(GenericChart chart) => JObject.Parse(GenericChart.toFigureJson(chart));

    /// <summary>The figure's JSON in this style, its height, and the words that stand for it, which the JSON
    /// holds too.</summary>
    internal static (string Json, int Height, string Alt) Prepare(
        GenericChart chart,
        string id,
        string title,
        string takeaway,
        string? xTitle = null,
        string? yTitle = null,
        int height = 0
    )
    {
        RequireWords(id, title, takeaway);
        var figure = Parse(chart);
        var data = (JArray)figure["data"]!;
        var layout = figure["layout"] as JObject ?? [];
        foreach (var trace in data.Cast<JObject>().Where(IsCartesian))
        {
            Demand(layout, "xaxis", (string?)trace["xaxis"] ?? "x", xTitle, id);
            Demand(layout, "yaxis", (string?)trace["yaxis"] ?? "y", yTitle, id);
        }
        var rows = (int?)layout["meta"]?["rows"] ?? 1;
        var hasLegend = data.Cast<JObject>().Any(trace => (bool?)trace["showlegend"] ?? data.Count > 1);
        if (height == 0)
            height = (rows == 1 ? 400 : 110 + 290 * rows) + (hasLegend ? 30 : 0);
        var plotHeight = height - 52 - 62 - (hasLegend ? 40 : 0);
        layout["template"] = DefaultTemplate();
        layout["title"] = new JObject
        {
            ["text"] = title,
            ["x"] = 0,
            ["xref"] = "container",
            ["xanchor"] = "left",
            ["y"] = 1,
            ["yref"] = "container",
            ["yanchor"] = "top",
            ["pad"] = new JObject { ["t"] = 14, ["l"] = 12 },
        };
        layout["height"] = height;
        layout.Remove("width");
        layout["showlegend"] = hasLegend;
        layout["legend"] = new JObject
        {
            ["orientation"] = "h",
            ["x"] = 0,
            ["xanchor"] = "left",
            ["y"] = Math.Round(-58.0 / plotHeight, 3),
            ["yanchor"] = "top",
            ["tracegroupgap"] = 0,
        };
        layout["margin"] = new JObject
        {
            ["t"] = rows > 1 || layout["annotations"] is JArray { Count: > 0 } ? 72 : 52,
            ["l"] = 84,
            ["r"] = 24,
            ["b"] = 62,
        };
        var alt = AltText.OfChart(figure, title, takeaway);
        if (LeftOut.Of(data) is { } note)
        {
            LeftOut.Write(layout, note);
            alt += $" {note}.";
        }
        layout["meta"] = new JObject { ["alt"] = alt };
        var clean = new JObject
        {
            ["data"] = Round(data),
            ["layout"] = Round(layout),
            ["config"] = new JObject { ["displaylogo"] = false, ["responsive"] = true },
        };
        return (clean.ToString(Formatting.None), height, alt);
    }

    private static bool IsCartesian(JObject trace) =>
        (string?)trace["type"]
            is null
                or "scatter"
                or "scattergl"
                or "bar"
                or "heatmap"
                or "histogram"
                or "histogram2d"
                or "box"
                or "violin"
                or "contour"
                or "waterfall";

    private static void Demand(JObject layout, string kind, string name, string? given, string id)
    {
        var key = kind + name[1..];
        var axis = layout[key] as JObject ?? (JObject)(layout[key] = new JObject());
        var text = axis["title"] is JObject title ? (string?)title["text"] : axis["title"]?.ToString();
        if (string.IsNullOrWhiteSpace(text))
            text = given;
        if (string.IsNullOrWhiteSpace(text))
            throw new ArgumentException(
                $"figure {id} has no title on its {key[0]} axis; pass {key[0]}Title with what it shows and the unit"
            );
        axis["title"] = new JObject { ["text"] = text };
    }

    // Five significant digits are more than a screen shows, and a fifth of the bytes.
    private static JToken Round(JToken token)
    {
        foreach (
            var value in token
                .SelectTokens("$..*")
                .OfType<JValue>()
                .Where(value => value.Type == JTokenType.Float)
                .ToList()
        )
        {
            var number = (double)value;
            value.Value = double.IsFinite(number)
                ? double.Parse(number.ToString("G5", CultureInfo.InvariantCulture), CultureInfo.InvariantCulture)
                : null;
        }
        return token;
    }

    private static string? StaticPng(string json, int height)
    {
        string? png = null;
        // A picture that packs badly, such as a cloud of points, is drawn smaller rather than left out.
        foreach (var scale in new[] { 2.0, 1.5, 1.0 })
        {
            var (drawn, trouble) = StaticChartRenderer.Render(json, Width, height, scale);
            if (drawn is null)
            {
                if (!saidNoBrowser && trouble is not null)
                    Output.Say(trouble);
                saidNoBrowser = true;
                return null;
            }
            png = drawn;
            if (png.Length * 3L / 4 <= MostPng)
                break;
        }
        return png;
    }

    private static JObject DefaultTemplate()
    {
        static JObject Axis() =>
            new()
            {
                ["showline"] = true,
                ["linecolor"] = "#444444",
                ["linewidth"] = 1,
                ["ticks"] = "outside",
                ["tickcolor"] = "#444444",
                ["ticklen"] = 5,
                ["gridcolor"] = "#E6E6E6",
                ["zeroline"] = false,
                ["automargin"] = true,
                ["title"] = new JObject
                {
                    ["standoff"] = 8,
                    ["font"] = new JObject { ["size"] = 15 },
                },
                ["tickfont"] = new JObject { ["size"] = 13 },
            };
        return new JObject
        {
            ["layout"] = new JObject
            {
                ["font"] = new JObject
                {
                    ["family"] = "Open Sans, DejaVu Sans, Verdana, Arial, sans-serif",
                    ["size"] = 14,
                    ["color"] = "#222222",
                },
                ["title"] = new JObject { ["font"] = new JObject { ["size"] = 17 } },
                ["paper_bgcolor"] = "#FFFFFF",
                ["plot_bgcolor"] = "#FFFFFF",
                ["colorway"] = new JArray(Palette.Colours),
                ["xaxis"] = Axis(),
                ["yaxis"] = Axis(),
                ["legend"] = new JObject { ["font"] = new JObject { ["size"] = 13 } },
            },
        };
    }
}
