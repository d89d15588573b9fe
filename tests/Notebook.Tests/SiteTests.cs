using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AngleSharp.Html.Dom;
using AngleSharp.Html.Parser;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Reproduce.Site;
using Microsoft.Playwright;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The site of the committed notebooks: its files, and what a browser makes of them.</summary>
public sealed class SiteTests(SiteFixture site) : IClassFixture<SiteFixture>
{
    private const int Desktop = 1280,
        Phone = 390;
    private static readonly HtmlParser Parser = new();

    [Fact]
    public void EveryNotebookHasAPageAndEveryLinkLeadsToAPlace()
    {
        Assert.Equal(
            SiteFixture.Repository.Notebooks().Count,
            Directory.EnumerateFiles(site.Folder, "??-*.html").Count()
        );
        var pages = site.Pages.ToDictionary(p => p, Parse);
        var links = 0;
        foreach (var (path, page) in pages)
        foreach (
            var (element, name) in page.All.SelectMany(e =>
                new[] { "href", "src" }.Where(e.HasAttribute).Select(n => (e, n))
            )
        )
        {
            var url = element.GetAttribute(name)!;
            if (
                element is IHtmlAnchorElement && url.StartsWith("https://", StringComparison.Ordinal)
                || url.StartsWith("data:", StringComparison.Ordinal)
            )
                continue;
            var parts = url.Split('#');
            var target =
                parts[0].Length == 0
                    ? path
                    : Path.GetFullPath(Uri.UnescapeDataString(parts[0]), Path.GetDirectoryName(path)!);
            Assert.True(File.Exists(target), $"{Path.GetFileName(path)}: {url}");
            if (parts.Length > 1)
                Assert.True(
                    pages[target].GetElementById(Uri.UnescapeDataString(parts[1])) is not null,
                    $"{Path.GetFileName(path)}: {url}"
                );
            links++;
        }
        Assert.True(links > 800, $"{links} links");
    }

    [Fact]
    public void NoFileAsksAnyoneForAnything()
    {
        foreach (var page in site.Pages)
        {
            var document = Parse(page);
            Assert.Empty(
                document
                    .QuerySelectorAll(
                        "[src^='http'], [src^='//'], link[href^='http'], link[href^='//'], form[action], "
                            + "iframe, object, embed, base"
                    )
                    .Select(e => e.OuterHtml)
            );
            Assert.Contains(
                "default-src 'none'",
                document.QuerySelector("meta[http-equiv='Content-Security-Policy']")!.GetAttribute("content")
            );
            Assert.Empty(document.QuerySelectorAll("script:not([src]):not([type='application/json'])"));
            Assert.Empty(
                document
                    .All.SelectMany(e => e.Attributes)
                    .Where(a => a.Name.StartsWith("on", StringComparison.Ordinal))
                    .Select(a => a.Name)
            );
        }
        var own = Directory
            .EnumerateFiles(Path.Combine(site.Folder, "assets"), "*", SearchOption.AllDirectories)
            .Where(f =>
                f.EndsWith(".css", StringComparison.Ordinal)
                || (f.EndsWith(".js", StringComparison.Ordinal) && !f.EndsWith("plotly.js", StringComparison.Ordinal))
            );
        foreach (var file in own)
            Assert.DoesNotMatch(
                @"@import|url\(\s*['""]?(?:https?:)?//|\bfetch\(|XMLHttpRequest|sendBeacon|https?://",
                File.ReadAllText(file)
            );
    }

    [Fact]
    public void EveryPictureSaysWhatItShows()
    {
        var pictures = site
            .Pages.SelectMany(p => Parse(p).Images.Select(i => (Page: Path.GetFileName(p), Image: i)))
            .Where(p => !p.Image.Source!.EndsWith("icon.svg", StringComparison.Ordinal))
            .ToList();
        Assert.True(pictures.Count > 90, $"{pictures.Count} pictures");
        Assert.All(
            pictures,
            p =>
                Assert.True(
                    p.Image.AlternativeText is { Length: > 12 },
                    $"{p.Page}: {p.Image.OuterHtml[..Math.Min(160, p.Image.OuterHtml.Length)]}"
                )
        );
    }

