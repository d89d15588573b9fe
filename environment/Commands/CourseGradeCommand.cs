using System.ComponentModel;
using System.Globalization;
using BalancedDiffusion.Reproduce.Course;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>course grade</c>: runs what a class handed in, and writes one table.</summary>
public sealed class CourseGradeCommand : AsyncCommand<CourseGradeCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The folder of submissions.</summary>
        [CommandArgument(0, "<SUBMISSIONS>")]
        [Description("A folder with a folder, or a notebook, for each student.")]
        public string Submissions { get; init; } = "";

        /// <summary>Where the table goes.</summary>
        [CommandOption("--out <FILE>")]
        [Description(
            "The table, comma-separated; artifacts/grades.csv when not given. Beside it lies a journal, from "
                + "which a run that was stopped goes on."
        )]
        public string? Out { get; init; }

        /// <summary>The time limit.</summary>
        [CommandOption("--timeout <SECONDS>")]
        [Description(
            "Seconds that one answer, or its check, may take before the notebook is killed and run again "
                + "without it; 60 when not given."
        )]
        public string? Timeout { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate()
        {
            if (
                Timeout is not null
                && !(
                    double.TryParse(Timeout, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds)
                    && seconds is >= 1 and <= 36_000
                )
            )
                return ValidationResult.Error($"--timeout must be seconds from 1 to 36000, was '{Timeout}'.");
            return Out is not null && string.IsNullOrWhiteSpace(Out)
                ? ValidationResult.Error("--out must name a file, was empty.")
                : ValidationResult.Success();
        }
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
        var exercises = new ExerciseFolder(workspace);
        var sources = exercises.Sources();
        var folder = Path.GetFullPath(settings.Submissions, session.StartFolder);
        var file = Path.GetFullPath(
            settings.Out ?? Path.Combine(workspace.DefaultOut, "grades.csv"),
            session.StartFolder
        );
        if (Directory.Exists(file))
            throw new UsageException($"--out must name a file, but '{settings.Out}' is a folder.");
        var submissions = new SubmissionReader(sources).Read(folder);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        await ToolManifest.Load(workspace).EnsureAsync(session.Say, cancellationToken);

        var (table, journal) = (new GradeTable(sources, submissions), new GradeJournal(file + ".journal"));
        var all = submissions
            .SelectMany(s =>
                s.Chapters.Select(c => (s.Student, Source: sources.Single(x => x.Number == c.Key), Answers: c.Value))
            )
            .ToList();
        var plan = JobPlan.Choose(
            null,
            Math.Max(all.Count, 1),
            Environment.ProcessorCount,
            MemorySize.Free(),
            onGpu: false,
            Environment.GetEnvironmentVariable("OMP_NUM_THREADS")
        );
        if (plan.Notice is { } notice)
            session.Say(notice);
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var confinement = Confinement.Create(
            [workspace.Root, .. Directory.Exists(home) ? [home] : Array.Empty<string>(), Path.GetDirectoryName(file)!],
            [folder, exercises.SourceFolder]
        );
        var grader = new Grader(
            workspace,
            confinement,
            TimeSpan.FromSeconds(
                settings.Timeout is null ? 60 : double.Parse(settings.Timeout, CultureInfo.InvariantCulture)
            ),
            plan.Threads
        );
        var keys = all.Select(a => grader.Key(a.Student, a.Source, a.Answers)).ToList();
        var open = new List<int>();
        for (var i = 0; i < all.Count; i++)
            if (journal.Find(keys[i]) is { } known)
                table.Add(known);
            else
                open.Add(i);
        table.Save(file);
        var (writing, missed) = (new Lock(), new List<string>());
        var pace = new ParallelOptions { MaxDegreeOfParallelism = plan.Jobs, CancellationToken = cancellationToken };
        if (open.Count < all.Count)
            session.Say($"{all.Count - open.Count} of {all.Count} notebook(s) are graded already.");
        if (open.Count > 0)
            session.Say(confinement.Notice);
        try
        {
            await Parallel.ForEachAsync(
                open.Select(i => all[i].Source).Distinct(),
                pace,
                async (source, token) =>
                {
                    if (await grader.RehearseAsync(source, token) is { } sentence)
                        throw new InvalidOperationException(sentence);
                }
            );
            await Parallel.ForEachAsync(
                open,
                pace,
                async (i, token) =>
                {
                    ChapterGrade grade;
                    try
                    {
                        grade = await grader.GradeAsync(all[i].Student, all[i].Source, all[i].Answers, token);
                    }
                    catch (InvalidOperationException e)
                    {
                        lock (writing)
                            missed.Add(
                                $"{all[i].Student}, {all[i].Source.Stem}: not graded, {e.Message}; run the "
                                    + "command again"
                            );
                        return;
                    }
                    lock (writing)
                    {
                        journal.Add(keys[i], grade);
                        table.Add(grade);
                        table.Save(file);
                        session.Say(
                            $"{grade.Student}, {all[i].Source.Stem}: {grade.Answers.Count(a => a.IsPassed)} "
                                + $"of {grade.Answers.Count}"
                        );
                    }
                }
            );
        }
        catch (OperationCanceledException)
        {
            session.Say("What is graded so far is kept; the same command goes on from there.");
            throw;
        }
        foreach (var line in table.Lines().Prepend("").Concat(missed.Order(StringComparer.Ordinal)))
            session.Say(line);
        session.Say($"Table: {Path.GetRelativePath(session.StartFolder, file)}");
        return missed.Count == 0 ? 0 : 1;
    }
}
