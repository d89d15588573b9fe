namespace BalancedDiffusion.Reproduce.Course;

/// <summary>What one student handed in.</summary>
/// <param name="Student">The name of the folder or file.</param>
/// <param name="Chapters">The answers by the chapter's number: by the id of its cell, the code.</param>
/// <param name="Remarks">What could not be used, one sentence each.</param>
public sealed record Submission(
    string Student,
    IReadOnlyDictionary<int, IReadOnlyDictionary<string, string>> Chapters,
    IReadOnlyList<string> Remarks
);
