using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;
using Markdig;
using Markdig.Extensions.Tables;
using Markdig.Renderers;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Turns Markdown into HTML: tables in boxes of their own that scroll, headings with ids, formulas set, links
/// led to pages.</summary>
public sealed partial class ProseRenderer
{
    /// <summary>How a box that scrolls by itself begins; <c>&lt;/div&gt;</c> ends it.</summary>
    public const string ScrollBox = "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"table\">";

    private static readonly HtmlParser Parser = new();
    private readonly MarkdownPipeline pipeline;
    private readonly MathRenderer math;

    /// <summary>Sets formulas with <paramref name="math"/>.</summary>
    public ProseRenderer(MathRenderer math)
    {
        this.math = math;
        var builder = new MarkdownPipelineBuilder().UsePipeTables();
        builder.InlineParsers.Insert(0, new FormulaParser());
        pipeline = builder.Build();
    }

    /// <summary>The text of a piece of HTML as it is read: formulas once, and nothing that is drawn for the eye
    /// only.</summary>
    public static string PlainText(string html)
    {
        var body = Parser.ParseDocument(html).Body!;
        foreach (var element in body.QuerySelectorAll(".katex-html, .anchor, script").ToList())
            element.Remove();
        return body.TextContent;
    }

    /// <summary>Adds rendered prose to what the search knows of a page: each block to the section of the heading above
    /// it.</summary>
    public static void Index(string html, NotebookPage page)
    {
        ArgumentNullException.ThrowIfNull(page);
        var current = page.Sections.LastOrDefault();
        foreach (var block in Parser.ParseDocument(html).Body!.Children)
        {
            if (page.Sections.Find(s => s.Anchor == block.Id) is { } begun)
                current = begun;
            else
                current?.AddText(PlainText(block.OuterHtml));
        }
    }

    /// <summary>Renders Markdown into a page.</summary>
    /// <param name="markdown">The text.</param>
    /// <param name="page">Learns of headings, formulas and the sections that begin here.</param>
    /// <param name="link">Leads a link or, where the second argument is true, a picture to its place in the site; null
    /// makes it plain text.</param>
    /// <exception cref="FormatException">A formula is refused or not closed, or a picture has no alternative
    /// text.</exception>
    public string Render(string markdown, NotebookPage page, Func<string, bool, string?> link)
    {
        ArgumentNullException.ThrowIfNull(page);
        ArgumentNullException.ThrowIfNull(link);
        var document = Markdown.Parse(markdown, pipeline);
        foreach (var table in document.Descendants<Table>().Where(IsNavigation).ToList())
            table.Parent!.Remove(table);
        foreach (var inline in document.Descendants<LinkInline>().ToList())
        {
            if (inline.IsImage && !inline.Any())
                throw new FormatException(
                    $"the picture '{inline.Url}' has no alternative text; write what it shows between the "
                        + "square brackets"
                );
            if (link(inline.Url ?? "", inline.IsImage) is { } url)
                inline.Url = url;
            else
                inline.ReplaceBy(new ContainerInline());
        }
        using var writer = new StringWriter();
        var renderer = new HtmlRenderer(writer);
        pipeline.Setup(renderer);
        var formulas = new FormulaRenderer(math);
        renderer.ObjectRenderers.Insert(0, formulas);
        renderer.Render(document);
        page.Formulas += formulas.Count;
        var html = Heading().Replace(writer.ToString(), match => Named(match, page));
        return html.Replace("<table>", ScrollBox + "<table>", StringComparison.Ordinal)
            .Replace("</table>", "</table></div>", StringComparison.Ordinal);
    }

    private static string Named(Match match, NotebookPage page)
    {
        var (level, html) = (match.Groups[1].Value, match.Groups[2].Value);
        var plain = PlainText(html).Trim();
        var anchor = page.Anchor(Separator().Replace(Mark().Replace(plain.ToLowerInvariant(), ""), "-"));
        page.Headings.Add(new SiteHeading(level[0] - '0', anchor, LinkTag().Replace(html, "")));
        page.Sections.Add(new SearchSection(page.Source.Page, anchor, plain));
        return $"<h{level} id=\"{anchor}\">{html} <a class=\"anchor\" href=\"#{anchor}\" aria-label=\"link to this "
            + $"section\">#</a></h{level}>";
    }

    // Every page has a way to the one before and the one after already.
    private static bool IsNavigation(Table table) =>
        table.FirstOrDefault() is TableRow head
        && head.OfType<TableCell>()
            .Select(c => string.Concat(c.Descendants<LiteralInline>().Select(l => l.Content.ToString())).Trim())
            .SequenceEqual(["previous", "next"]);

    [GeneratedRegex(@"<h([1-6])>(.*?)</h\1>", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Heading();

    [GeneratedRegex("</?a(?: [^>]*)?>", RegexOptions.CultureInvariant)]
    private static partial Regex LinkTag();

    [GeneratedRegex(@"[^\p{L}\p{N}\s_-]", RegexOptions.CultureInvariant)]
    private static partial Regex Mark();

    [GeneratedRegex(@"\s", RegexOptions.CultureInvariant)]
    private static partial Regex Separator();
}
