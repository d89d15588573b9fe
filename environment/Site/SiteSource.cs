using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>A notebook that becomes a page.</summary>
/// <param name="File">Its absolute path.</param>
/// <param name="Name">Its path from the folder of notebooks without the ending, with slashes, e.g.
/// <c>03-memorization</c> or <c>exercises/03-memorization</c>.</param>
/// <param name="Document">Its content.</param>
public sealed partial record SiteSource(string File, string Name, NotebookDocument Document)
{
    /// <summary>Whether it is an exercise, which is committed without outputs.</summary>
    public bool IsExercise => Name.Contains('/');

    /// <summary>The page's path in the site.</summary>
    public string Page => Name + ".html";

    /// <summary>The way from the page to the site's root: empty, or <c>../</c>.</summary>
    public string Root => IsExercise ? "../" : "";

    /// <summary>The title, or the name where the notebook has none.</summary>
    public string Title => Document.Title ?? Name;

    /// <summary>The images that it was executed with, as <c>Lab.Start</c> says, or null where it does not.</summary>
    public string? Images =>
        Document
            .CodeCells.SelectMany(c => c.Outputs)
            .Select(o => Started().Match(NotebookText.Join(o["data"]?["text/plain"])))
            .FirstOrDefault(m => m.Success)
            ?.Groups[1]
            .Value;

    [GeneratedRegex(
        @"^notebook .*?^images +(\S+)$",
        RegexOptions.Singleline | RegexOptions.Multiline | RegexOptions.CultureInvariant
    )]
    private static partial Regex Started();
}
