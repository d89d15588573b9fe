using System.Net;
using System.Text;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The run as one page that needs nothing else: no script, no font, no request.</summary>
public static class HtmlReport
{
    private static readonly string Frame = EmbeddedText
        .Read("runner/report.html")
        .Replace("{{style}}", EmbeddedText.Read("runner/report.css").TrimEnd(), StringComparison.Ordinal);

    /// <summary>The page.</summary>
    /// <param name="summary">The run.</param>
    /// <param name="figures">The pictures, embedded as data.</param>
    public static string Render(RunSummary summary, IReadOnlyList<Figure> figures)
    {
        ArgumentNullException.ThrowIfNull(summary);
        ArgumentNullException.ThrowIfNull(figures);
        var page = new StringBuilder();
        Head(page, summary);
        Failures(page, summary);
        Claims(page, summary);
        Notebooks(page, summary);
        Pictures(page, summary, figures);
        return Frame.Replace("{{content}}", page.ToString().TrimEnd(), StringComparison.Ordinal);
    }

    private static void Head(StringBuilder page, RunSummary summary)
    {
        var (hold, fail) = (summary.Count(ClaimOutcome.Holds), summary.Count(ClaimOutcome.Fails));
        var (excepted, skipped) = (summary.Count(ClaimOutcome.Exception), summary.Count(ClaimOutcome.Skipped));
        var broken = summary.Results.Count(r => r.Failure is not null);
        var problems = summary.Results.Sum(r => r.ClaimProblems.Count);
        var parts = new List<string> { $"{hold} {(hold == 1 ? "claim holds" : "claims hold")}" };
        if (fail > 0)
            parts.Add($"{fail} {(fail == 1 ? "does" : "do")} not");
        if (excepted > 0)
            parts.Add($"{excepted} known not to hold here");
        if (skipped > 0)
            parts.Add($"{skipped} skipped");
        if (problems > 0)
            parts.Add($"{problems} could not be read");
        if (broken > 0)
            parts.Add($"{broken} {(broken == 1 ? "notebook" : "notebooks")} failed");
        if (summary.Results.Count < summary.Asked)
            parts.Add($"{summary.Asked - summary.Results.Count} not run");
        var done = summary.Interrupted || summary.Results.Count == summary.Asked;
        page.Append(
                $"<p class=\"verdict "
                    + $"{(summary.Succeeded ? "good" : done ? "bad" : "wait")}\">{(summary.Interrupted ? "Interrupted: " : done ? "" : "Still running: ")}{E(string.Join(", ", parts))}.</p>\n"
            )
            .Append(
                $"<p "
                    + $"class=\"soft\">{E($"{summary.Results.Count} of {summary.Asked} notebooks, {Clock.Format(summary.Seconds)}, {summary.Options.Pace}; profile {summary.Options.Profile}, data {summary.Options.Data}, device {summary.Options.Device}, seed {summary.Options.Seed?.ToString() ?? "of the notebooks"}; {summary.Started:yyyy-MM-dd HH:mm}; {System.Runtime.InteropServices.RuntimeInformation.FrameworkDescription} on {System.Runtime.InteropServices.RuntimeInformation.OSDescription}")}</p>\n"
            );
    }

    private static void Failures(StringBuilder page, RunSummary summary)
    {
        var failed = summary.Results.Where(r => r.Failure is not null || r.ClaimProblems.Count > 0).ToList();
        if (failed.Count == 0)
            return;
        page.Append("<h2>What went wrong</h2>\n");
        foreach (var r in failed)
        {
            page.Append($"<div class=\"failure\"><h3>{E(r.Notebook.Stem)}</h3>\n");
            if (r.Failure is { } f)
            {
                page.Append($"<p>{E(f.Sentence)}</p>\n");
                if (f.Source.Length > 0)
                    page.Append($"<pre>{E(f.Source)}</pre>\n");
                if (f.Error.Traceback.Count > 0)
                    page.Append($"<pre>{E(string.Join('\n', f.Error.Traceback.Take(40)))}</pre>\n");
            }
            foreach (var problem in r.ClaimProblems)
                page.Append($"<p>{E(problem)}</p>\n");
            page.Append("</div>\n");
        }
    }

