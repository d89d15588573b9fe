using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Turns the outputs of a cell into HTML, each in its richest form that needs nothing from outside; scripts in
/// outputs are dropped.</summary>
/// <param name="page">The page; learns of figures and claims.</param>
/// <param name="render">Renders Markdown of the page.</param>
public sealed partial class OutputRenderer(NotebookPage page, Func<string, string> render)
{
    private const string Digits = @"[-+−]?(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?";
    private const string ChartType = "application/vnd.plotly.v1+json";
    private static readonly JsonSerializerOptions Compact = new()
    {
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private static readonly HtmlParser Parser = new();

    /// <summary>The outputs of a cell.</summary>
    /// <param name="cell">A code cell.</param>
    /// <param name="anchor">Its id in the page.</param>
    /// <exception cref="FormatException">An output cannot be read; the message says which.</exception>
    public string Render(NotebookCell cell, string anchor)
    {
        ArgumentNullException.ThrowIfNull(cell);
        var html = new List<string>();
        var claims = new List<ClaimOnPage>();
        var outputs = cell.Outputs.ToList();
        for (var i = 0; i < outputs.Count; i++)
        {
            var data = outputs[i]["data"] as JsonObject;
            var content = data is null ? null : Html(data);
            if (data?[Claim.MimeType] is { } record)
            {
                claims.Add(new ClaimOnPage(page.Source.Page, anchor, Claim.FromJson(record)));
                continue;
            }
            Flush();
            if (data is null)
                html.Add(Stream(outputs[i]));
            else if (data[Claim.TableMimeType] is JsonObject table)
                html.Add(
                    ClaimTable((table["claims"] as JsonArray ?? []).Select(c => Claim.FromJson(c)))
                        + $"<p class=\"sum\">{WebUtility.HtmlEncode(NotebookText.Join(table["sum"]))}</p>"
                );
            else if (
                FigureExtractor.Extract(outputs[i], page.Source.Name.Replace('/', '-'), page.Figures.Count + 1) is
                { } figure
            )
            {
                var caption =
                    i + 1 < outputs.Count && outputs[i + 1]["data"] is JsonObject next
                        ? NotebookText.Join(next["text/markdown"])
                        : "";
                var isCaption = caption.StartsWith("**Figure ", StringComparison.Ordinal);
                html.Add(Picture(figure, data, content, isCaption ? caption : ""));
                if (isCaption)
                    i++;
            }
            else
                html.Add(Other(data, content));
        }
        Flush();
        return string.Join('\n', html);

        void Flush()
        {
            if (claims.Count == 0)
                return;
            html.Add(ClaimTable(claims.Select(c => c.Claim)));
            page.Claims.AddRange(claims);
            foreach (var claim in claims)
                page.Sections.LastOrDefault()?.AddText(claim.Claim.StatementText + ".");
            claims.Clear();
        }
    }

    /// <summary>A table of claims.</summary>
    public static string ClaimTable(IEnumerable<Claim> claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        var rows = claims.Select(c =>
            $"<tr class=\"{c.OutcomeName}\"><td "
            + $"class=\"outcome\">{c.OutcomeText}</td><td>{WebUtility.HtmlEncode(c.StatementText)}</td>"
            + $"<td class=\"number\">{WebUtility.HtmlEncode(c.MeasuredText)}</td><td "
            + $"class=\"number\">{WebUtility.HtmlEncode(c.BoundText)}</td></tr>"
        );
        return $"{ProseRenderer.ScrollBox}<table class=\"claims\"><thead><tr><th>outcome</th><th>claim</th><th "
            + "class=\"number\">measured</th><th class=\"number\">must "
            + $"be</th></tr></thead><tbody>{string.Concat(rows)}</tbody></table></div>";
    }

    private string Picture(Figure figure, JsonObject data, IElement? content, string caption)
    {
        page.Figures.Add(figure);
        var title = figure.Title?.Split(';')[0] ?? $"Figure {figure.Number} of {page.Source.Title}";
        var chart = Chart(data[ChartType]);
        var path = "figures/" + figure.FileName;
        page.Files[path] = figure.Bytes;
        var alt = figure.Alt ?? title;
        var (width, height) = Size(figure);
        var still =
            $"<img class=\"still\" src=\"{page.Source.Root}{WebUtility.HtmlEncode(path)}\" "
            + $"alt=\"{WebUtility.HtmlEncode(alt)}\"{(width > 0 ? $" width=\"{width}\" height=\"{height}\"" : "")} "
            + "loading=\"lazy\" decoding=\"async\">";
        var words = caption.Length == 0 ? "" : $"<figcaption>{Unwrap(render(caption))}</figcaption>";
        if (words.Length > 0)
            page.Sections.LastOrDefault()?.AddText(ProseRenderer.PlainText($"{WebUtility.HtmlEncode(title)}. {words}"));
        if (chart is not null)
        {
            page.Charts++;
            var json = chart.ToJsonString(Compact).Replace("<", "\\u003c", StringComparison.Ordinal);
            return $"<figure class=\"chart\"><p class=\"figure-title\">{WebUtility.HtmlEncode(title)}</p><div "
                + $"class=\"canvas\">{still}<div class=\"plot\" role=\"group\" "
                + $"aria-label=\"{WebUtility.HtmlEncode(alt)}\"></div></div><script "
                + $"type=\"application/json\">{json}</script>{words}</figure>";
        }
        if (content is not null)
            return $"<figure class=\"control\"><div class=\"live\">{content.InnerHtml}</div>{still}{words}</figure>";
        return $"<figure class=\"pictures\">{still}{words}</figure>";
    }

    private static string Stream(JsonObject output)
    {
        var isError = NotebookText.Join(output["output_type"]) == "error";
        var text = isError
            ? $"{NotebookText.Join(output["ename"])}: {NotebookText.Join(output["evalue"])}"
            : NotebookText.Join(output["text"]);
        return $"<pre class=\"{(isError ? "error" : "text")}\" "
            + $"tabindex=\"0\">{WebUtility.HtmlEncode(OutputScrubber.WithoutColours(text).TrimEnd())}</pre>";
    }

    private string Other(JsonObject data, IElement? content)
    {
        if (content is not null)
            return content.InnerHtml;
        if (NotebookText.Join(data["text/markdown"]) is { Length: > 0 } markdown)
            return render(markdown);
        return "<pre class=\"text\" "
            + $"tabindex=\"0\">{WebUtility.HtmlEncode(NotebookText.Join(data["text/plain"]).TrimEnd())}</pre>";
    }

    // An output's HTML without scripts and handlers, its tables in boxes that scroll, columns of numbers to the right.
    private static IElement? Html(JsonObject data)
    {
        if (NotebookText.Join(data["text/html"]) is not { Length: > 0 } html)
            return null;
        var document = Parser.ParseDocument(html);
        var body = document.Body!;
        foreach (
            var element in document.QuerySelectorAll("script, link, iframe, object, embed, base, meta, form").ToList()
        )
            element.Remove();
        foreach (var element in body.QuerySelectorAll("*"))
        foreach (
            var name in element
                .Attributes.Select(a => a.Name)
                .Where(n => n.StartsWith("on", StringComparison.OrdinalIgnoreCase))
                .ToList()
        )
            element.RemoveAttribute(name);
        foreach (var image in body.QuerySelectorAll("img:not([alt])"))
            image.SetAttribute("alt", "");
        foreach (var table in body.QuerySelectorAll<IHtmlTableElement>("table").ToList())
        {
            foreach (var cell in table.QuerySelectorAll("[style]"))
                cell.RemoveAttribute("style");
            AlignNumbers(table);
            table.OuterHtml = $"{ProseRenderer.ScrollBox}{table.OuterHtml}</div>";
        }
        return body;
    }

    private static void AlignNumbers(IHtmlTableElement table)
    {
        var rows = table.Rows.Select(r => r.Cells.ToArray()).ToList();
        for (var column = 0; column < (rows.Count == 0 ? 0 : rows.Max(r => r.Length)); column++)
        {
            var cells = rows.Where(r => r.Length > column).Select(r => r[column]).ToList();
            var values = cells
                .Where(c => c.LocalName == "td")
                .Select(c => c.TextContent.Trim())
                .Where(t => t is not ("" or "–" or "…"))
                .ToList();
            if (values.Count > 0 && values.All(v => Number().IsMatch(v)))
                foreach (var cell in cells)
                    cell.ClassName = "number";
        }
    }

    // A chart to be drawn in the page; a diagram, which has no series and no space to shrink into, stays the picture it
    // is.
    private static JsonObject? Chart(JsonNode? node)
    {
        var chart = node switch
        {
            JsonObject given => given,
            JsonValue value when value.TryGetValue<string>(out var text) => JsonNode.Parse(text) as JsonObject,
            _ => null,
        };
        return chart?["data"] is JsonArray { Count: 0 } ? null : chart;
    }

    private static (int Width, int Height) Size(Figure figure) =>
        figure is { Extension: "png", Bytes.Length: > 24 }
            ? (
                System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(figure.Bytes.AsSpan(16)),
                System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(figure.Bytes.AsSpan(20))
            )
            : (0, 0);

    private static string Unwrap(string html) => Paragraph().Replace(html.Trim(), "$1");

    // A number, alone or with its interval or standard deviation.
    [GeneratedRegex($@"^{Digits}(?: \[{Digits}, {Digits}\]| ± {Digits})?\s?%?$|^NaN$", RegexOptions.CultureInvariant)]
    private static partial Regex Number();

    [GeneratedRegex("^<p>(.*)</p>$", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Paragraph();
}
