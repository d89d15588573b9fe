using BalancedDiffusion.Reproduce.Runner.Linting;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>The linter's rules for notebooks of exercises.</summary>
public static class ExerciseLinting
{
    /// <summary>Checks a committed notebook of exercises.</summary>
    /// <param name="linter">The linter.</param>
    /// <param name="source">The source that the notebook is generated from.</param>
    /// <param name="committed">The content of the committed file, or null where there is none.</param>
    public static IReadOnlyList<LintFinding> CheckExercises(
        this NotebookLinter linter,
        ExerciseSource source,
        string? committed
    )
    {
        ArgumentNullException.ThrowIfNull(linter);
        ArgumentNullException.ThrowIfNull(source);
        return linter.CheckGenerated(
            $"exercises/{source.Stem}",
            ExerciseNotebook.Blank(source),
            ExerciseSource.FirstCell,
            committed
        );
    }
}
