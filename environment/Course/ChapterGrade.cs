using BalancedDiffusion.Reproduce.Course.Exercises;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>What came of one student's answers to one chapter.</summary>
/// <param name="Student">The student.</param>
/// <param name="Chapter">The chapter's number.</param>
/// <param name="Answers">What the checks said, one for each exercise in order.</param>
public sealed record ChapterGrade(string Student, int Chapter, IReadOnlyList<CheckedAnswer> Answers);
