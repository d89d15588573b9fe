namespace BalancedDiffusion.Notebook;

/// <summary>A room on the <see cref="LibraryMap"/>.</summary>
/// <param name="Name">Its folder, or folders with commas between them.</param>
/// <param name="Question">What it answers.</param>
/// <param name="Types">The types to begin with.</param>
/// <param name="Column">Its place, from the left, from 0.</param>
/// <param name="Row">Its place, from above, from 0.</param>
public sealed record LibraryFolder(string Name, string Question, IReadOnlyList<string> Types, int Column, int Row);
