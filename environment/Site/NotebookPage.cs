using System.Text;
using BalancedDiffusion.Reproduce.Runner;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>The page of a notebook while it is made and after.</summary>
/// <param name="source">The notebook.</param>
public sealed class NotebookPage(SiteSource source)
{
    private readonly HashSet<string> anchors = new(StringComparer.Ordinal);

    /// <summary>The notebook.</summary>
    public SiteSource Source => source;

    /// <summary>The content, HTML.</summary>
    public StringBuilder Body { get; } = new();

    /// <summary>Its headings in order.</summary>
    public List<SiteHeading> Headings { get; } = [];

    /// <summary>What the search knows of it; a section begins at each heading.</summary>
    public List<SearchSection> Sections { get; } = [];

    /// <summary>Its claims in order.</summary>
    public List<ClaimOnPage> Claims { get; } = [];

    /// <summary>Its pictures in order.</summary>
    public List<Figure> Figures { get; } = [];

    /// <summary>Its links into the site.</summary>
    public List<SiteLink> Links { get; } = [];

    /// <summary>Files beside the page that it shows, by their path in the site.</summary>
    public SortedDictionary<string, byte[]> Files { get; } = new(StringComparer.Ordinal);

    /// <summary>How many of its figures are charts.</summary>
    public int Charts { get; set; }

    /// <summary>How many formulas it holds.</summary>
    public int Formulas { get; set; }

    /// <summary>The first paragraph after the title, plain text; empty where there is none.</summary>
    public string Lead { get; set; } = "";

    /// <summary>Whether a place has this id.</summary>
    public bool HasAnchor(string anchor) => anchors.Contains(anchor);

    /// <summary>An id for a place, with a number behind it where it is taken.</summary>
    public string Anchor(string wish)
    {
        var anchor = wish.Length == 0 ? "section" : wish;
        for (var n = 1; !anchors.Add(anchor); n++)
            anchor = $"{wish}-{n}";
        return anchor;
    }
}
