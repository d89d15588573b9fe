namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Where in the site a claim stands.</summary>
/// <param name="Page">The page's path in the site.</param>
/// <param name="Anchor">The id of its cell in the page.</param>
/// <param name="Claim">The claim.</param>
public sealed record ClaimOnPage(string Page, string Anchor, Claim Claim);
