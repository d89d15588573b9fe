using BalancedDiffusion.Reproduce.Runner;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>What came of running one notebook of exercises.</summary>
/// <param name="Stem">The notebook's name.</param>
/// <param name="IsSolved">Whether it held the solutions.</param>
/// <param name="Answers">What its checks said.</param>
/// <param name="Failure">Why it did not run to its end, or null.</param>
/// <param name="Seconds">The wall time.</param>
public sealed record ExerciseTestRow(
    string Stem,
    bool IsSolved,
    IReadOnlyList<CheckedAnswer> Answers,
    NotebookFailure? Failure,
    double Seconds
)
{
    /// <summary>How many checks said what they must: that the solution is right, or that the blank is not
    /// answered.</summary>
    public int AsExpected => Answers.Count(IsAsExpected);

    /// <summary>Whether no cell failed and every check said what it must.</summary>
    public bool IsGood => Failure is null && AsExpected == Answers.Count;

    /// <summary>What is wrong, one sentence each.</summary>
    public IEnumerable<string> Problems =>
        (Failure is null ? [] : new[] { Failure.Sentence })
            .Concat(
                Answers
                    .Where(a => !IsAsExpected(a))
                    .Select(a => $"{a.Id}, which is {(IsSolved ? "solved" : "left blank")}: {a.Sentence}")
            )
            .Select(p => $"{Stem}: {p}");

    private bool IsAsExpected(CheckedAnswer answer) => IsSolved ? answer.IsPassed : answer.IsBlank;
}
