using System.Text;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Builds the site of the notebooks: pages that need no server, no network and no script from
/// elsewhere.</summary>
/// <param name="workspace">The repository.</param>
public sealed class SiteBuilder(Workspace workspace)
{
    private static readonly string[] Assets =
    [
        "site.css",
        "theme.js",
        "site.js",
        "charts.js",
        "search.js",
        "claims.js",
        "icon.svg",
    ];

    /// <summary>Builds the site. Everything is made before the first file is written, so that a mistake leaves the site
    /// of an earlier build as it was.</summary>
    /// <param name="options">From where and to where.</param>
    /// <param name="outName">How the user called the folder of the site.</param>
    /// <param name="cancellation">Stops between two pages.</param>
    /// <exception cref="UsageException">There are no notebooks, one has no outputs, or the folder cannot be
    /// used.</exception>
    /// <exception cref="FormatException">Something in a notebook cannot be shown; the message says where.</exception>
    public SiteSummary Build(SiteOptions options, string outName, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        var folder = SiteFolder.Open(options.Out, outName);
        var sources = Sources(options.NotebooksFolder);
        var (style, fonts) = options.Katex.Pages();
        using var math = new MathRenderer(options.Katex.Script);
        var renderer = new NotebookPageRenderer(
            new ProseRenderer(math),
            new LinkResolver(sources, workspace.NotebooksFolder)
        );
        var pages = new List<NotebookPage>();
        foreach (var source in sources)
        {
            cancellation.ThrowIfCancellationRequested();
            pages.Add(renderer.Render(source));
        }
        CheckLinks(pages);

        var template = new PageTemplate(sources, hasApi: options.Api is not null);
        var overview = new OverviewPages(pages);
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        void Add(string path, string text) => files[path] = Encoding.UTF8.GetBytes(text);
        Add(
            PageTemplate.IndexPage,
            template.Plain(
                PageTemplate.IndexPage,
                PageTemplate.SiteName,
                "Why do diffusion models generalize? Notebooks that rebuild, check and correct the paper.",
                overview.Index()
            )
        );
        Add(
            PageTemplate.ClaimsPage,
            template.Plain(
                PageTemplate.ClaimsPage,
                $"Claims · {PageTemplate.SiteName}",
                "Every statement that the notebooks check, what was measured, and its bound.",
                overview.Claims()
            )
        );
        foreach (var page in pages)
        {
            Add(page.Source.Page, template.Notebook(page));
            foreach (var (path, content) in page.Files)
                files[path] = content;
        }
        Add(
            "assets/search-index.js",
            SearchIndex.Script(sources.ToDictionary(s => s.Page, s => s.Title), [.. pages.SelectMany(p => p.Sections)])
        );
        Add("assets/katex/katex.css", style);
        foreach (var (path, content) in fonts)
            files["assets/katex/" + path] = content;
        foreach (var asset in Assets)
            Add("assets/" + asset, PageTemplate.Asset(asset));
        if (pages.Any(p => p.Charts > 0))
            files["assets/plotly.js"] = PlotlyScript.Read(Workspace.Find(AppContext.BaseDirectory).KernelFolder);
        if (options.Api is { } api)
            foreach (var file in Directory.EnumerateFiles(api, "*", SearchOption.AllDirectories))
                files[PageTemplate.ApiFolder + Path.GetRelativePath(api, file).Replace('\\', '/')] = File.ReadAllBytes(
                    file
                );
        folder.Write(files);
        return new SiteSummary(
            pages.Count,
            pages.Sum(p => p.Figures.Count),
            pages.Sum(p => p.Charts),
            pages.Sum(p => p.Formulas),
            pages.Sum(p => p.Claims.Count),
            files.Values.Sum(f => (long)f.Length),
            [.. sources.Select(s => s.Images).OfType<string>().Distinct()]
        );
    }

    private static List<SiteSource> Sources(string folder)
    {
        var notebooks = Workspace
            .NotebooksIn(folder)
            .Select(n => new SiteSource(n.File, n.Stem, NotebookDocument.Load(n.File)))
            .ToList();
        if (notebooks.Count == 0)
            throw new UsageException(
                $"the folder '{Path.GetFileName(folder)}' holds no numbered notebook (NN-title.ipynb), so "
                    + "there is nothing to build a site from."
            );
        if (notebooks.FirstOrDefault(n => !n.Document.CodeCells.Any(c => c.Outputs.Any())) is { } empty)
            throw new UsageException(
                $"{empty.Name} has no outputs to show; run 'publish', which executes the notebooks, and build "
                    + "the site again."
            );
        var exercises = Path.Combine(folder, "exercises");
        if (Directory.Exists(exercises))
            notebooks.AddRange(
                Directory
                    .EnumerateFiles(exercises, "*.ipynb")
                    .Order(StringComparer.Ordinal)
                    .Select(f => new SiteSource(
                        f,
                        "exercises/" + Path.GetFileNameWithoutExtension(f),
                        NotebookDocument.Load(f)
                    ))
            );
        return notebooks;
    }

    private static void CheckLinks(List<NotebookPage> pages)
    {
        foreach (var link in pages.SelectMany(p => p.Links).Where(l => l.Anchor is { Length: > 0 }))
            if (!pages.Single(p => p.Source.Page == link.Page).HasAnchor(Uri.UnescapeDataString(link.Anchor!)))
                throw new FormatException(
                    $"{link.Where}: there is no place '#{link.Anchor}' in "
                        + $"{Path.ChangeExtension(link.Page, ".ipynb")}; fix the link"
                );
    }
}