    [Fact]
    public void TheTableOfClaimsHasEveryClaimThatTheNotebooksShowOnce()
    {
        // Counted from the plain text of the outputs; the site reads their records.
        var shown = SiteFixture
            .Repository.Notebooks()
            .SelectMany(n => NotebookDocument.Load(n.File).CodeCells)
            .Where(c => !c.Source.Contains("Claims.Table()"))
            .SelectMany(c => c.Outputs)
            .Select(o => NotebookText.Join(o["data"]?["text/plain"]))
            .SelectMany(t => t.Split('\n'))
            .Select(l => Regex.Match(l, @"^(✓ holds|✗ fails|– exception|– skipped) +(.+)$"))
            .Where(m => m.Success)
            .Select(m => (Outcome: m.Groups[1].Value, Words: m.Groups[2].Value))
            .ToList();
        var rows = Parse(Path.Combine(site.Folder, "claims.html"))
            .QuerySelectorAll("table.claims.all tbody tr")
            .Select(r => r.QuerySelectorAll("td").Select(c => c.TextContent).ToArray())
            .ToList();
        Assert.True(shown.Count > 200, $"{shown.Count} claims");
        Assert.Equal(shown.Select(s => s.Outcome), rows.Select(r => r[0]));
        foreach (var (claim, row) in shown.Zip(rows))
            Assert.Equal(
                Regex.Replace(claim.Words, @"\s+", " ").Trim(),
                Regex.Replace($"{row[1]} {row[2]} {row[3]}", @"\s+", " ").Trim()
            );
        Assert.Contains("03.separable", rows.Select(r => r[4]));
    }

    [Fact]
    public void TextsHaveEnoughContrastInBothModes()
    {
        var colours = Regex
            .Matches(PageTemplate.Asset("site.css"), @"--(\w+): light-dark\((#\w{6}), (#\w{6})\)")
            .ToDictionary(m => m.Groups[1].Value, m => new[] { m.Groups[2].Value, m.Groups[3].Value });
        var pairs =
            from text in new[]
            {
                "ink",
                "soft",
                "accent",
                "good",
                "bad",
                "wait",
                "keyword",
                "string",
                "constant",
                "comment",
            }
            from ground in new[] { "paper", "raised" }
            select (text, ground);
        foreach (var (text, ground) in pairs.Concat([("ink", "mark"), ("accent", "tint"), ("soft", "tint")]))
        foreach (var mode in new[] { 0, 1 })
            Assert.True(
                Contrast(colours[text][mode], colours[ground][mode]) >= 4.5,
                $"{text} on {ground}, {(mode == 0 ? "light" : "dark")}: "
                    + $"{Contrast(colours[text][mode], colours[ground][mode]):0.00}"
            );
    }

    [Theory]
    [InlineData(Desktop, 900)]
    [InlineData(Phone, 844)]
    public async Task EveryPageIsWholeInABrowser(int width, int height)
    {
        var charts = 0;
        var formulas = 0;
        var browser = await site.BrowserAsync();
        foreach (var path in site.Pages)
        {
            var name = Path.GetFileNameWithoutExtension(path);
            var page = await browser.OpenAsync(width, height, touch: width == Phone);
            await page.GotoAsync(new Uri(path).AbsoluteUri);
            var there = await page.Locator("figure.chart").CountAsync();
            for (var i = 0; i < there; i++)
            {
                var chart = page.Locator("figure.chart").Nth(i);
                await chart.ScrollIntoViewIfNeededAsync();
                await chart.Locator(".plot svg.main-svg").First.WaitForAsync(new() { Timeout = 20_000 });
                Assert.True(
                    await chart
                        .Locator(".plot .trace, .plot .hm, .plot .point, .plot image, .plot .contour")
                        .CountAsync() > 0,
                    $"{name}: chart {i + 1} is empty"
                );
                Assert.False(await chart.Locator("img.still").IsVisibleAsync());
            }
            charts += there;
            var notebook = Path.Combine(
                SiteFixture.Repository.NotebooksFolder,
                Path.ChangeExtension(Path.GetRelativePath(site.Folder, path), ".ipynb")
            );
            if (File.Exists(notebook))
            {
                var expected = Formulas(notebook);
                Assert.Equal((name, expected), (name, await page.Locator("main math").CountAsync()));
                Assert.Equal((name, expected), (name, await page.Locator("main .katex-html").CountAsync()));
                formulas += expected;
            }
            var text = string.Join(
                '\n',
                await page.Locator("main")
                    .EvaluateAsync<string[]>(
                        "m => { const c = m.cloneNode(true); c.querySelectorAll('pre, code, "
                            + "script').forEach(e => e.remove()); return [c.textContent]; }"
                    )
            );
            Assert.DoesNotMatch(@"\$|\\[a-zA-Z]{2,}|\*\*", text);
            Assert.Empty(await page.Locator(".katex-error").AllTextContentsAsync());
            var wide = await page.EvaluateAsync<string[]>(
                "() => document.documentElement.scrollWidth <= innerWidth ? [] : "
                    + "[...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > "
                    + "innerWidth + 1 && !e.parentElement.closest('.scroll, .canvas, pre, .katex, "
                    + ".katex-display')).slice(0, 5).map(e => e.outerHTML.slice(0, 120)).concat(['page ' + "
                    + "document.documentElement.scrollWidth])"
            );
            Assert.True(wide.Length == 0, $"{name} scrolls sideways at {width}: {string.Join("; ", wide)}");
            Assert.Empty(
                await page.EvaluateAsync<string[]>(
                    "() => [...document.images].filter(i => i.loading !== 'lazy' && i.complete && "
                        + "i.naturalWidth === 0).map(i => i.src)"
                )
            );
            Assert.True(browser.Complaints.Count == 0, $"{name}: {string.Join("; ", browser.Complaints)}");
            Assert.DoesNotContain(
                browser.Requests,
                r =>
                    !r.StartsWith("file:", StringComparison.Ordinal)
                    && !r.StartsWith("data:", StringComparison.Ordinal)
                    && !r.StartsWith("blob:", StringComparison.Ordinal)
            );
            await page.CloseAsync();
        }
        Assert.Equal((site.Summary.Charts, site.Summary.Formulas), (charts, formulas));
    }

