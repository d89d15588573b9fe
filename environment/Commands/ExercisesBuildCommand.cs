using System.ComponentModel;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>exercises build</c>: makes the notebooks of the exercises from their sources.</summary>
public sealed class ExercisesBuildCommand : Command<ExercisesBuildCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>Whether with solutions.</summary>
        [CommandOption("--solved")]
        [Description(
            "Fill the solutions in, for the teacher's eyes; written to artifacts/exercises unless --out says "
                + "otherwise, and never into notebooks/."
        )]
        public bool Solved { get; init; }

        /// <summary>Where they go.</summary>
        [CommandOption("--out <DIR>")]
        [Description(
            "The folder to write into; notebooks/exercises, or artifacts/exercises with --solved, when not given."
        )]
        public string? Out { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate() =>
            Out is not null && string.IsNullOrWhiteSpace(Out)
                ? ValidationResult.Error("--out must name a folder, was empty.")
                : ValidationResult.Success();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var session = settings.Session;
        var workspace = session.Workspace;
        var exercises = new ExerciseFolder(workspace);
        var folder =
            settings.Out is { } named ? Path.GetFullPath(named, session.StartFolder)
            : settings.Solved ? Path.Combine(workspace.DefaultOut, "exercises")
            : exercises.Folder;
        if (File.Exists(folder))
            throw new UsageException($"--out must name a folder, but '{settings.Out}' is a file.");
        if (settings.Solved && workspace.IsInNotebooks(folder))
            throw new UsageException(
                "solutions do not belong into notebooks/, where they would be handed to students; "
                    + $"'{settings.Out}' lies there."
            );
        var sources = exercises.Sources();
        foreach (var source in sources)
            (settings.Solved ? ExerciseNotebook.Solved(source) : ExerciseNotebook.Blank(source)).Save(
                Path.Combine(folder, source.Stem + ".ipynb")
            );
        session.Say(
            $"Wrote {sources.Count} notebook(s) with {sources.Sum(s => s.Tasks.Count)} "
                + $"exercises{(settings.Solved ? ", solved," : "")} into "
                + $"{Path.GetRelativePath(session.StartFolder, folder)}"
        );
        return 0;
    }
}
