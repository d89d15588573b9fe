namespace BalancedDiffusion.Reproduce.Site;

/// <summary>What a site is built from and where it goes.</summary>
/// <param name="NotebooksFolder">The folder of executed notebooks, absolute; its <c>exercises/</c> is read too where it
/// exists.</param>
/// <param name="Out">The folder of the site, absolute.</param>
/// <param name="Katex">The formula setter's files.</param>
/// <param name="Api">The folder of the API reference, absolute, which holds <c>index.html</c>; null where the site has
/// none.</param>
public sealed record SiteOptions(string NotebooksFolder, string Out, KatexFolder Katex, string? Api = null);