    [Fact]
    public async Task TheSearchFindsWordsTheirBeginningsAndNamesInCodeAndLeadsToTheirPlaces()
    {
        var page = await OpenAsync("index.html");
        foreach (
            var (query, title) in new[]
            {
                ("separability", "03 · Memorization"),
                ("lanczos hess", "03 · Memorization"),
                ("parabola steering", "03 · Memorization"),
                ("4096", "03 · Memorization"),
                ("HeunSampler", "07 · Sampling: novel or memorized"),
                ("minimizercertif", "03 · Memorization"),
            }
        )
        {
            await page.Locator(".search input").FillAsync(query);
            await page.Locator("#found li").First.WaitForAsync();
            Assert.Contains(title, await page.Locator("#found .from").AllTextContentsAsync());
        }
        await page.Locator(".search input").FillAsync("xyzzyqq");
        await Assertions.Expect(page.Locator("#found")).ToContainTextAsync("Nothing was found");
        await page.Locator(".search input").FillAsync("separability");
        await Assertions.Expect(page.Locator("#found a").First).ToBeVisibleAsync();
        await page.Locator(".search input").PressAsync("Enter");
        await page.WaitForURLAsync(
            new Regex(@"/\d\d-[\w-]+\.html#"),
            new() { WaitUntil = WaitUntilState.Commit, Timeout = 60_000 }
        );
        await Assertions.Expect(page.Locator(":target")).ToHaveCountAsync(1);
    }

    [Fact]
    public async Task TheClaimsAreFilteredByWordsNotebookAndOutcome()
    {
        var page = await OpenAsync("claims.html");
        var rows = page.Locator("table.claims.all tbody tr:visible");
        var all = await rows.CountAsync();
        Assert.Equal(site.Summary.Claims, all);
        await page.Locator("select[name=notebook]").SelectOptionAsync("03-memorization.html");
        var some = await rows.CountAsync();
        Assert.InRange(some, 10, all / 2);
        await page.Locator("input[name=words]").FillAsync("hessian closed");
        Assert.Equal(1, await rows.CountAsync());
        Assert.Equal($"1 of {all} shown", await page.Locator("form.filter output").TextContentAsync());
        await page.Locator("input[name=words]").FillAsync("");
        await page.Locator("select[name=notebook]").SelectOptionAsync("");
        await page.Locator("select[name=outcome]").SelectOptionAsync("holds");
        Assert.Equal(await page.Locator("table.claims.all tr.holds").CountAsync(), await rows.CountAsync());
    }

    [Fact]
    public async Task TheButtonChangesTheColoursOfPageAndChartsAndTheChoiceIsKept()
    {
        var page = await OpenAsync("03-memorization.html");
        async Task<string[]> GroundsAsync()
        {
            var chart = page.Locator("figure.chart").First;
            await chart.ScrollIntoViewIfNeededAsync();
            await chart.Locator(".plot svg.main-svg").First.WaitForAsync();
            return await page.EvaluateAsync<string[]>(
                "() => [getComputedStyle(document.body).backgroundColor, "
                    + "getComputedStyle(document.querySelector('figure.chart .plot svg.main-svg')).backgroundColor]"
            );
        }
        Assert.Equal(["rgb(255, 255, 255)", "rgb(255, 255, 255)"], await GroundsAsync());
        await page.Locator("[data-theme-button]").ClickAsync();
        await page.WaitForFunctionAsync(
            "() => getComputedStyle(document.querySelector('figure.chart .plot "
                + "svg.main-svg')).backgroundColor === 'rgb(28, 32, 39)'"
        );
        await page.ReloadAsync();
        Assert.Equal(["rgb(20, 23, 28)", "rgb(28, 32, 39)"], await GroundsAsync());
    }

