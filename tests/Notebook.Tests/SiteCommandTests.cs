using System.Text.Json.Nodes;
using AngleSharp.Html.Parser;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Reproduce.Site;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The command <c>site</c> on small repositories: what it refuses, what it replaces, how it shows each kind of
/// output.</summary>
public sealed class SiteCommandTests : IDisposable
{
    private readonly EnvironmentWorkspace place = new();

    public void Dispose() => place.Dispose();

    [Theory]
    [InlineData("site --out Notebooks.sln", 2, "--out must name a folder, but 'Notebooks.sln' is a file")]
    [InlineData(
        "site --out .",
        2,
        "--out '.' holds files that are not a site's, so nothing was written there; name an empty or a new folder"
    )]
    [InlineData("site --out notebooks", 2, "--out 'notebooks' holds files that are not a site's")]
    [InlineData("site --out", 2, "--out needs a value")]
    [InlineData("site --from", 2, "--from needs a value")]
    [InlineData("site --from nowhere", 2, "--from names 'nowhere', which is not a folder")]
    [InlineData("site --from empty", 2, "the folder 'empty' holds no numbered notebook (NN-title.ipynb)")]
    [InlineData(
        "site --katex empty",
        2,
        "--katex names 'empty', which holds no katex.min.js; install it with 'apt-get install libjs-katex' "
            + "or 'npm install katex'"
    )]
    [InlineData(
        "site --api empty",
        2,
        "--api names 'empty', which holds no index.html; build the reference with .ci/api"
    )]
    [InlineData("site --api", 2, "--api needs a value")]
    [InlineData("site --katex half", 2, "KaTeX in '", "lacks katex.min.css")]
    [InlineData("site --katex fontless", 2, "lacks its font KaTeX_Main-Regular.woff2")]
    [InlineData("site --katex other", 1, "katex.min.js is not a KaTeX that works here")]
    public async Task AWrongRequestGetsOneSentenceAndWritesNothing(string line, int exitCode, params string[] sentences)
    {
        SiteFixture.Katex();
        Add("00-a", "Prose.");
        Directory.CreateDirectory(Path.Combine(place.Root, "empty"));
        Write("half/katex.min.js", "katex = {};");
        Write("fontless/katex.min.js", "katex = {};");
        Write(
            "fontless/katex.min.css",
            "@font-face{font-family:KaTeX_Main;src:url(fonts/KaTeX_Main-Regular.woff2) format(\"woff2\")}"
        );
        Write("other/katex.min.js", "var nothing = 1;");
        Write("other/katex.min.css", "");
        await RefusedAsync(line, exitCode, sentences);
    }

    [Theory]
    [InlineData(
        @"A formula $\foo{x}$ here.",
        @"00-a, cell 2: KaTeX refuses the formula '\foo{x}'",
        "Undefined control sequence"
    )]
    [InlineData(
        "It costs 5$ a day.",
        "00-a, cell 2: the dollar sign at '$ a day.' opens no formula; close it, or write \\$ for a dollar"
    )]
    [InlineData("Empty $$ $$ there.", "00-a, cell 2: the dollar sign at '$$ $$ there.' opens no formula")]
    [InlineData("See [that](07-gone.ipynb).", "00-a, cell 2: the link to '07-gone.ipynb' leads nowhere")]
    [InlineData("See [that](#gone).", "00-a, cell 2: there is no place '#gone' in 00-a.ipynb")]
    [InlineData("![A map](map.svg)", "00-a, cell 2: the picture 'map.svg' does not exist")]
    [InlineData(
        "![](https://example.org/x.png)",
        "00-a, cell 2: the picture 'https://example.org/x.png' has no alternative text"
    )]
    [InlineData(
        "![A map](https://example.org/x.png)",
        "00-a, cell 2: the picture 'https://example.org/x.png' would be fetched from elsewhere"
    )]
    public async Task ProseThatCannotBeShownIsNamedWithItsNotebookAndCell(string prose, params string[] sentences)
    {
        SiteFixture.Katex();
        Add("00-a", prose);
        await RefusedAsync("site", 1, sentences);
    }

    [Fact]
    public async Task WithoutNotebooksOrOutputsThereIsNothingToBuild()
    {
        SiteFixture.Katex();
        await RefusedAsync("site", 2, "the folder 'notebooks' holds no numbered notebook");
        place.Add("00-a", "1 + 2");
        await RefusedAsync("site", 2, "00-a has no outputs to show; run 'publish', which executes the notebooks");
    }

