using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>Runs notebooks of exercises with their solutions and with their blanks.</summary>
/// <param name="workspace">The repository.</param>
/// <param name="options">How to run them.</param>
public sealed class ExerciseTest(Workspace workspace, RunOptions options)
{
    /// <summary>Runs every source twice, solved and blank; whatever happens to a notebook becomes part of its
    /// row.</summary>
    /// <param name="sources">The sources.</param>
    /// <param name="done">Told of each row when it is there, one at a time.</param>
    /// <param name="cancellation">Stops the run.</param>
    /// <returns>The rows in the order of the sources, solved before blank.</returns>
    /// <exception cref="OperationCanceledException">The run was stopped.</exception>
    public async Task<IReadOnlyList<ExerciseTestRow>> RunAsync(
        IReadOnlyList<ExerciseSource> sources,
        Action<ExerciseTestRow> done,
        CancellationToken cancellation
    )
    {
        var runner = new NotebookRunner(
            workspace,
            options with
            {
                KernelEnvironment = new KernelEnvironment(new ExerciseFolder(workspace).Folder),
            }
        );
        var jobs = sources.SelectMany(s => new[] { (Source: s, Solved: true), (Source: s, Solved: false) }).ToList();
        var rows = new ExerciseTestRow[jobs.Count];
        var telling = new Lock();
        await Parallel.ForAsync(
            0,
            jobs.Count,
            new ParallelOptions { MaxDegreeOfParallelism = options.Jobs, CancellationToken = cancellation },
            async (i, token) =>
            {
                var (source, solved) = jobs[i];
                var file = Path.Combine(options.Out, solved ? "solved" : "blank", source.Stem + ".ipynb");
                (solved ? ExerciseNotebook.Solved(source) : ExerciseNotebook.Blank(source)).Save(file);
                var result = await runner.RunAsync(new NotebookFile(file, source.Number), new NoProgress(), token);
                token.ThrowIfCancellationRequested();
                result.Document!.Save(file);
                rows[i] = new ExerciseTestRow(
                    source.Stem,
                    solved,
                    [.. source.Tasks.Select(t => CheckedAnswer.Read(t, result.Document))],
                    result.Failure,
                    result.Seconds
                );
                lock (telling)
                    done(rows[i]);
            }
        );
        return rows;
    }
}
