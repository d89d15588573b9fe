namespace BalancedDiffusion.Notebook;

/// <summary>A folder of the library on the <see cref="LibraryMap"/>.</summary>
/// <param name="Name">Its name, such as <c>Noise</c>.</param>
/// <param name="Purpose">What it is for, in a few words.</param>
/// <param name="Types">The types to begin with.</param>
/// <param name="Column">Its place, from the left, from 0.</param>
/// <param name="Row">Its place, from above, from 0.</param>
public sealed record LibraryFolder(string Name, string Purpose, IReadOnlyList<string> Types, int Column, int Row);
