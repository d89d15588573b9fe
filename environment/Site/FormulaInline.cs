using Markdig.Syntax.Inlines;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>A formula in prose.</summary>
public sealed class FormulaInline : LeafInline
{
    /// <summary>LaTeX without its dollar signs.</summary>
    public required string Tex { get; init; }

    /// <summary>Whether it stood between two dollar signs on each side.</summary>
    public required bool IsDisplay { get; init; }
}
