namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Leads the links of notebooks to pages of the site.</summary>
/// <param name="pages">The pages.</param>
/// <param name="committedFolder">The repository's folder of notebooks, where a link may lead to what is not part of the
/// site.</param>
public sealed class LinkResolver(IReadOnlyList<SiteSource> pages, string committedFolder)
{
    private static readonly string[] Elsewhere = ["http://", "https://", "mailto:"];

    /// <summary>Where a link leads in the site.</summary>
    /// <param name="url">The link as the notebook has it.</param>
    /// <param name="isPicture">Whether it is a picture's.</param>
    /// <param name="page">The page it stands in; learns of the link, and of the picture's file.</param>
    /// <param name="where">The place, for messages.</param>
    /// <returns>The link from the page, or null where it leads to a file of the repository that the site does not
    /// have.</returns>
    /// <exception cref="FormatException">The link leads nowhere, or the picture would be fetched from
    /// elsewhere.</exception>
    public string? Resolve(string url, bool isPicture, NotebookPage page, string where)
    {
        ArgumentNullException.ThrowIfNull(page);
        var source = page.Source;
        if (Elsewhere.Any(e => url.StartsWith(e, StringComparison.OrdinalIgnoreCase)))
            return isPicture
                ? throw new FormatException(
                    $"the picture '{url}' would be fetched from elsewhere; commit it beside the notebook"
                )
                : url;
        if (isPicture && url.StartsWith("data:image/", StringComparison.OrdinalIgnoreCase))
            return url;
        var (path, anchor) = url.Split('#', 2) is [var before, var after] ? (before, after) : (url, null);
        var inNotebooks = Path.Combine(Path.GetDirectoryName(source.Name) ?? "", Uri.UnescapeDataString(path));
        var file = Path.GetFullPath(Uri.UnescapeDataString(path), Path.GetDirectoryName(source.File)!);
        if (isPicture)
            return Picture(url, file, inNotebooks, page);
        if ((path.Length == 0 ? source : pages.FirstOrDefault(p => p.File == file)) is { } target)
        {
            page.Links.Add(new SiteLink(target.Page, anchor, where));
            return (path.Length == 0 ? "" : source.Root + target.Page) + (anchor is null ? "" : "#" + anchor);
        }
        return new[] { file, Path.GetFullPath(inNotebooks, committedFolder) }.Any(Path.Exists)
            ? null
            : throw new FormatException($"the link to '{url}' leads nowhere; fix it");
    }

    private string Picture(string url, string file, string inNotebooks, NotebookPage page)
    {
        if (!File.Exists(file))
            file = Path.GetFullPath(inNotebooks, committedFolder);
        if (!File.Exists(file))
            throw new FormatException($"the picture '{url}' does not exist; fix its path");
        var name = "figures/" + Path.GetFileName(file);
        page.Files[name] = File.ReadAllBytes(file);
        return page.Source.Root + name;
    }
}
