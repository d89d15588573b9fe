namespace BalancedDiffusion.Reproduce.Site;

/// <summary>A link to a place in the site, kept so that it can be checked once all pages are known.</summary>
/// <param name="Page">The page's path in the site.</param>
/// <param name="Anchor">The id in the page, or null for its head.</param>
/// <param name="Where">Who links, e.g. <c>03-memorization, cell 4</c>.</param>
public sealed record SiteLink(string Page, string? Anchor, string Where);
