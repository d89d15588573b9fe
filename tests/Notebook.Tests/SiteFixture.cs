using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Reproduce.Site;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The site of the committed notebooks, built once, and the browser that looks at it.</summary>
public sealed class SiteFixture : IAsyncDisposable
{
    private readonly Lazy<(string Folder, SiteSummary Summary)> built = new(Build);
    private BrowserSession? browser;

    /// <summary>The repository.</summary>
    public static Workspace Repository => Workspace.Find(AppContext.BaseDirectory);

    /// <summary>The folder of the site.</summary>
    public string Folder => built.Value.Folder;

    /// <summary>What the build said that it holds.</summary>
    public SiteSummary Summary => built.Value.Summary;

    /// <summary>The pages of the site, in order of their names.</summary>
    public IReadOnlyList<string> Pages =>
        [.. Directory.EnumerateFiles(Folder, "*.html", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>The browser; skips the test where there is none.</summary>
    public async Task<BrowserSession> BrowserAsync() => browser ??= await BrowserSession.StartAsync();

    /// <summary>KaTeX of this machine; skips the test where there is none.</summary>
    public static KatexFolder Katex()
    {
        try
        {
            return KatexFolder.Find(null, Repository.Root, Environment.GetEnvironmentVariable);
        }
        catch (UsageException e)
        {
            Assert.Skip($"The site is not built: {e.Message}");
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (browser is not null)
            await browser.DisposeAsync();
        if (built.IsValueCreated)
            Directory.Delete(Folder, recursive: true);
    }

    private static (string, SiteSummary) Build()
    {
        var katex = Katex();
        var folder = Directory.CreateTempSubdirectory("site-test-").FullName;
        return (
            folder,
            new SiteBuilder(Repository).Build(new SiteOptions(Repository.NotebooksFolder, folder, katex), folder)
        );
    }
}
