using System.ComponentModel;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>exercises test</c>: every solution must pass its check, and every blank be told that it is
/// one.</summary>
public sealed class ExercisesTestCommand : AsyncCommand<ExercisesTestCommand.Settings>
{
    private const int MostJobs = 2;

    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>Numbers of chapters.</summary>
        [CommandArgument(0, "[numbers]")]
        [Description("Exercises by the number of their notebook (3); all of them when none is given.")]
        public string[] Numbers { get; init; } = [];
    }

    /// <inheritdoc/>
    public override async Task<int> ExecuteAsync(
        CommandContext context,
        Settings settings,
        CancellationToken cancellationToken
    )
    {
        var session = settings.Session;
        var workspace = session.Workspace;
        var sources = new ExerciseFolder(workspace).Sources(settings.Numbers);
        await ToolManifest.Load(workspace).EnsureAsync(session.Say, cancellationToken);
        var plan = JobPlan.Choose(
            null,
            2 * sources.Count,
            Environment.ProcessorCount,
            MemorySize.Free(),
            onGpu: false,
            Environment.GetEnvironmentVariable("OMP_NUM_THREADS")
        );
        var options = new RunOptions(
            "quick",
            "faces",
            "cpu",
            null,
            Path.Combine(workspace.DefaultOut, "exercises"),
            TimeSpan.FromMinutes(5),
            Math.Min(plan.Jobs, MostJobs),
            plan.Threads
        );
        session.Say($"{"exercises", -32} {"", -6} {"as it must be", 13}  {"time", 9}");
        var rows = await new ExerciseTest(workspace, options).RunAsync(
            sources,
            row =>
                session.Say(
                    $"{row.Stem, -32} {(row.IsSolved ? "solved" : "blank"), -6} "
                        + $"{$"{row.AsExpected} of {row.Answers.Count}", 13}  "
                        + $"{Clock.Format(row.Seconds), 9}{(row.IsGood ? "" : "  FAILED")}"
                ),
            cancellationToken
        );
        foreach (var problem in rows.SelectMany(r => r.Problems))
            session.Say(problem);
        var bad = rows.Count(r => !r.IsGood);
        session.Say(
            bad == 0
                ? "Every solution passes its check, and every blank is called one: "
                    + $"{rows.Sum(r => r.Answers.Count) / 2} exercises in {sources.Count} notebook(s)."
                : $"{bad} of {rows.Count} runs failed."
        );
        return bad == 0 ? 0 : 1;
    }
}
