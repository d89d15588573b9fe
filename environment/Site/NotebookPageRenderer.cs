using System.Net;
using System.Text.Json;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Turns notebooks into pages.</summary>
/// <param name="prose">Renders their prose.</param>
/// <param name="links">Leads their links.</param>
public sealed partial class NotebookPageRenderer(ProseRenderer prose, LinkResolver links)
{
    private const int LeadLength = 260;

    /// <summary>The page of a notebook.</summary>
    /// <exception cref="FormatException">A cell cannot be shown; the message says which notebook, which cell and
    /// why.</exception>
    public NotebookPage Render(SiteSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        var page = new NotebookPage(source);
        var cells = source.Document.Cells;
        for (var i = 0; i < cells.Count; i++)
        {
            var where = $"{source.Name}, cell {i + 1}";
            var anchor = page.Anchor(cells[i].Id is { Length: > 0 } id ? id : $"cell-{i + 1}");
            string Render(string markdown) =>
                prose.Render(markdown, page, (url, isPicture) => links.Resolve(url, isPicture, page, where));
            try
            {
                if (cells[i].IsCode)
                    Code(page, cells[i], anchor, Render);
                else if (cells[i].Type == "markdown")
                    Text(page, cells[i].Source, anchor, Render);
            }
            catch (Exception e) when (e is FormatException or JsonException)
            {
                throw new FormatException($"{where}: {e.Message}");
            }
        }
        return page;
    }

    private static void Text(NotebookPage page, string markdown, string anchor, Func<string, string> render)
    {
        var html = render(markdown);
        // Without the words in bold that open it.
        if (page.Lead.Length == 0 && FirstParagraph().Match(html) is { Success: true } first)
            page.Lead = Shortened(ProseRenderer.PlainText(first.Groups[1].Value));
        ProseRenderer.Index(html, page);
        page.Body.Append($"<section class=\"cell prose\" id=\"{anchor}\">\n{html}</section>\n");
    }

    private static void Code(NotebookPage page, NotebookCell cell, string anchor, Func<string, string> render)
    {
        var code = cell.Source.TrimEnd();
        page.Sections.LastOrDefault()?.AddCode(code);
        page.Body.Append($"<section class=\"cell\" id=\"{anchor}\">\n");
        if (code.Length > 0)
        {
            var lines = code.Count(c => c == '\n') + 1;
            page.Body.Append(
                $"<details class=\"code\" open><summary>{LanguageName(cell.Language)} <span>{lines} "
                    + $"{(lines == 1 ? "line" : "lines")}</span></summary><pre "
                    + $"tabindex=\"0\"><code>{CodeHighlighter.Highlight(code, cell.Language)}</code></pre></details>\n"
            );
        }
        var outputs = new OutputRenderer(page, render).Render(cell, anchor);
        if (outputs.Length > 0)
            page.Body.Append($"<div class=\"outputs\">{outputs}</div>\n");
        page.Body.Append("</section>\n");
    }

    private static string LanguageName(string kernel) =>
        kernel switch
        {
            "csharp" => "C#",
            "fsharp" => "F#",
            _ => WebUtility.HtmlEncode(kernel),
        };

    // Whole sentences as far as they fit.
    private static string Shortened(string text)
    {
        if (text.Length <= LeadLength)
            return text;
        var end = text.LastIndexOf(". ", LeadLength, StringComparison.Ordinal);
        return end > 60 ? text[..(end + 1)] : text[..text.LastIndexOf(' ', LeadLength)].TrimEnd(',', ';', ':') + " …";
    }

    [GeneratedRegex(
        "<p>(?:<strong>[^<]*</strong> )?(.*?)</p>",
        RegexOptions.Singleline | RegexOptions.CultureInvariant
    )]
    private static partial Regex FirstParagraph();
}
