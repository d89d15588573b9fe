using System.Net;
using System.Text;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>The two pages that look over all notebooks: the start page and the table of claims.</summary>
/// <param name="pages">The pages of the notebooks and exercises.</param>
public sealed class OverviewPages(IReadOnlyList<NotebookPage> pages)
{
    private readonly IReadOnlyList<ClaimOnPage> claims = [.. pages.SelectMany(p => p.Claims)];

    /// <summary>The content of the start page.</summary>
    public string Index()
    {
        var notebooks = pages.Where(p => !p.Source.IsExercise).ToList();
        const string paper = "Generalization of Diffusion Models Arises with a Balanced Representation Space";
        const string topics =
            "memorization, generalization and the hybrid of both; spiky against balanced representations";
        var html = new StringBuilder(
            $"""
            <div class="hero">
            <h1>Why do diffusion models generalize?</h1>
            <p>These notebooks rebuild, check and correct the paper <cite>{paper}</cite> (ICLR 2026),
            one experiment at a time: {topics}. Every figure was computed by the code above it,
            and every statement is checked by a number.</p>

            """
        );
        html.Append(
            $"<p class=\"counts\"><span><b>{notebooks.Count}</b> notebooks</span> "
                + $"<span><b>{notebooks.Sum(p => p.Figures.Count)}</b> figures</span> <a "
                + $"href=\"{PageTemplate.ClaimsPage}\"><b>{claims.Count}</b> claims: {Count()}</a></p>\n</div>\n"
        );
        html.Append("<ol class=\"cards\">\n");
        foreach (var page in notebooks)
            html.Append(Card(page));
        html.Append("</ol>\n");
        var exercises = pages.Where(p => p.Source.IsExercise).ToList();
        var items = exercises.Select(e =>
            $"<li><a href=\"{e.Source.Page}\">{WebUtility.HtmlEncode(e.Source.Title)}</a></li>\n"
        );
        if (exercises.Count > 0)
            html.Append($"<h2>Exercises</h2>\n<ul class=\"exercises\">\n{string.Concat(items)}</ul>\n");
        const string keeps = "# runs every notebook, keeps figures, claims and a report";
        html.Append(
            $"""
            <h2>Run it yourself</h2>
            <p>You need the .NET 10 SDK and a clone of the repository; a laptop without a GPU will do.</p>
            <pre class="text" tabindex="0">dotnet run --project environment     {keeps}
            dotnet test                          # passes the tests</pre>

            """
        );
        return html.ToString();
    }

    /// <summary>The content of the page of all claims.</summary>
    public string Claims()
    {
        var titles = pages.Where(p => p.Claims.Count > 0).ToDictionary(p => p.Source.Page, p => p.Source.Title);
        const string lead =
            "Each statement below was measured when the notebooks ran, and compared with a bound that was fixed "
            + "beforehand.";
        var html = new StringBuilder(
            $"""
            <h1>Claims</h1>
            <p class="lead">{lead} {claims.Count} in all: {Count()}.</p>
            <form class="filter" role="search" aria-label="filter claims">
            <label>Words <input type="search" name="words" autocomplete="off"></label>
            <label>Notebook <select name="notebook"><option value="">all</option>
            """
        );
        foreach (var (page, title) in titles)
            html.Append($"<option value=\"{page}\">{WebUtility.HtmlEncode(title)}</option>");
        html.Append("</select></label>\n<label>Outcome <select name=\"outcome\"><option value=\"\">all</option>");
        foreach (var group in claims.GroupBy(c => c.Claim.OutcomeName))
            html.Append($"<option value=\"{group.Key}\">{group.Key} ({group.Count()})</option>");
        html.Append("</select></label>\n<output role=\"status\"></output>\n</form>\n")
            .Append(ProseRenderer.ScrollBox)
            .Append(
                "<table class=\"claims all\"><thead><tr><th>outcome</th><th>claim</th><th "
                    + "class=\"number\">measured</th><th class=\"number\">must "
                    + "be</th><th>where</th></tr></thead><tbody>\n"
            );
        foreach (var (page, anchor, claim) in claims)
            html.Append(Row(page, anchor, claim));
        return html.Append("</tbody></table></div>\n").ToString();
    }

    private static string Row(string page, string anchor, Claim claim)
    {
        var (statement, id) = (WebUtility.HtmlEncode(claim.StatementText), WebUtility.HtmlEncode(claim.Id));
        var (measured, bound) = (WebUtility.HtmlEncode(claim.MeasuredText), WebUtility.HtmlEncode(claim.BoundText));
        return $"<tr class=\"{claim.OutcomeName}\" data-notebook=\"{page}\" data-outcome=\"{claim.OutcomeName}\">"
            + $"<td class=\"outcome\">{claim.OutcomeText}</td>"
            + $"<td>{statement}</td>"
            + $"<td class=\"number\" data-label=\"measured\">{measured}</td>"
            + $"<td class=\"number\" data-label=\"must be\">{bound}</td>"
            + $"<td><a href=\"{page}#{anchor}\">{id}</a></td></tr>\n";
    }

    private string Count()
    {
        int Number(ClaimOutcome outcome) => claims.Count(c => c.Claim.Outcome == outcome);
        var parts = new List<string> { $"{Number(ClaimOutcome.Holds)} hold" };
        foreach (
            var (outcome, words) in new[]
            {
                (ClaimOutcome.Fails, "fail"),
                (ClaimOutcome.Exception, "known not to hold here"),
                (ClaimOutcome.Skipped, "skipped"),
            }
        )
            if (Number(outcome) > 0)
                parts.Add($"{Number(outcome)} {words}");
        return string.Join(", ", parts);
    }

    private static string Card(NotebookPage page)
    {
        var (number, words) = PageTemplate.Split(page.Source.Title);
        var figure = page.Figures.FirstOrDefault();
        var picture = figure is null
            ? ""
            : $"<img src=\"figures/{WebUtility.HtmlEncode(figure.FileName)}\" "
                + $"alt=\"{WebUtility.HtmlEncode(figure.Alt ?? figure.Title ?? figure.FileName)}\" loading=\"lazy\" "
                + "decoding=\"async\">";
        var counted = page.Claims.Where(c => c.Claim.Outcome is ClaimOutcome.Holds or ClaimOutcome.Fails).ToList();
        var held = counted.Count(c => c.Claim.Outcome == ClaimOutcome.Holds);
        var holding = counted.Count > 0 ? $" · {held} of {counted.Count} claims hold" : "";
        var counts = $"{page.Figures.Count} figures{holding}";
        return $"<li><a href=\"{page.Source.Page}\"><span class=\"picture\">{picture}</span><span "
            + "class=\"words\"><span "
            + $"class=\"number\">{WebUtility.HtmlEncode(number)}</span><b>{WebUtility.HtmlEncode(words)}</b>"
            + $"<span class=\"lead\">{WebUtility.HtmlEncode(page.Lead)}</span><span "
            + $"class=\"soft\">{counts}</span></span></a></li>\n";
    }
}
