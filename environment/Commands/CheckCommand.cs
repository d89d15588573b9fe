using System.ComponentModel;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner.Linting;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>check</c>: the rules for committed notebooks.</summary>
public sealed class CheckCommand : Command<CheckCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>Numbers and ranges.</summary>
        [CommandArgument(0, "[numbers]")]
        [Description("Notebooks by number (3) or range (0-2); all of them when none is given.")]
        public string[] Numbers { get; init; } = [];
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var workspace = settings.Session.Workspace;
        var linter = new NotebookLinter(workspace.Root);
        var notebooks = workspace.Select(settings.Numbers);
        var exercises = new ExerciseFolder(workspace);
        var sources = exercises.HasSources
            ? exercises
                .Sources()
                .Where(s => settings.Numbers.Length == 0 || notebooks.Any(n => n.Number == s.Number))
                .ToList()
            : [];
        var findings = notebooks
            .SelectMany(linter.Check)
            .Concat(sources.SelectMany(s => linter.CheckExercises(s, exercises.Committed(s.Stem))))
            .ToList();
        if (settings.Numbers.Length == 0 && exercises.HasSources)
            findings.AddRange(
                exercises
                    .Orphans(sources)
                    .Select(o => new LintFinding(
                        $"exercises/{o}",
                        LintRule.Generated,
                        0,
                        "the notebook has no source in notebooks/exercises/source; write one or delete it"
                    ))
            );
        foreach (var finding in findings)
            settings.Session.Say(finding.ToString());
        settings.Session.Say(
            findings.Count == 0
                ? $"{notebooks.Count + sources.Count} notebook(s) are in order."
                : $"{findings.Count} finding(s) in {findings.Select(f => f.Notebook).Distinct().Count()} of "
                    + $"{notebooks.Count + sources.Count} notebook(s)."
        );
        return findings.Count == 0 ? 0 : 1;
    }
}
