using System.Text;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>A part of a page between two headings, as the search sees it.</summary>
/// <param name="page">The page's path in the site.</param>
/// <param name="anchor">The heading's id in the page.</param>
/// <param name="heading">The heading, plain text.</param>
public sealed class SearchSection(string page, string anchor, string heading)
{
    private readonly StringBuilder text = new(),
        code = new();

    /// <summary>The page's path in the site.</summary>
    public string Page => page;

    /// <summary>The heading's id in the page.</summary>
    public string Anchor => anchor;

    /// <summary>The heading, plain text.</summary>
    public string Heading => heading;

    /// <summary>The prose, captions and claims, plain text with single blanks.</summary>
    public string Text => text.ToString();

    /// <summary>The code, which is searched but not shown.</summary>
    public string Code => code.ToString();

    /// <summary>Adds what a reader reads.</summary>
    public void AddText(string plain) =>
        text.Append(text.Length > 0 ? " " : "")
            .AppendJoin(' ', plain.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Adds a cell's code.</summary>
    public void AddCode(string source) => code.Append(source).Append('\n');
}
