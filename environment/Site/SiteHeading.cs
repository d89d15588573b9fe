namespace BalancedDiffusion.Reproduce.Site;

/// <summary>A heading of a page.</summary>
/// <param name="Level">1 to 6.</param>
/// <param name="Anchor">Its id in the page.</param>
/// <param name="Html">What it says, HTML without links.</param>
public sealed record SiteHeading(int Level, string Anchor, string Html);