    [Fact]
    public async Task ASliderShowsOnePictureAtATime()
    {
        var page = await OpenAsync("10-representation-steering.html");
        var control = page.Locator("figure.control").First;
        await control.ScrollIntoViewIfNeededAsync();
        var visible = control.Locator(".live img:visible");
        var before = await visible.GetAttributeAsync("alt");
        await control.Locator("input[type=range]").FillAsync("0");
        Assert.Equal(1, await visible.CountAsync());
        Assert.NotEqual(before, await visible.GetAttributeAsync("alt"));
        Assert.False(await control.Locator("img.still").IsVisibleAsync());
    }

    [Fact]
    public async Task CodeIsFoldedAndUnfoldedAndTheContentsLeadToSections()
    {
        var page = await OpenAsync("01-optimal-denoisers.html");
        Assert.True(await page.Locator("details.code pre:visible").CountAsync() > 5);
        await page.Locator("[data-fold]").ClickAsync();
        Assert.Equal(0, await page.Locator("details.code pre:visible").CountAsync());
        await page.Locator("[data-fold]").ClickAsync();
        Assert.True(await page.Locator("details.code pre:visible").CountAsync() > 5);
        var entry = page.Locator(".contents a").Nth(3);
        await entry.ClickAsync();
        await Assertions.Expect(entry).ToHaveAttributeAsync("aria-current", "true");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task InPrintAndWithoutScriptsStillPicturesStandForChartsAndSliders(bool scripts)
    {
        var page = await OpenAsync("10-representation-steering.html", scripts: scripts);
        if (scripts)
        {
            await page.Locator("figure.chart").First.ScrollIntoViewIfNeededAsync();
            await page.Locator("figure.chart.drawn").First.WaitForAsync();
            await page.EmulateMediaAsync(new() { Media = Media.Print });
        }
        Assert.Equal(0, await page.Locator("figure.chart .plot:visible").CountAsync());
        Assert.Equal(
            await page.Locator("figure img.still").CountAsync(),
            await page.Locator("figure img.still:visible").CountAsync()
        );
        Assert.Equal(0, await page.Locator("figure.control .live:visible").CountAsync());
        Assert.Equal(0, await page.Locator(".search:visible").CountAsync());
    }

    private async Task<IPage> OpenAsync(string name, bool scripts = true)
    {
        var browser = await site.BrowserAsync();
        var page = await browser.OpenAsync(Desktop, 900, scripts: scripts);
        await page.GotoAsync(new Uri(Path.Combine(site.Folder, name)).AbsoluteUri);
        return page;
    }

    private static IHtmlDocument Parse(string file) => Parser.ParseDocument(File.ReadAllText(file));

    // Formulas of a notebook, counted in its text alone: code taken out, then $$…$$, then $…$.
    private static int Formulas(string file)
    {
        var cells = JsonNode.Parse(File.ReadAllText(file))!["cells"]!.AsArray();
        var texts = cells
            .Where(c => (string)c!["cell_type"]! == "markdown")
            .Select(c => NotebookText.Join(c!["source"]))
            .Concat(
                cells
                    .SelectMany(c => c!["outputs"]?.AsArray() ?? [])
                    .Select(o => NotebookText.Join(o!["data"]?["text/markdown"]))
            );
        return texts.Sum(t =>
        {
            var prose = Regex.Replace(Regex.Replace(t, "(?s)```.*?```|`[^`\n]*`", ""), @"\\\$", "");
            var inline = Regex.Replace(prose, @"(?s)\$\$.+?\$\$", "");
            return Regex.Count(prose, @"(?s)\$\$.+?\$\$") + Regex.Count(inline, @"(?s)\$.+?\$");
        });
    }

    // WCAG's contrast of two colours.
    private static double Contrast(string a, string b)
    {
        static double Luminance(string colour) =>
            new[] { (1, 0.2126), (3, 0.7152), (5, 0.0722) }.Sum(c =>
            {
                var value = Convert.ToInt32(colour.Substring(c.Item1, 2), 16) / 255.0;
                return c.Item2 * (value <= 0.04045 ? value / 12.92 : Math.Pow((value + 0.055) / 1.055, 2.4));
            });
        var (x, y) = (Luminance(a), Luminance(b));
        return (Math.Max(x, y) + 0.05) / (Math.Min(x, y) + 0.05);
    }
}