    [Fact]
    public void KaTeXThatIsNowhereIsAskedForByTheNamesOfItsPackages()
    {
        var error = Assert.Throws<UsageException>(() =>
            KatexFolder.Find(null, place.Root, name => name == KatexFolder.Variable ? "gone" : null)
        );
        Assert.Equal(
            "BALANCED_DIFFUSION_KATEX names 'gone', which holds no katex.min.js; install it with 'apt-get "
                + "install libjs-katex' or 'npm install katex', or name its folder with --katex or "
                + "BALANCED_DIFFUSION_KATEX.",
            error.Message
        );
        Write("node_modules/katex/dist/katex.min.js", "mine");
        if (!Directory.Exists("/usr/share/javascript/katex"))
            Assert.Equal("mine", KatexFolder.Find(null, place.Root, _ => null).Script);
        Assert.Equal("mine", KatexFolder.Find("node_modules/katex", place.Root, _ => null).Script);
    }

    [Fact]
    public async Task ABuildReplacesItsOwnFilesAndNoOthers()
    {
        SiteFixture.Katex();
        Add("00-a", "One.");
        Add("01-b", "Two.");
        Assert.Equal(0, (await RunAsync("site --out web")).Code);
        Write("web/mine.txt", "keep");
        File.Delete(Path.Combine(place.Root, "notebooks", "01-b.ipynb"));
        Add("02-c", "Three, with $x^2$.");
        var (code, output) = await RunAsync("site --out web");
        Assert.Equal(
            (0, true),
            (
                code,
                output.Contains(
                    "Wrote the site: 2 pages, 2 figures (0 interactive), 1 formulas, 0 claims",
                    StringComparison.Ordinal
                )
            )
        );
        Assert.True(
            File.Exists(At("web/mine.txt")) && File.Exists(At("web/02-c.html")) && !File.Exists(At("web/01-b.html"))
        );
        Assert.Single(Directory.EnumerateFiles(At("web/figures"), "00-a*"));

        Add("03-d", "Four.");
        Write("web/03-d.html", "not the site's");
        var before = Snapshot();
        var (refused, sentence) = await RunAsync("site --out web");
        Assert.Equal(
            (2, true),
            (
                refused,
                sentence.Contains("--out 'web' holds '03-d.html', which 'site' did not write", StringComparison.Ordinal)
            )
        );
        Assert.Equal(before, Snapshot());

        // A list that was tampered with leads nowhere outside.
        File.Delete(At("web/03-d.html"));
        File.AppendAllText(At("web/" + SiteFolder.Marker), "../Notebooks.sln\n");
        Assert.Equal(0, (await RunAsync("site --out web")).Code);
        Assert.True(File.Exists(At("Notebooks.sln")));
    }

    [Fact]
    public async Task AnApiReferenceBecomesAFolderOfTheSiteThatEveryPageLeadsTo()
    {
        SiteFixture.Katex();
        Add("00-a", "One.");
        Assert.Equal(0, (await RunAsync("site --out web")).Code);
        Assert.DoesNotContain("api/", File.ReadAllText(At("web/00-a.html")));

        Write("reference/index.html", "the reference");
        Write("reference/types/Lab.html", "a type");
        Assert.Equal(0, (await RunAsync("site --out web --api reference")).Code);
        Assert.Equal("the reference", File.ReadAllText(At("web/api/index.html")));
        Assert.Equal("a type", File.ReadAllText(At("web/api/types/Lab.html")));
        foreach (var page in new[] { "index.html", "claims.html", "00-a.html" })
        {
            var link = Assert.Single(
                new HtmlParser().ParseDocument(File.ReadAllText(At("web/" + page))).QuerySelectorAll("nav.pages a"),
                a => a.TextContent == "API reference"
            );
            Assert.Equal("api/index.html", link.GetAttribute("href"));
        }

        // Found where .ci/api puts it, and removed with the site's own files once it is gone.
        Write("artifacts/api/index.html", "found");
        Assert.Equal(0, (await RunAsync("site --out web")).Code);
        Assert.Equal("found", File.ReadAllText(At("web/api/index.html")));
        Assert.False(Directory.Exists(At("web/api/types")));
        Directory.Delete(At("artifacts/api"), recursive: true);
        Assert.Equal(0, (await RunAsync("site --out web")).Code);
        Assert.False(Directory.Exists(At("web/api")));
    }