    private static void Claims(StringBuilder page, RunSummary summary)
    {
        page.Append("<h2>Claims</h2>\n");
        var claims = summary
            .Claims.OrderBy(c =>
                c.Outcome switch
                {
                    ClaimOutcome.Fails => 0,
                    ClaimOutcome.Holds => 1,
                    _ => 2,
                }
            )
            .ToList();
        if (claims.Count == 0)
        {
            page.Append("<p class=\"soft\">No claim was checked.</p>\n");
            return;
        }
        page.Append(
            "<table><thead><tr><th>Outcome</th><th>Claim</th><th>Measured</th><th>Bound</th><th>Notebook</th></tr></thead><tbody>\n"
        );
        foreach (var c in claims)
        {
            var kind = c.Outcome switch
            {
                ClaimOutcome.Holds => "good",
                ClaimOutcome.Fails => "bad",
                _ => "wait",
            };
            page.Append(
                    $"<tr{(kind == "bad" ? " class=\"bad-row\"" : "")}><td data-label=\"\" class=\"state "
                        + $"{kind}\">{c.OutcomeText}</td><td "
                        + $"data-label=\"\">{E(c.Statement)}{(c.Skipped is null || c.Skipped == c.Statement ? "" : $"<br><span class=\"soft\">{E(c.Skipped)}</span>")}</td>"
                )
                .Append(
                    $"<td class=\"number\" data-label=\"measured\">{E(c.MeasuredText)}</td><td "
                        + $"class=\"number\" data-label=\"bound\">{E(c.BoundText)}</td><td data-label=\"\" "
                        + $"class=\"soft\">{E(c.Notebook)} · {E(c.Id)}</td></tr>\n"
                );
        }
        page.Append("</tbody></table>\n");
    }

    private static void Notebooks(StringBuilder page, RunSummary summary)
    {
        page.Append(
            "<h2>Notebooks</h2>\n"
                + "<table><thead><tr><th>Outcome</th><th>Notebook</th><th>Cells</th><th>Time</th><th>First "
                + "output</th><th>Peak memory</th><th>Claims</th></tr></thead><tbody>\n"
        );
        foreach (var r in summary.Results)
            page.Append(
                    $"<tr><td data-label=\"\" class=\"state "
                        + $"{(r.Succeeded ? "good" : "bad")}\">{(r.Succeeded ? "✓ ran" : r.Failure is null ? "✗ claims" : "✗ failed")}</td><td "
                        + $"data-label=\"\">{E(r.Title)}<br><span class=\"soft\">{E(r.Notebook.Stem)}</span></td>"
                )
                .Append(
                    $"<td class=\"number\" data-label=\"cells\">{r.CellsRun} of {r.CellCount}</td><td "
                        + $"class=\"number\" data-label=\"time\">{E(Clock.Format(r.Seconds))}</td><td "
                        + $"class=\"number\" data-label=\"first "
                        + $"output\">{E(Clock.Format(r.FirstOutputSeconds ?? double.NaN))}</td>"
                )
                .Append(
                    $"<td class=\"number\" data-label=\"peak "
                        + $"memory\">{E(MemorySize.Format(r.PeakBytes))}</td><td class=\"number\" "
                        + $"data-label=\"claims\">{r.Claims.Count(c => c.Outcome == ClaimOutcome.Holds)} of "
                        + $"{r.Claims.Count(c => c.Skipped is null)}</td></tr>\n"
                );
        page.Append("</tbody></table>\n");
    }

    private static void Pictures(StringBuilder page, RunSummary summary, IReadOnlyList<Figure> figures)
    {
        if (figures.Count == 0)
            return;
        page.Append("<h2>Figures</h2>\n");
        foreach (var group in figures.GroupBy(f => f.Notebook))
        {
            page.Append(
                $"<h3>{E(summary.Results.FirstOrDefault(r => r.Notebook.Stem == group.Key)?.Title ?? group.Key)}</h3>\n"
                    + $"<div class=\"figures\">\n"
            );
            foreach (var figure in group)
                page.Append(
                    $"<figure><img loading=\"lazy\" "
                        + $"alt=\"{E(figure.Alt ?? figure.Title ?? $"Figure {figure.Number} of {figure.Notebook}")}\" "
                        + $"src=\"data:{figure.MimeType};base64,{Convert.ToBase64String(figure.Bytes)}\"><figcaption>{(figure.Title is null ? "" : E(figure.Title) + " · ")}{E(figure.FileName)}</figcaption></figure>\n"
                );
            page.Append("</div>\n");
        }
    }

    private static string E(string text) => WebUtility.HtmlEncode(text);
}
