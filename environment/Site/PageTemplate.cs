using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>The frame of every page: head, bar with search, list of pages, content, table of contents, ways
/// onward.</summary>
/// <param name="sources">The notebooks and exercises in order.</param>
/// <param name="hasApi">Whether the site holds an API reference, which every page then leads to.</param>
public sealed partial class PageTemplate(IReadOnlyList<SiteSource> sources, bool hasApi = false)
{
    /// <summary>The start page's path in the site.</summary>
    public const string IndexPage = "index.html";

    /// <summary>The path of the page of all claims.</summary>
    public const string ClaimsPage = "claims.html";

    /// <summary>The folder of the API reference in the site, with its slash.</summary>
    public const string ApiFolder = "api/";

    /// <summary>What the site is called.</summary>
    public const string SiteName = "Balanced Diffusion";

    private static readonly string Frame = Asset("page.html");

    /// <summary>A file of the site that was written by hand.</summary>
    public static string Asset(string name) => EmbeddedText.Read("site/" + name);

    /// <summary>The page of a notebook.</summary>
    public string Notebook(NotebookPage page)
    {
        ArgumentNullException.ThrowIfNull(page);
        var source = page.Source;
        return Fill(
            source.Page,
            source.Root,
            $"{source.Title} · {SiteName}",
            page.Lead,
            $"<div class=\"tools\"><button type=\"button\" data-fold>Hide all code</button></div>\n{page.Body}",
            Contents(page.Headings),
            Onward(source)
        );
    }

    /// <summary>A page that is no notebook's.</summary>
    /// <param name="path">Its path in the site, at the root.</param>
    /// <param name="title">Its title.</param>
    /// <param name="description">One sentence for search engines.</param>
    /// <param name="content">HTML.</param>
    public string Plain(string path, string title, string description, string content) =>
        Fill(path, "", title, description, content, "", "");

    private string Fill(
        string path,
        string root,
        string title,
        string description,
        string content,
        string contents,
        string onward
    )
    {
        var values = new Dictionary<string, string>
        {
            ["root"] = root,
            ["site"] = SiteName,
            ["title"] = WebUtility.HtmlEncode(title),
            ["description"] = WebUtility.HtmlEncode(description),
            ["pages"] = Pages(path, root),
            ["content"] = content,
            ["contents"] = contents,
            ["onward"] = onward,
            ["kind"] = contents.Length > 0 ? "notebook" : "plain",
            ["api"] = hasApi
                ? $"<p class=\"label\">Library</p>\n<ol><li><a "
                    + $"href=\"{root}{ApiFolder}index.html\">API reference</a></li></ol>\n"
                : "",
            ["claims-current"] = path == ClaimsPage ? " aria-current=\"page\"" : "",
        };
        return Placeholder().Replace(Frame, match => values[match.Groups[1].Value]);
    }

    private string Pages(string current, string root)
    {
        var html = new StringBuilder();
        foreach (var group in sources.GroupBy(s => s.IsExercise))
        {
            html.Append($"<p class=\"label\">{(group.Key ? "Exercises" : "Notebooks")}</p>\n<ol>\n");
            foreach (var source in group)
            {
                var (number, name) = Split(source.Title);
                var mark = source.Page == current ? " aria-current=\"page\"" : "";
                html.Append(
                    $"<li><a href=\"{root}{source.Page}\"{mark}><span "
                        + $"class=\"number\">{WebUtility.HtmlEncode(number)}</span> "
                        + $"{WebUtility.HtmlEncode(name)}</a></li>\n"
                );
            }
            html.Append("</ol>\n");
        }
        return html.ToString();
    }

    private static string Contents(IReadOnlyList<SiteHeading> headings)
    {
        var entries = headings
            .Where(h => h.Level is 2 or 3)
            .Select(h => $"<li class=\"level-{h.Level}\"><a href=\"#{h.Anchor}\">{h.Html}</a></li>\n");
        return "<nav class=\"contents\" aria-label=\"on this page\"><details open><summary>On this page</summary>\n"
            + $"<ol>\n{string.Concat(entries)}</ol></details></nav>";
    }

    private string Onward(SiteSource source)
    {
        var group = sources.Where(s => s.IsExercise == source.IsExercise).ToList();
        var at = group.IndexOf(source);
        string Way(int to, string word) =>
            to < 0 || to >= group.Count
                ? "<span></span>"
                : $"<a class=\"{word}\" rel=\"{(word == "previous" ? "prev" : "next")}\" "
                    + $"href=\"{source.Root}{group[to].Page}\"><span>{word}</span>"
                    + $"{WebUtility.HtmlEncode(group[to].Title)}</a>";
        return "<nav class=\"onward\" aria-label=\"previous and "
            + $"next\">{Way(at - 1, "previous")}{Way(at + 1, "next")}</nav>";
    }

    /// <summary>The number and the words of a title such as <c>03 · Memorization</c>; no number where it has
    /// none.</summary>
    public static (string Number, string Words) Split(string title) =>
        Numbered().Match(title) is { Success: true } match
            ? (match.Groups[1].Value, match.Groups[2].Value)
            : ("", title);

    [GeneratedRegex(@"\{\{([a-z-]+)\}\}", RegexOptions.CultureInvariant)]
    private static partial Regex Placeholder();

    [GeneratedRegex(@"^(\d\d) · (.+)$", RegexOptions.CultureInvariant)]
    private static partial Regex Numbered();
}
