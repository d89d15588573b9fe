using BalancedDiffusion.Reproduce.Reporting;
using BalancedDiffusion.Reproduce.Running;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>run</c>: runs notebooks and keeps their results.</summary>
public sealed class RunCommand : AsyncCommand<RunSettings>
{
    /// <inheritdoc/>
    public override async Task<int> ExecuteAsync(
        CommandContext context,
        RunSettings settings,
        CancellationToken cancellationToken
    )
    {
        var workspace = settings.Session.Workspace;
        var notebooks = workspace.Select(settings.Numbers);
        var summary = await RunAsync(
            settings,
            workspace,
            notebooks,
            settings.ToOptions(workspace, notebooks.Count, settings.Session.Say),
            cancellationToken
        );
        return summary.ExitCode;
    }

    /// <summary>Runs notebooks with the display that suits the console, and says what came of it.</summary>
    internal static async Task<RunSummary> RunAsync(
        RunSettings settings,
        Workspace workspace,
        IReadOnlyList<NotebookFile> notebooks,
        RunOptions options,
        CancellationToken cancellation
    )
    {
        var session = settings.Session;
        await ToolManifest.Load(workspace).EnsureAsync(session.Say, cancellation);
        var timings = Timings.Load(Path.Combine(options.Out, "timings.json"));
        var cells = notebooks.Select(n => (n.Stem, CellIds(n))).ToList();
        var estimate = new RunEstimate(timings, options.TimingKey, cells, StatedMinutes.Read(workspace), options.Jobs);
        var run = new RunSession(workspace, options, estimate);
        RunSummary summary;
        if (session.Console.Profile.Out.IsTerminal && session.Console.Profile.Capabilities.Interactive)
        {
            var live = new LiveProgress(cells, estimate);
            summary = await live.ShowAsync(session.Console, () => run.RunAsync(notebooks, live, timings, cancellation));
        }
        else
            summary = await run.RunAsync(
                notebooks,
                new PlainProgress(session.Console, estimate),
                timings,
                cancellation
            );
        Say(session, summary);
        return summary;
    }

    private static IReadOnlyList<string> CellIds(NotebookFile notebook)
    {
        try
        {
            var document = Notebooks.NotebookDocument.Load(notebook.File);
            document.FillCellIds();
            return document.CodeCells.Where(c => !string.IsNullOrWhiteSpace(c.Source)).Select(c => c.Id!).ToList();
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            return []; // the runner reports it
        }
    }

    private static void Say(Session session, RunSummary summary)
    {
        session.Say("");
        session.Say($"{"notebook", -32} {"time", 9}  {"first output", 12}  {"peak memory", 11}");
        foreach (var result in summary.Results)
            session.Say(
                $"{result.Notebook.Stem, -32} {Clock.Format(result.Seconds), 9}  "
                    + $"{Clock.Format(result.FirstOutputSeconds ?? double.NaN), 12}  "
                    + $"{MemorySize.Format(result.PeakBytes), 11}"
            );
        session.Say("");
        foreach (var result in summary.Results)
        {
            if (result.Failure is { } failure)
            {
                session.Say($"{result.Notebook.Stem}: {failure.Sentence}");
                if (failure.Kind == FailureKind.Cancelled)
                    continue;
                foreach (var line in failure.Source.Split('\n').Where(_ => failure.Source.Length > 0))
                    session.Say("    | " + line.TrimEnd());
                foreach (var line in failure.Error.Traceback.Skip(failure.Error.Traceback.Count > 1 ? 0 : 1).Take(30))
                    session.Say("      " + line);
            }
            foreach (var problem in result.ClaimProblems)
                session.Say($"{result.Notebook.Stem}: {problem}");
            foreach (var claim in result.Claims.Where(c => c.Holds == false))
                session.Say(
                    $"{result.Notebook.Stem}: the claim '{claim.Id}' does not hold: {claim.Statement} "
                        + $"(measured {claim.Measured?.ToJsonString() ?? "nothing"}, must be {claim.Relation} "
                        + $"{claim.Bound?.ToJsonString() ?? ""})"
                );
            foreach (var claim in result.Claims.Where(c => c.IsExcepted))
                session.Say(
                    $"{result.Notebook.Stem}: the claim '{claim.Id}' does not hold here, as is known "
                        + $"(measured {claim.Measured?.ToJsonString() ?? "nothing"}, {claim.Relation} "
                        + $"{claim.Bound?.ToJsonString() ?? ""} elsewhere): {claim.Skipped}"
                );
        }
        var claims = summary.Claims.ToList();
        var skipped = claims.Count(c => c.Skipped is not null);
        var excepted = claims.Count(c => c.IsExcepted);
        var exceptions = excepted > 0 ? $", {excepted} known not to hold here" : "";
        var skips = skipped > excepted ? $", {skipped - excepted} skipped" : "";
        session.Say(
            $"{summary.Results.Count(r => r.Failure is null)} of {summary.Asked} notebooks ran to their end; "
                + $"{claims.Count(c => c.Holds == true)} of {claims.Count - skipped} claims "
                + $"hold{exceptions}{skips}; "
                + $"{Clock.Format(summary.Seconds)}, {summary.Options.Pace}."
        );
        session.Say(
            $"{(summary.Interrupted ? "Interrupted. " : "")}Results: "
                + $"{Path.GetRelativePath(session.StartFolder, Path.Combine(summary.Options.Out, "report.html"))}"
        );
    }
}
