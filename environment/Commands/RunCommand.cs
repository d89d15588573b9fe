using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
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
        // Before anything that takes time: restore and build have been silent for a minute or more.
        session.Say(
            $"{notebooks.Count} notebook{(notebooks.Count == 1 ? "" : "s")}, {options.Profile}, images "
                + $"{options.Data}, {options.Pace}; results go to "
                + $"{Path.GetRelativePath(session.StartFolder, options.Out)}"
        );
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
            var document = NotebookDocument.Load(notebook.File);
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
            foreach (var claim in result.Claims.Where(c => c.Outcome == ClaimOutcome.Fails))
                session.Say(
                    $"{result.Notebook.Stem}: the claim '{claim.Id}' does not hold: {claim.Statement} "
                        + $"(measured {claim.MeasuredText}, must be {claim.BoundText})"
                );
            foreach (var claim in result.Claims.Where(c => c.IsExcepted))
                session.Say(
                    $"{result.Notebook.Stem}: the claim '{claim.Id}' does not hold here, as is known "
                        + $"(measured {claim.MeasuredText}, {claim.BoundText} elsewhere): {claim.Skipped}"
                );
        }
        var (hold, fail) = (summary.Count(ClaimOutcome.Holds), summary.Count(ClaimOutcome.Fails));
        var (excepted, skipped) = (summary.Count(ClaimOutcome.Exception), summary.Count(ClaimOutcome.Skipped));
        session.Say(
            $"{summary.Results.Count(r => r.Failure is null)} of {summary.Asked} notebooks ran to their end; "
                + $"{hold} of {hold + fail} claims hold"
                + $"{(excepted > 0 ? $", {excepted} known not to hold here" : "")}"
                + $"{(skipped > 0 ? $", {skipped} skipped" : "")}; "
                + $"{Clock.Format(summary.Seconds)}, {summary.Options.Pace}."
        );
        session.Say(
            $"{(summary.Interrupted ? "Interrupted. " : "")}Results: "
                + $"{Path.GetRelativePath(session.StartFolder, Path.Combine(summary.Options.Out, "report.html"))}"
        );
    }
}
