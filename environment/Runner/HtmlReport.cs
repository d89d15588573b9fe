using System.Net;
using System.Text;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The run as one page that needs nothing else: no script, no font, no request.</summary>
public static class HtmlReport
{
    private const string Style = """
        :root { color-scheme: light dark; --ink: #1b1e23; --soft: #5c6470; --paper: #ffffff; --raised: #f4f5f7; --line: #d9dde3; --good: #18794e; --bad: #b42318; --wait: #8a6100; --badpaper: #fdecea; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e7e9ec; --soft: #a0a8b4; --paper: #15171a; --raised: #1f2227; --line: #353a42; --good: #58c08a; --bad: #ff8a7d; --wait: #e0b650; --badpaper: #34201e; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
        main { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; } h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; } h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; overflow-wrap: anywhere; }
        p { margin: .4rem 0; } .soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); } .wait { color: var(--wait); } .verdict { font-weight: 600; font-size: 1.1rem; }
        table { width: 100%; border-collapse: collapse; font-size: .94rem; } th { text-align: left; font-weight: 600; color: var(--soft); } th, td { padding: .45rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
        td.number { font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; } th { overflow-wrap: normal; } tr.bad-row td { background: var(--badpaper); color: var(--ink); } .state { font-weight: 600; white-space: nowrap; }
        pre { background: var(--raised); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow-x: auto; font: .86rem/1.45 ui-monospace, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
        .failure { border-left: 4px solid var(--bad); padding-left: 1rem; margin: 1rem 0; }
        .figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 26rem), 1fr)); gap: 1rem; } figure { margin: 0; background: #fff; border: 1px solid var(--line); border-radius: 6px; overflow: hidden; }
        figure img { display: block; width: 100%; height: auto; } figcaption { background: var(--raised); color: var(--soft); font-size: .84rem; padding: .35rem .6rem; overflow-wrap: anywhere; }
        @media (max-width: 640px) { table, tbody, tr, td { display: block; width: 100%; } thead { display: none; } tr { border: 1px solid var(--line); border-radius: 6px; margin-bottom: .75rem; overflow: hidden; } td { border: 0; padding: .25rem .7rem; } td::before { content: attr(data-label) " "; color: var(--soft); font-size: .84rem; } td:empty { display: none; } }
        """;

    /// <summary>The page.</summary>
    /// <param name="summary">The run.</param>
    /// <param name="figures">The pictures, embedded as data.</param>
    public static string Render(RunSummary summary, IReadOnlyList<Figure> figures)
    {
        ArgumentNullException.ThrowIfNull(summary);
        ArgumentNullException.ThrowIfNull(figures);
        var page = new StringBuilder();
        page.Append(
                "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
                    + "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
            )
            .Append(
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
                    + "style-src 'unsafe-inline'\">\n"
            )
            .Append("<title>Balanced diffusion: the notebooks' report</title>\n<style>\n")
            .Append(Style)
            .Append("\n</style>\n</head>\n<body>\n<main>\n");
        Head(page, summary);
        Failures(page, summary);
        Claims(page, summary);
        Notebooks(page, summary);
        Pictures(page, summary, figures);
        return page.Append("</main>\n</body>\n</html>\n").ToString();
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
                "<h1>Generalization of diffusion models arises with a balanced representation space</h1>\n<p "
                    + "class=\"soft\">Report of the notebooks</p>\n"
            )
            .Append(
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
