using BalancedDiffusion.Datasets;
using BalancedDiffusion.Reproduce.Commands;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce;

/// <summary>The command line: <c>run</c> (also without a command), <c>list</c>, <c>check</c>, <c>publish</c>,
/// <c>site</c>, <c>train</c>, <c>exercises …</c>, <c>course …</c>, <c>kernel install</c>, <c>data
/// …</c>.</summary>
public static class CommandLine
{
    /// <summary>The exit code for a command line that asks for something that cannot be.</summary>
    public const int UsageError = 2;

    private static readonly string[] ValueOptions =
    [
        "--profile",
        "--data",
        "--device",
        "--seed",
        "--out",
        "--timeout",
        "--jobs",
        "--prefix",
        "--steps",
        "--from",
        "--katex",
        "--api",
        "--manifest",
    ];

    /// <summary>Runs a command line.</summary>
    /// <param name="arguments">The words after the program's name.</param>
    /// <param name="console">Where to write.</param>
    /// <param name="startFolder">The folder to look for the repository from.</param>
    /// <param name="cancellation">Stops a run; what it has is kept.</param>
    /// <returns>0 when all is well, 1 on failures, 2 on a wrong command line, 130 when interrupted.</returns>
    public static async Task<int> RunAsync(
        IReadOnlyList<string> arguments,
        IAnsiConsole console,
        string startFolder,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ArgumentNullException.ThrowIfNull(console);
        var session = new Session(console, startFolder);
        for (var i = 0; i < arguments.Count; i++)
            if (
                ValueOptions.Contains(arguments[i])
                && (i + 1 == arguments.Count || arguments[i + 1].StartsWith("--", StringComparison.Ordinal))
            )
            {
                session.Say($"Error: {arguments[i]} needs a value. Try --help.");
                return UsageError;
            }
        var app = new CommandApp<RunCommand>().WithDescription(
            "Runs the numbered notebooks and keeps their figures, claims and a report."
        );
        app.Configure(c =>
        {
            c.SetApplicationName("dotnet run --project environment --");
            c.SetApplicationVersion("1.0");
            c.ConfigureConsole(console);
            c.UseStrictParsing();
            c.SetInterceptor(new SessionInterceptor(session));
            c.SetExceptionHandler((e, _) => Report(session, e));
            c.CancellationExitCode(130);
            c.AddCommand<RunCommand>("run")
                .WithDescription(
                    "Run notebooks headless (all of them when no number is given); results go to artifacts/."
                )
                .WithExample("run")
                .WithExample("run", "1", "2", "--profile", "full")
                .WithExample("run", "0-2", "--data", "fashion-mnist", "--out", "artifacts/fashion");
            c.AddCommand<ListCommand>("list")
                .WithDescription("List the notebooks with their titles and the time they took last.");
            c.AddCommand<CheckCommand>("check")
                .WithDescription("Check the committed notebooks: format, outputs, nothing of one machine in them.")
                .WithExample("check");
            c.AddCommand<PublishCommand>("publish")
                .WithDescription(
                    "Run notebooks and, when every cell ran and every claim holds, write the outputs back "
                        + "into notebooks/."
                )
                .WithExample("publish", "3");
            c.AddCommand<SiteCommand>("site")
                .WithDescription("Build a static site from the executed notebooks: pages, search, the table of claims.")
                .WithExample("site")
                .WithExample("site", "--from", "artifacts", "--out", "artifacts/site");
            c.AddCommand<TrainCommand>("train")
                .WithDescription("Train a model that the notebooks load, in full, and keep its weights.")
                .WithExample("train", "relu-diffusion-generalizing", "--data", "faces");
            c.AddBranch(
                "kernel",
                b =>
                {
                    b.SetDescription("The notebook kernel.");
                    b.AddCommand<KernelInstallCommand>("install")
                        .WithDescription("Register the pinned kernel with Jupyter for this user, or below a folder.")
                        .WithExample("kernel", "install")
                        .WithExample("kernel", "install", "--prefix", ".venv");
                }
            );
            c.AddBranch(
                "exercises",
                b =>
                {
                    b.SetDescription("The exercises: their notebooks are made from notebooks/exercises/source.");
                    b.AddCommand<ExercisesBuildCommand>("build")
                        .WithDescription("Make the notebooks with blanks for students, or with the solutions.")
                        .WithExample("exercises", "build")
                        .WithExample("exercises", "build", "--solved");
                    b.AddCommand<ExercisesTestCommand>("test")
                        .WithDescription(
                            "Run them with solutions, which must pass, and with blanks, which must be told so."
                        )
                        .WithExample("exercises", "test", "3");
                }
            );
            c.AddBranch(
                "course",
                b =>
                {
                    b.SetDescription("A class: its copy of the repository, and its grades.");
                    b.AddCommand<CourseNewCommand>("new")
                        .WithDescription("Copy the repository for a class, without the solutions.")
                        .WithExample("course", "new", "../course");
                    b.AddCommand<CourseGradeCommand>("grade")
                        .WithDescription("Run what a class handed in, and write one table.")
                        .WithExample("course", "grade", "../submissions", "--timeout", "60");
                }
            );
            c.AddBranch(
                "data",
                b =>
                {
                    b.SetDescription("The data sets and checkpoints.");
                    b.AddCommand<DataListCommand>("list")
                        .WithDescription("Show what this machine has, under which licence, and how to get the rest.");
                    b.AddCommand<DataFetchCommand>("fetch")
                        .WithDescription(
                            "Download what is missing of a data set or checkpoint into the user's cache, and verify it."
                        )
                        .WithExample("data", "fetch", "fashion-mnist")
                        .WithExample("data", "fetch", "sd14", "--yes");
                    b.AddCommand<DataWhereCommand>("where").WithDescription("Show the folders that are searched.");
                }
            );
        });
        return await app.RunAsync(arguments, cancellation);
    }

    private static int Report(Session session, Exception e)
    {
        if (e is OperationCanceledException)
        {
            session.Say("Interrupted.");
            return 130;
        }
        var usage = e is UsageException or CommandParseException or CommandRuntimeException;
        var text = e.Message.ReplaceLineEndings(" ").Trim();
        if (e is MissingDataException { EntryName: { } entry })
            text = $"{text.TrimEnd('.')}; to get it: {DataManifest.Load()[entry].HowToGet}";
        session.Say(
            usage
            || e
                is InvalidOperationException
                    or IOException
                    or InvalidDataException
                    or UnauthorizedAccessException
                    or ArgumentException
                    or FormatException
                ? "Error: " + text.TrimEnd('.') + "." + (e is CommandParseException ? " Try --help." : "")
                : $"Error: {e.GetType().Name}: {text}\n{e.StackTrace}"
        );
        return usage ? UsageError : 1;
    }

    private sealed class SessionInterceptor(Session session) : ICommandInterceptor
    {
        public void Intercept(CommandContext context, CommandSettings settings)
        {
            if (settings is SessionSettings own)
                own.Session = session;
        }
    }
}
