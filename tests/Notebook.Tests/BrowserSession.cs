using Microsoft.Playwright;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>A headless browser of this machine, driven by Playwright. It remembers what pages complained about and what
/// they asked for; it reaches no network.</summary>
public sealed class BrowserSession : IAsyncDisposable
{
    private readonly IPlaywright playwright;
    private readonly IBrowser browser;

    private BrowserSession(IPlaywright playwright, IBrowser browser) =>
        (this.playwright, this.browser) = (playwright, browser);

    /// <summary>Errors and warnings of the console, and exceptions that no one caught.</summary>
    public List<string> Complaints { get; } = [];

    /// <summary>The addresses of all requests.</summary>
    public List<string> Requests { get; } = [];

    /// <summary>Starts the browser; skips the test with a sentence where there is none.</summary>
    public static async Task<BrowserSession> StartAsync()
    {
        var (path, trouble) = BrowserSearch.Find(Environment.GetEnvironmentVariable, File.Exists);
        if (path is null)
            Assert.Skip($"Pages are not checked in a browser: {trouble ?? "BALANCED_DIFFUSION_BROWSER is none."}");
        var playwright = await Playwright.CreateAsync();
        var browser = await playwright.Chromium.LaunchAsync(
            new()
            {
                ExecutablePath = path,
                Headless = true,
                Args =
                [
                    "--no-sandbox",
                    "--disable-gpu",
                    "--disable-dev-shm-usage",
                    "--no-first-run",
                    "--disable-background-networking",
                    "--disable-component-update",
                    "--host-resolver-rules=MAP * ~NOTFOUND",
                ],
            }
        );
        return new BrowserSession(playwright, browser);
    }

    /// <summary>Opens an empty page in a window of its own; forgets what earlier pages complained about and asked
    /// for.</summary>
    /// <param name="width">The window's width, pixels.</param>
    /// <param name="height">Its height.</param>
    /// <param name="dark">Whether the system prefers dark colours.</param>
    /// <param name="scripts">Whether scripts run.</param>
    /// <param name="touch">Whether it is a touch screen.</param>
    public async Task<IPage> OpenAsync(
        int width,
        int height,
        bool dark = false,
        bool scripts = true,
        bool touch = false
    )
    {
        Complaints.Clear();
        Requests.Clear();
        var page = await browser.NewPageAsync(
            new()
            {
                ViewportSize = new() { Width = width, Height = height },
                ColorScheme = dark ? ColorScheme.Dark : ColorScheme.Light,
                JavaScriptEnabled = scripts,
                HasTouch = touch,
                ReducedMotion = ReducedMotion.Reduce,
            }
        );
        page.Console += (_, message) =>
        {
            if (message.Type is "error" or "warning")
                Complaints.Add(message.Text);
        };
        page.PageError += (_, error) => Complaints.Add(error);
        page.Request += (_, request) => Requests.Add(request.Url);
        return page;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await browser.CloseAsync();
        playwright.Dispose();
    }
}
