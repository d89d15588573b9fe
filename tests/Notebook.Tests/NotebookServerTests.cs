using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Microsoft.Playwright;
using Spectre.Console;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>A notebook in a notebook server, seen and run by a browser as a reader does it. Takes a minute or two:
/// <c>--filter-not-trait Speed=slow</c> leaves it out.</summary>
[Collection(WholeMachine.Name)]
[Trait("Speed", "slow")]
public sealed partial class NotebookServerTests
{
    private const string Stem = "02-relu-dae";
    private static readonly Workspace Repository = Workspace.Find(AppContext.BaseDirectory);

    /// <summary>While a process of its own computes on all cores, no other test measures time.</summary>
    [CollectionDefinition(Name, DisableParallelization = true)]
    public sealed class WholeMachine
    {
        public const string Name = "the whole machine";
    }

    [Fact]
    public async Task RunAllInABrowserShowsEveryFigureAndEveryClaimHolds()
    {
        var cancellation = TestContext.Current.CancellationToken;
        Assert.SkipUnless(
            await NotebookServer.IsInstalledAsync(cancellation),
            "'jupyter notebook' 6 is not on this machine; install it (on Debian: apt-get install jupyter-notebook)"
        );
        var (chromium, _) = BrowserSearch.Find(Environment.GetEnvironmentVariable, File.Exists);
        Assert.SkipWhen(
            chromium is null,
            "no Chromium, Chrome or Edge is on this machine; install one (on Debian: apt-get install chromium)"
        );
        // Inside the repository, so that its first cell finds the library, and outside notebooks/, which stays as it
        // is.
        var folder = Directory.CreateDirectory(Path.Combine(Repository.DefaultOut, "notebook-server")).FullName;
        var prefix = Directory.CreateTempSubdirectory("notebook-server-").FullName;
        try
        {
            Assert.SkipUnless(
                await InstallKernelAsync(prefix, cancellation),
                "the pinned kernel cannot be restored on this machine"
            );
            var committed = NotebookDocument.Load(Path.Combine(Repository.NotebooksFolder, Stem + ".ipynb"));
            var blank = committed.Clone();
            foreach (var cell in blank.CodeCells)
                cell.SetResult(null, []);
            blank.Save(Path.Combine(folder, Stem + ".ipynb"));
            File.Copy(
                Path.Combine(Repository.NotebooksFolder, "lab.dib"),
                Path.Combine(folder, "lab.dib"),
                overwrite: true
            );

            string marker;
            await using (var server = await NotebookServer.StartAsync(folder, prefix, cancellation))
            {
                marker = server.Marker;
                using var playwright = await Playwright.CreateAsync();
                await using var browser = await playwright.Chromium.LaunchAsync(new() { ExecutablePath = chromium });
                var page = await browser.NewPageAsync(
                    new()
                    {
                        ViewportSize = new() { Width = 1280, Height = 1000 },
                    }
                );
                var complaints = new List<string>();
                page.PageError += (_, error) => complaints.Add(error);
                page.Console += (_, said) =>
                {
                    if (said.Type == "error" && !IsTheServers(said))
                        complaints.Add($"{said.Text} ({said.Location})");
                };
                await page.GotoAsync(server.PageOf(Stem + ".ipynb"));
                await RunAllAsync(page);
                await KeepPictureAsync(page, Path.Combine(folder, Stem + ".png"));

                // Errors, and the warnings that a page shows in red.
                var failed = await page.Locator(".output_error, .output_stderr").AllInnerTextsAsync();
                Assert.True(failed.Count == 0, string.Join("\n", failed));
                var pictures = committed
                    .CodeCells.SelectMany(cell => cell.Outputs)
                    .Count(output => output["data"]?["image/png"] is not null);
                Assert.Equal(
                    pictures,
                    await page.EvaluateAsync<int>(
                        "() => [...document.querySelectorAll('.output_png img')].filter(i => i.complete && "
                            + "i.naturalWidth > 300).length + document.querySelectorAll('.js-plotly-plot "
                            + ".main-svg').length"
                    )
                );
                var shown = await page.Locator("#notebook-container").InnerTextAsync();
                Assert.DoesNotContain("✗ fails", shown);
                Assert.Matches(AllHold(), shown);
                Assert.True(await page.Locator(".MathJax").CountAsync() > 20, "the equations are not set");
                Assert.Equal(0, await page.Locator(".MathJax_Error, .merror").CountAsync());
                Assert.True(complaints.Count == 0, string.Join("\n", complaints));
            }
            Assert.Empty(ProcessTree.Marked(marker));
        }
        finally
        {
            Directory.Delete(prefix, recursive: true);
        }
    }

    private static async Task<bool> InstallKernelAsync(string prefix, CancellationToken cancellation)
    {
        using var writer = new StringWriter();
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = AnsiSupport.No,
                Interactive = InteractionSupport.No,
            }
        );
        return await CommandLine.RunAsync(
                ["kernel", "install", "--prefix", prefix],
                console,
                Repository.Root,
                cancellation
            ) == 0;
    }

    // By the menu, as a reader does; over when every cell has its number or one has failed, and the pictures of the
    // last ones are there.
    private static async Task RunAllAsync(IPage page)
    {
        await page.WaitForFunctionAsync(
            "() => window.Jupyter?.notebook?._fully_loaded && Jupyter.notebook.kernel?.is_connected()",
            null,
            new() { Timeout = 90_000 }
        );
        await page.ClickAsync("#celllink");
        await page.ClickAsync("#run_all_cells");
        await page.WaitForFunctionAsync(
            """
            () => document.querySelector('.output_error')
                || Jupyter.notebook.get_cells().filter(c => c.cell_type === 'code')
                    .every(c => typeof c.input_prompt_number === 'number')
                && [...document.images].every(i => i.complete)
            """,
            null,
            new() { Timeout = 600_000, PollingInterval = 500 }
        );
    }

    // What version 6 complains of on an empty page too: widgets that are not installed, and the probe by which MathJax
    // finds out how a font fails to load.
    private static bool IsTheServers(IConsoleMessage said) =>
        $"{said.Text} {said.Location}" is var text
        && (
            text.Contains("/nbextensions/widgets/", StringComparison.Ordinal)
            || text.Contains("about:blank", StringComparison.Ordinal)
        );

    private static async Task KeepPictureAsync(IPage page, string file)
    {
        var height = await page.EvaluateAsync<int>("() => document.querySelector('#notebook-container').scrollHeight");
        await page.SetViewportSizeAsync(1280, Math.Min(height + 250, 16_000));
        await page.ScreenshotAsync(new() { Path = file });
    }

    [GeneratedRegex(@"(\d+) of \1 claims hold", RegexOptions.CultureInvariant)]
    private static partial Regex AllHold();
}