    [Fact]
    public async Task EveryKindOfOutputIsShownAndNoScriptOfAnOutputRuns()
    {
        SiteFixture.Katex();
        JsonObject Display(string type, string value, string plain = "") =>
            new()
            {
                ["output_type"] = "display_data",
                ["metadata"] = new JsonObject(),
                ["data"] = new JsonObject { [type] = value, ["text/plain"] = plain },
            };
        var drawn = Display(
            "image/svg+xml",
            "<svg xmlns=\"http://www.w3.org/2000/svg\"/>",
            "[Figure 1.2: Another map]"
        );
        drawn["metadata"] = new JsonObject
        {
            ["image/svg+xml"] = new JsonObject { ["alt"] = "Diagram: folders and arrows." },
        };
        // A diagram without series is shown as its picture.
        drawn["data"]!["application/vnd.plotly.v1+json"] = new JsonObject
        {
            ["data"] = new JsonArray(),
            ["layout"] = new JsonObject { ["annotations"] = new JsonArray() },
        };
        var claimed = Display("text/html", "<table><tr><td>Not read: the record is</td></tr></table>");
        claimed["data"]![Claim.MimeType] = new Claim(
            "00-a",
            "a",
            "Less than one",
            2,
            "<",
            1,
            false,
            0,
            "not on photographs"
        ).ToJson(withSeconds: false);
        Add(
            "00-a",
            "Prose with `x|y`, \\$5 and a table.\n\n| a | b |\n|---|---|\n| $|x|$ | `c` |\n\n| previous | "
                + "next |\n|---|---|\n| [this](00-a.ipynb) | |\n",
            new JsonObject
            {
                ["output_type"] = "stream",
                ["name"] = "stdout",
                ["text"] = "a < b\u001b[31m!\u001b[0m\n",
            },
            new JsonObject
            {
                ["output_type"] = "error",
                ["ename"] = "Oh",
                ["evalue"] = "<no>",
                ["traceback"] = new JsonArray(),
            },
            Display(
                "text/html",
                "<table onclick=\"x()\"><thead><tr><th "
                    + "style=\"a\">n</th></tr></thead><tbody><tr><td>-1.5e-3</td></tr></tbody></table>"
                    + "<script>alert(1)</script><img "
                    + "src=\"data:image/png;base64,AA==\">"
            ),
            Display("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "[Figure 1.1: A map]"),
            Display("text/markdown", "**Figure 1.1.** See *this*.", "Figure 1.1. See this."),
            drawn,
            Display("text/plain", "{ 1, 2 }", "{ 1, 2 }"),
            claimed
        );
        Directory.CreateDirectory(At("notebooks/exercises"));
        File.WriteAllText(
            At("notebooks/exercises/00-a.ipynb"),
            EnvironmentWorkspace
                .Json("Check(1)")
                .Replace(
                    "# A small notebook",
                    "# Exercise\\n\\nBack to [the notebook](../00-a.ipynb#code-1).",
                    StringComparison.Ordinal
                )
        );
        var (code, output) = await RunAsync("site");
        Assert.True(code == 0, output);
        var page = new HtmlParser().ParseDocument(File.ReadAllText(At("artifacts/site/00-a.html")));
        var main = page.QuerySelector("main")!;
        Assert.Equal(["a < b!", "{ 1, 2 }"], main.QuerySelectorAll("pre.text").Select(e => e.TextContent));
        Assert.Equal("Oh: <no>", main.QuerySelector("pre.error")!.TextContent);
        Assert.Empty(main.QuerySelectorAll("script, [onclick], .outputs [style]"));
        Assert.Equal("number", main.QuerySelector(".outputs table:not(.claims) td")!.ClassName);
        Assert.Equal(
            ["A map", "Diagram: folders and arrows."],
            main.QuerySelectorAll("figure img").Select(e => e.GetAttribute("alt"))
        );
        Assert.Empty(main.QuerySelectorAll("figure.chart"));
        Assert.Equal("Figure 1.1. See this.", main.QuerySelector("figcaption")!.TextContent);
        Assert.Equal(
            ["– exception", "Less than one (not on photographs)", "2", "< 1"],
            main.QuerySelectorAll("table.claims td").Select(e => e.TextContent)
        );
        Assert.Equal(["x|y", "c"], main.QuerySelectorAll("p code, td code").Select(e => e.TextContent));
        Assert.Contains("$5 and", main.TextContent);
        Assert.Single(main.QuerySelectorAll("td math"));
        Assert.DoesNotContain(
            "previous",
            main.QuerySelector(".prose")!.ParentElement!.QuerySelectorAll("th").Select(e => e.TextContent)
        );
        Assert.All(main.QuerySelectorAll("table"), t => Assert.Equal("scroll", t.ParentElement!.ClassName));
        var exercise = new HtmlParser().ParseDocument(File.ReadAllText(At("artifacts/site/exercises/00-a.html")));
        Assert.Equal("../00-a.html#code-1", exercise.QuerySelector("main .prose a:not(.anchor)")!.GetAttribute("href"));
        Assert.Equal(
            "../assets/site.css",
            exercise.QuerySelectorAll("link[rel=stylesheet]").Last().GetAttribute("href")
        );
    }

    [Fact]
    public async Task PicturesThatMustNotBeRedistributedAreNamed()
    {
        SiteFixture.Katex();
        foreach (var (data, said) in new[] { ("celeba", true), ("faces", false) })
        {
            Add(
                "00-a",
                "Prose.",
                new JsonObject
                {
                    ["output_type"] = "display_data",
                    ["data"] = new JsonObject
                    {
                        ["text/plain"] = $"notebook  00-a\nprofile   quick\nimages    {data}\nseed      0",
                    },
                }
            );
            var (code, output) = await RunAsync("site");
            Assert.Equal(
                (0, said),
                (
                    code,
                    output.Contains(
                        $"Keep this site to yourself: pictures of {data} must not be redistributed.",
                        StringComparison.Ordinal
                    )
                )
            );
        }
    }

    [Theory]
    [InlineData(
        "var x = 1; // why",
        "<span class=\"keyword\">var</span> x = <span class=\"number\">1</span>; <span class=\"comment\">// why</span>"
    )]
    [InlineData(
        "F($\"{a:0.0} {string.Join(\", \", b)} <\", 'c')",
        "F(<span class=\"string\">$&quot;{a:0.0} {string.Join(&quot;, &quot;, b)} &lt;&quot;</span>, <span "
            + "class=\"string\">&#39;c&#39;</span>)"
    )]
    [InlineData("#!import \"lab.dib\"", "<span class=\"directive\">#!import &quot;lab.dib&quot;</span>")]
    [InlineData("x1 + 1e-3 + a.b2", "x1 + <span class=\"number\">1e-3</span> + a.b2")]
    [InlineData(
        "\"\"\"a \"quoted\" // text\"\"\"",
        "<span class=\"string\">&quot;&quot;&quot;a &quot;quoted&quot; // text&quot;&quot;&quot;</span>"
    )]
    [InlineData(
        "@\"c:\\\" + y /* z\n */",
        "<span class=\"string\">@&quot;c:\\&quot;</span> + y <span class=\"comment\">/* z\n */</span>"
    )]
    public void CodeIsMarkedAndNeverChanged(string code, string html)
    {
        Assert.Equal(html, CodeHighlighter.Highlight(code, "csharp"));
        Assert.Equal(
            code,
            new HtmlParser()
                .ParseDocument($"<pre>{CodeHighlighter.Highlight(code, "csharp")}</pre>")
                .QuerySelector("pre")!
                .TextContent
        );
    }

    [Fact]
    public void TheSearchIndexSplitsNamesAndKeepsThemWhole() =>
        Assert.Equal(
            ["heunsampler", "heun", "sampler", "of", "relu", "dae2", "dae"],
            SearchIndex.Words("HeunSampler of ReLU DAE2").Where(w => w is not ("re" or "lu")).ToList()
        );

    private void Add(string stem, string prose, params JsonNode[] outputs)
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json("1 + 2"));
        document.Json["cells"]!
            .AsArray()
            .Insert(
                1,
                new JsonObject
                {
                    ["cell_type"] = "markdown",
                    ["id"] = "prose",
                    ["metadata"] = new JsonObject(),
                    ["source"] = prose,
                }
            );
        JsonNode picture = new JsonObject
        {
            ["output_type"] = "display_data",
            ["metadata"] = new JsonObject(),
            ["data"] = new JsonObject { ["image/png"] = "iVBORw0KGgo=", ["text/plain"] = "[Figure 1: Dots]" },
        };
        document.CodeCells.Single().SetResult(1, new JsonArray(outputs.Length == 0 ? [picture] : outputs));
        document.Save(At($"notebooks/{stem}.ipynb"));
    }

    private async Task RefusedAsync(string line, int exitCode, params string[] sentences)
    {
        var before = Snapshot();
        var (code, output) = await RunAsync(line);
        Assert.True(code == exitCode, $"{code}: {output}");
        Assert.All(sentences, s => Assert.Contains(s, output));
        Assert.Single(output.Trim().Split('\n'));
        Assert.Equal(before, Snapshot());
    }

    private string[] Snapshot() =>
        [
            .. Directory
                .EnumerateFiles(place.Root, "*", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Select(f => $"{f} {File.ReadAllText(f).GetHashCode()}"),
        ];

    private string At(string path) => Path.Combine(place.Root, path);

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(At(path))!);
        File.WriteAllText(At(path), text);
    }

    private Task<(int Code, string Output)> RunAsync(string line) => place.RunAsync(line);
}
