using System.ComponentModel;
using BalancedDiffusion.Reproduce.Course;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>course new</c>: a copy of the repository for a class, without the solutions.</summary>
public sealed class CourseNewCommand : Command<CourseNewCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The folder.</summary>
        [CommandArgument(0, "<DIR>")]
        [Description("The folder to make; it must not exist yet, or be empty.")]
        public string Folder { get; init; } = "";

        /// <inheritdoc/>
        public override ValidationResult Validate() =>
            string.IsNullOrWhiteSpace(Folder)
                ? ValidationResult.Error("DIR must name a folder, was empty.")
                : ValidationResult.Success();
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var session = settings.Session;
        var files = StudentCopy.Make(
            session.Workspace,
            Path.GetFullPath(settings.Folder, session.StartFolder),
            cancellationToken
        );
        session.Say(
            $"{settings.Folder} holds the course: {files} files, no solutions. Put it under version control "
                + "and give it to the class; its notebooks/exercises/README.md tells students what to do."
        );
        session.Say("Grade what comes back with 'course grade FOLDER' in this clone.");
        return 0;
    }
}
