using System.Security.Cryptography;
using System.Text;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>
/// Grades answers by running them in the teacher's own notebook: of a submission only the cells of answers are taken,
/// so that changed checks and written outputs count for nothing. Each chapter of a student has a kernel, a folder and a
/// time of its own. An answer that ends the kernel or does not end costs itself and is left blank in the next try, so
/// that the others are graded.
/// </summary>
/// <param name="workspace">The repository.</param>
/// <param name="confinement">Where submissions run.</param>
/// <param name="limit">The time for one answer and for its check, each.</param>
/// <param name="threads">Threads of each kernel; null where the environment decides.</param>
public sealed class Grader(Workspace workspace, Confinement confinement, TimeSpan limit, int? threads)
{
    // For the kernel, the library and the cells that are given: minutes on a machine that is busy.
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(10);

    private const string OwnFolder = "System.IO.Directory.SetCurrentDirectory(System.IO.Path.GetTempPath());\n";

    /// <summary>Names all that a grade depends on: the student, the answers, the teacher's notebook, the library and
    /// the time.</summary>
    public string Key(string student, ExerciseSource source, IReadOnlyDictionary<string, string> answers)
    {
        var builds = new[]
        {
            "BalancedDiffusion.dll",
            "BalancedDiffusion.Notebook.dll",
            "BalancedDiffusion.Exercises.dll",
        }
            .Select(f => Path.Combine(workspace.KernelFolder, f))
            .Select(f => File.Exists(f) ? Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(f))) : "");
        var all = string.Join('\n', [student, Notebook(source, answers, []).ToJson(), limit.ToString(), .. builds]);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(all)));
    }

    /// <summary>Runs the solutions as a submission would be; null when all pass, else one sentence.</summary>
    public async Task<string?> RehearseAsync(ExerciseSource source, CancellationToken cancellation)
    {
        var grade = await GradeAsync(
            "",
            source,
            source.Cells.Where(c => c.Kind == ExerciseCellKind.Answer).ToDictionary(c => c.Id, c => c.Solved),
            cancellation
        );
        return grade.Answers.FirstOrDefault(a => !a.IsPassed) is { } failed
            ? $"the solution of {failed.Id} does not pass where submissions run ({failed.Sentence}); nothing was graded"
            : null;
    }

    /// <summary>Grades one chapter of one student; whatever the answers do becomes part of the grade.</summary>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    /// <exception cref="InvalidOperationException">The kernel does not start, or what is given does not run: nothing
    /// that the student did.</exception>
    public async Task<ChapterGrade> GradeAsync(
        string student,
        ExerciseSource source,
        IReadOnlyDictionary<string, string> answers,
        CancellationToken cancellation
    )
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(answers);
        if (
            source
                .Cells.Where(c => c.Kind == ExerciseCellKind.Answer)
                .All(c =>
                    !answers.TryGetValue(c.Id, out var code)
                    || Trimmed(code).Length == 0
                    || Trimmed(code) == Trimmed(c.Blank)
                )
        )
            return new ChapterGrade(
                student,
                source.Number,
                [.. source.Tasks.Select(t => new CheckedAnswer(t.Id, "blank", "not answered yet"))]
            );
        var ended = new Dictionary<string, string>();
        while (true)
        {
            var own = Directory.CreateTempSubdirectory("balanced-diffusion-grading-").FullName;
            try
            {
                var file = Path.Combine(own, source.Stem + ".ipynb");
                Notebook(source, answers, ended.Keys).Save(file);
                var limits = source
                    .Tasks.SelectMany(t => new[] { t.AnswerCell, t.CheckCell })
                    .ToDictionary(id => id, _ => limit);
                var options = new RunOptions("quick", "faces", "cpu", null, own, StartLimit, 1, threads)
                {
                    NotebookLimit = StartLimit + limits.Count * limit,
                    CellLimits = limits,
                    KeepGoing = true,
                    KernelEnvironment = confinement.KernelEnvironmentFor(new ExerciseFolder(workspace).Folder, own),
                };
                var result = await new NotebookRunner(workspace, options).RunAsync(
                    new NotebookFile(file, source.Number),
                    new NoProgress(),
                    cancellation
                );
                cancellation.ThrowIfCancellationRequested();
                if (
                    result.Failure is { Kind: FailureKind.Timeout or FailureKind.Crash } stop
                    && source.Tasks.FirstOrDefault(t => t.AnswerCell == stop.CellId || t.CheckCell == stop.CellId)
                        is { } task
                    && ended.TryAdd(task.Id, Reason(stop))
                )
                    continue;
                if (result.Failure is { } early && IsGiven(source, early.CellId))
                    throw new InvalidOperationException(early.Sentence);
                var unreached = result.Failure is { Kind: FailureKind.Timeout or FailureKind.Crash } end
                    ? $"the notebook ended before its check: {end.Sentence}"
                    : null;
                return new ChapterGrade(
                    student,
                    source.Number,
                    [
                        .. source.Tasks.Select(t =>
                            ended.TryGetValue(t.Id, out var reason)
                                ? new CheckedAnswer(t.Id, CheckedAnswer.None, reason)
                            : CheckedAnswer.Read(t, result.Document!) is { Outcome: CheckedAnswer.None } none
                            && unreached is not null
                                ? none with
                                {
                                    Sentence = unreached,
                                }
                            : CheckedAnswer.Read(t, result.Document!)
                        ),
                    ]
                );
            }
            finally
            {
                Delete(own);
            }
        }
    }

    // Whether nothing of the student's has run yet: the kernel, or a cell before the first answer.
    private static bool IsGiven(ExerciseSource source, string? cell) =>
        cell is null || source.Cells.TakeWhile(c => c.Kind != ExerciseCellKind.Answer).Any(c => c.Id == cell);

    private static NotebookDocument Notebook(
        ExerciseSource source,
        IReadOnlyDictionary<string, string> answers,
        IReadOnlyCollection<string> ended
    )
    {
        var dropped = source.Tasks.Where(t => ended.Contains(t.Id)).Select(t => t.AnswerCell).ToHashSet();
        return ExerciseNotebook.Make(
            source,
            cell =>
                cell switch
                {
                    { Kind: ExerciseCellKind.Answer }
                        when !dropped.Contains(cell.Id)
                            && answers.TryGetValue(cell.Id, out var code)
                            && Trimmed(code).Length > 0 => code,
                    // By its full name, so that an answer cannot put a check of its own in its place.
                    { Kind: ExerciseCellKind.Check } => "global::BalancedDiffusion.Exercises." + cell.Blank,
                    _ when cell.Blank == ExerciseSource.SecondCell(source.Stem) => OwnFolder + cell.Blank,
                    _ => cell.Blank,
                }
        );
    }

    private string Reason(NotebookFailure stop) =>
        stop.Kind == FailureKind.Crash
            ? $"the answer ended the kernel: {stop.Error.Message.Split('\n')[0]}"
            : FormattableString.Invariant($"the answer did not end within {limit.TotalSeconds:0.#} seconds");

    private static string Trimmed(string code) => code.ReplaceLineEndings("\n").Trim();

    private static void Delete(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        { /* the system's temporary folder is emptied by the system */
        }
    }
}
