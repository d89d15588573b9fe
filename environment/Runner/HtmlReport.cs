using System.Runtime.InteropServices;
using Markup = BalancedDiffusion.Reproduce.Runner.HtmlTemplates.Markup;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The run as one page that needs nothing else: no script, no font, no request.</summary>
public static class HtmlReport
{
    private static readonly string Frame = EmbeddedText.Read("runner/report.html");
    private static readonly Markup Style = new(EmbeddedText.Read("runner/report.css").TrimEnd());
    private static readonly HtmlTemplates Parts = new(EmbeddedText.Read("runner/report-parts.html"));

    /// <summary>The page.</summary>
    /// <param name="summary">The run.</param>
    /// <param name="figures">The pictures, embedded as data.</param>
    public static string Render(RunSummary summary, IReadOnlyList<Figure> figures)
    {
        ArgumentNullException.ThrowIfNull(summary);
        ArgumentNullException.ThrowIfNull(figures);
        Markup[] sections =
        [
            Head(summary),
            Failures(summary),
            Claims(summary),
            Notebooks(summary),
            Pictures(summary, figures),
        ];
        var content = Markup.Lines(sections.Where(s => s != Markup.Nothing));
        return HtmlTemplates.FillText(Frame, ("style", Style), ("content", content)).Html;
    }

    private static Markup Head(RunSummary summary)
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
        return Parts.Fill(
            "head",
            (
                "kind",
                summary.Succeeded ? "good"
                : done ? "bad"
                : "wait"
            ),
            (
                "state",
                summary.Interrupted ? "Interrupted: "
                : done ? ""
                : "Still running: "
            ),
            ("counts", string.Join(", ", parts)),
            ("run", Run(summary))
        );
    }

    private static string Run(RunSummary summary)
    {
        var options = summary.Options;
        var seed = options.Seed?.ToString() ?? "of the notebooks";
        return string.Join(
            "; ",
            $"{summary.Results.Count} of {summary.Asked} notebooks, {Clock.Format(summary.Seconds)}, {options.Pace}",
            $"profile {options.Profile}, data {options.Data}, device {options.Device}, seed {seed}",
            $"{summary.Started:yyyy-MM-dd HH:mm}",
            $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription}"
        );
    }

    private static Markup Failures(RunSummary summary)
    {
        var failed = summary.Results.Where(r => r.Failure is not null || r.ClaimProblems.Count > 0).ToList();
        return failed.Count == 0
            ? Markup.Nothing
            : Parts.Fill("failures", ("failures", Markup.Lines(failed.Select(Failure))));
    }

    private static Markup Failure(NotebookResult result)
    {
        var details = new List<Markup>();
        if (result.Failure is { } failure)
        {
            details.Add(Sentence(failure.Sentence));
            if (failure.Source.Length > 0)
                details.Add(Code(failure.Source));
            if (failure.Error.Traceback.Count > 0)
                details.Add(Code(string.Join('\n', failure.Error.Traceback.Take(40))));
        }
        details.AddRange(result.ClaimProblems.Select(Sentence));
        return Parts.Fill("failure", ("notebook", result.Notebook.Stem), ("details", Markup.Lines(details)));

        static Markup Sentence(string text) => Parts.Fill("sentence", ("text", text));
        static Markup Code(string text) => Parts.Fill("code", ("text", text));
    }

    private static Markup Claims(RunSummary summary)
    {
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
        return claims.Count == 0
            ? Parts.Fill("no-claims")
            : Parts.Fill("claims", ("rows", Markup.Lines(claims.Select(ClaimRow))));
    }

    private static Markup ClaimRow(Claim claim)
    {
        var kind = claim.Outcome switch
        {
            ClaimOutcome.Holds => "good",
            ClaimOutcome.Fails => "bad",
            _ => "wait",
        };
        var reason =
            claim.Skipped is null || claim.Skipped == claim.Statement
                ? Markup.Nothing
                : Parts.Fill("reason", ("text", claim.Skipped));
        return Parts.Fill(
            "claim",
            ("kind", kind),
            ("outcome", claim.OutcomeText),
            ("statement", claim.Statement),
            ("reason", reason),
            ("measured", claim.MeasuredText),
            ("bound", claim.BoundText),
            ("notebook", claim.Notebook),
            ("id", claim.Id)
        );
    }

    private static Markup Notebooks(RunSummary summary) =>
        Parts.Fill("notebooks", ("rows", Markup.Lines(summary.Results.Select(NotebookRow))));

    private static Markup NotebookRow(NotebookResult result) =>
        Parts.Fill(
            "notebook",
            ("kind", result.Succeeded ? "good" : "bad"),
            (
                "outcome",
                result.Succeeded ? "✓ ran"
                : result.Failure is null ? "✗ claims"
                : "✗ failed"
            ),
            ("title", result.Title),
            ("name", result.Notebook.Stem),
            ("run", result.CellsRun),
            ("cells", result.CellCount),
            ("time", Clock.Format(result.Seconds)),
            ("first", Clock.Format(result.FirstOutputSeconds ?? double.NaN)),
            ("memory", MemorySize.Format(result.PeakBytes)),
            ("held", result.Claims.Count(c => c.Outcome == ClaimOutcome.Holds)),
            ("checked", result.Claims.Count(c => c.Skipped is null))
        );

    private static Markup Pictures(RunSummary summary, IReadOnlyList<Figure> figures)
    {
        if (figures.Count == 0)
            return Markup.Nothing;
        var groups = figures
            .GroupBy(f => f.Notebook)
            .Select(group =>
                Parts.Fill(
                    "figure-group",
                    ("title", summary.Results.FirstOrDefault(r => r.Notebook.Stem == group.Key)?.Title ?? group.Key),
                    ("figures", Markup.Lines(group.Select(Picture)))
                )
            );
        return Parts.Fill("figures", ("groups", Markup.Lines(groups)));
    }

    private static Markup Picture(Figure figure) =>
        Parts.Fill(
            "figure",
            ("alt", figure.Alt ?? figure.Title ?? $"Figure {figure.Number} of {figure.Notebook}"),
            ("type", figure.MimeType),
            ("data", Convert.ToBase64String(figure.Bytes)),
            ("caption", figure.Title is null ? figure.FileName : $"{figure.Title} · {figure.FileName}")
        );
}
