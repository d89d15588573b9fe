using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

public class ReportTests
{
    private static readonly RunOptions Options = new(
        "quick",
        "faces",
        "cpu",
        null,
        "/nowhere",
        TimeSpan.FromMinutes(1)
    );

    private static RunSummary Summary(IReadOnlyList<Claim> claims, NotebookFailure? failure = null, int asked = 1) =>
        new(
            Options,
            DateTimeOffset.UnixEpoch,
            61,
            [
                new NotebookResult(
                    NotebookFile.TryFrom("/nowhere/02-a.ipynb")!,
                    "A <title>",
                    null,
                    3,
                    failure is null ? 3 : 1,
                    61,
                    2,
                    new Dictionary<string, double>(),
                    claims,
                    [],
                    failure
                ),
            ],
            asked,
            false
        );

    private static Claim Claimed(string id, bool holds, string? skipped = null) =>
        new("02-a", id, $"statement of {id}", 0.5, skipped is null ? "<" : "", 1.0, holds, 0.1, skipped);

    [Fact]
    public void FailedClaimsStandFirstAndSkippedOnesLast()
    {
        var page = HtmlReport.Render(
            Summary([Claimed("skipped", false, "no data"), Claimed("good", true), Claimed("bad", false)]),
            []
        );
        var order = Regex.Matches(page, "statement of (\\w+)").Select(m => m.Groups[1].Value);
        Assert.Equal(["bad", "good", "skipped"], order);
        Assert.Contains("1 claim holds, 1 does not, 1 skipped", page);
    }

    [Fact]
    public void ThePageAsksNobodyForAnythingAndEscapesWhatItIsGiven()
    {
        var failure = new NotebookFailure(
            FailureKind.Error,
            2,
            "c",
            "var a = \"<script src=http://x>\";",
            new CellError("E", "<b>bad</b>", ["<b>bad</b>"])
        );
        var page = HtmlReport.Render(
            Summary([], failure),
            [
                new BalancedDiffusion.Reproduce.Runner.Figure(
                    "02-a",
                    1,
                    null,
                    "svg",
                    "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"u8.ToArray()
                ),
            ]
        );
        Assert.DoesNotContain("<script", page);
        Assert.DoesNotContain("<b>bad", page);
        Assert.DoesNotMatch("(src|href)=\"(?!data:)", page);
        Assert.DoesNotMatch(@"url\(|@import", page);
        Assert.Contains("prefers-color-scheme: dark", page);
        Assert.Contains("width=device-width", page);
        Assert.Contains("data:image/svg+xml;base64,", page);
        Assert.Contains("A &lt;title&gt;", page);
    }

    public static TheoryData<bool, string?, int, int> Outcomes =>
        new()
        {
            { true, null, 1, 0 },
            { false, null, 1, 1 },
            { true, null, 2, 1 },
            { false, "why", 1, 0 },
        };

    [Theory]
    [MemberData(nameof(Outcomes))]
    public void OnlyAWholeRunWhoseClaimsHoldExitsWith0(bool holds, string? skipped, int asked, int exitCode) =>
        Assert.Equal(exitCode, Summary([Claimed("a", holds, skipped)], null, asked).ExitCode);

    [Theory]
    [InlineData(
        "{\"id\":\"a\",\"statement\":\"s\",\"measured\":\"NaN\",\"relation\":\"<\",\"bound\":1,"
            + "\"holds\":false,\"seconds\":0}",
        double.NaN,
        ClaimOutcome.Fails,
        null
    )]
    [InlineData(
        "{\"id\":\"a\",\"statement\":\"s\",\"measured\":1.5,\"relation\":\"=±0.1\",\"bound\":1.5,\"holds\":true}",
        1.5,
        ClaimOutcome.Holds,
        null
    )]
    [InlineData(
        "{\"id\":\"a\",\"statement\":\"s\",\"holds\":null,\"skipped\":\"no data\"}",
        double.NaN,
        ClaimOutcome.Skipped,
        "no data"
    )]
    [InlineData(
        "{\"id\":\"a\",\"statement\":\"s\",\"measured\":0.4,\"relation\":\">=\",\"bound\":0.5,"
            + "\"skipped\":\"photographs\"}",
        0.4,
        ClaimOutcome.Exception,
        "photographs"
    )]
    public void AClaimIsRead(string line, double measured, ClaimOutcome outcome, string? skipped)
    {
        var (claims, problems) = Read(line);
        Assert.Empty(problems);
        var claim = Assert.Single(claims);
        Assert.Equal((measured, outcome, skipped), (claim.Measured, claim.Outcome, claim.Skipped));
        Assert.Equal("02-a", claim.Notebook);
    }

    [Theory]
    [InlineData("{", "it is not JSON")]
    [InlineData("[1]", "not a JSON object")]
    [InlineData("{\"statement\":\"s\",\"relation\":\"<\",\"holds\":true}", "lacks \"id\"")]
    [InlineData("{\"id\":\"a\",\"relation\":\"<\",\"holds\":true}", "lacks \"statement\"")]
    [InlineData("{\"id\":\"a\",\"statement\":\"s\",\"relation\":\"<\"}", "lacks \"holds\"")]
    [InlineData("{\"id\":\"a\",\"statement\":\"s\",\"relation\":\"<\",\"holds\":\"yes\"}", "lacks \"holds\"")]
    [InlineData("{\"id\":\"a\",\"statement\":\"s\",\"skipped\":true}", "\"skipped\" is no text")]
    [InlineData("{\"id\":\"a\",\"skipped\":\"no data\"}", "lacks \"statement\"")]
    [InlineData(
        "{\"id\":\"a\",\"statement\":\"s\",\"relation\":\"<\",\"holds\":true,\"measured\":\"many\"}",
        "\"measured\" is no number"
    )]
    [InlineData(
        "{\"id\":\"a\",\"statement\":\"s\",\"relation\":\"<\",\"holds\":true,\"seconds\":\"x\"}",
        "\"seconds\" is no number"
    )]
    public void ALineThatIsNoClaimIsAProblemAndTheOthersAreKept(string line, string sentence)
    {
        var (claims, problems) = Read(
            "{\"id\":\"first\",\"statement\":\"s\",\"relation\":\"<\",\"holds\":true}\n\n" + line + "\n"
        );
        Assert.Equal("first", Assert.Single(claims).Id);
        Assert.Contains("line 3", Assert.Single(problems));
        Assert.Contains(sentence, problems[0]);
    }

    [Fact]
    public void AnIdThatStandsTwiceIsAProblem()
    {
        const string line = "{\"id\":\"a\",\"statement\":\"s\",\"relation\":\"<\",\"holds\":true}\n";
        Assert.Contains("'a' twice", Assert.Single(Read(line + line).Problems));
    }

    [Fact]
    public void FiguresComeInOrderOneAnOutputWithTheirNames()
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json("1", "2"));
        JsonObject Output(JsonObject data, string? id = null) =>
            new()
            {
                ["output_type"] = "display_data",
                ["metadata"] = id is null ? new JsonObject() : new JsonObject { ["id"] = id },
                ["data"] = data,
            };
        var cells = document.CodeCells.ToList();
        cells[0]
            .SetResult(
                1,
                [
                    Output(new JsonObject { ["text/plain"] = "no picture" }),
                    Output(new JsonObject { ["image/svg+xml"] = "<svg/>", ["image/png"] = "AQID" }, "Loss Curve!"),
                ]
            );
        cells[1]
            .SetResult(
                2,
                [
                    Output(new JsonObject { ["image/png"] = "not base64!" }),
                    Output(
                        new JsonObject
                        {
                            ["image/svg+xml"] = new JsonArray("<svg>", "</svg>"),
                            ["text/plain"] = "[Figure 3.2: Loss [log] over time]",
                        }
                    ),
                ]
            );
        var figures = FigureExtractor.Extract(document, "02-a");
        Assert.Equal(["02-a-01-loss-curve.png", "02-a-02-3-2.svg"], figures.Select(f => f.FileName));
        Assert.Equal([null, "Loss [log] over time"], figures.Select(f => f.Title));
        Assert.Equal([1, 2, 3], figures[0].Bytes);
    }

    [Fact]
    public void WhatAnEarlierRunLeftGoesAndWhatIsNotOursStays()
    {
        using var place = new EnvironmentWorkspace();
        var folder = Path.Combine(place.Root, "out");
        Directory.CreateDirectory(Path.Combine(folder, "figures"));
        foreach (
            var name in new[] { "claims.json", "timings.json", "letter.txt", "figures/02-a-01.png", "figures/mine.png" }
        )
            File.WriteAllText(Path.Combine(folder, name), "{}");
        new ArtifactWriter(folder).Clear();
        Assert.Equal(
            ["figures/mine.png", "letter.txt", "timings.json"],
            Directory
                .EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Select(f => Path.GetRelativePath(folder, f).Replace('\\', '/'))
                .Order(StringComparer.Ordinal)
        );
    }

    [Fact]
    public void TheRestOfARunIsJudgedByTheLastOne()
    {
        using var place = new EnvironmentWorkspace();
        var file = Path.Combine(place.Root, "artifacts", "timings.json");
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "{\"02-a quick faces cpu\":{\"x\":10,\"y\":30}}");
        var clock = new HandClock();
        var estimate = new RunEstimate(
            Timings.Load(file),
            Options.TimingKey,
            [("02-a", ["x", "y"]), ("03-b", ["z"])],
            clock: clock
        );
        var other = estimate.Left("03-b");
        estimate.Started("02-a", 1);
        clock.Seconds = 4;
        Assert.Equal(36, estimate.Left("02-a"), 6);
        Assert.Equal(36 + other, estimate.Left(), 6);
        estimate.Started("02-a", 2);
        clock.Seconds = 103;
        Assert.Equal(0, estimate.Left("02-a"), 6);
        estimate.Finished("02-a");
        Assert.Equal(other, estimate.Left(), 6);
        File.WriteAllText(file, "{\"broken\":");
        Assert.Null(Timings.Load(file).Cell(Options.TimingKey, "02-a", "x"));
    }

    [Fact]
    public void TwoPlacesAreFreeWhenTheLongerShareIsDone()
    {
        using var place = new EnvironmentWorkspace();
        var timings = Timings.Load(Path.Combine(place.Root, "timings.json"));
        var minutes = new Dictionary<string, double>
        {
            ["00-a"] = 1,
            ["01-b"] = 2,
            ["02-c"] = 4,
        };
        var clock = new HandClock();
        RunEstimate Estimate(int jobs) =>
            new(
                timings,
                Options.TimingKey,
                [.. minutes.Keys.Select(stem => (stem, (IReadOnlyList<string>)["x", "y"]))],
                minutes,
                jobs,
                clock
            );
        var start = Estimate(1).Left("00-a") - 60;
        Assert.Equal(3 * start + 420, Estimate(1).Left(), 6);
        Assert.Equal(240 + start, Estimate(3).Left(), 6);
        var two = Estimate(2);
        Assert.Equal(240 + start, two.Left(), 6);
        two.Started("00-a", 2);
        two.Started("02-c", 1);
        clock.Seconds = 10;
        Assert.Equal(20 + 120 + start, two.Left("00-a") + two.Left("01-b"), 6);
        Assert.Equal(230, two.Left(), 6);
        two.Finished("02-c");
        Assert.Equal(120 + start, two.Left(), 6);
    }

    [Fact]
    public void EveryNotebookSMinutesStandInTheReadme()
    {
        var repository = Workspace.Find(AppContext.BaseDirectory);
        var minutes = StatedMinutes.Read(repository);
        Assert.Equal(repository.Notebooks().Select(n => n.Stem), minutes.Keys.Order(StringComparer.Ordinal));
        Assert.All(minutes.Values, m => Assert.InRange(m, 0.1, 60));
    }

    [Fact]
    public void WhatARunTookStandsInTheReportAndBesideTheClaims()
    {
        var measured = Summary([]) with { Options = Options with { Jobs = 2, Threads = 1 } };
        measured = measured with
        {
            Results =
            [
                measured.Results[0] with
                {
                    FirstOutputSeconds = 3.456,
                    PeakBytes = 1_250_000_000,
                },
                measured.Results[0],
            ],
        };
        var page = HtmlReport.Render(measured, []);
        Assert.Contains("2 at a time with 1 thread each", page);
        Assert.Contains(
            "1:01 min</td><td class=\"number\" data-label=\"first output\">3.5 s</td><td class=\"number\" "
                + "data-label=\"peak memory\">1.3 GB</td>",
            page
        );
        var json = measured.ToJson();
        Assert.Equal((2, 1), ((int)json["options"]!["jobs"]!, (int)json["options"]!["threads"]!));
        Assert.Equal(
            (61, 3.46, 1_250_000_000L),
            (
                (double)json["notebooks"]![0]!["seconds"]!,
                (double)json["notebooks"]![0]!["firstOutputSeconds"]!,
                (long)json["notebooks"]![0]!["peakBytes"]!
            )
        );
        Assert.Equal((null, null), (json["notebooks"]![1]!["firstOutputSeconds"], json["notebooks"]![1]!["peakBytes"]));
    }

    [Theory]
    [InlineData(0.04, "0.0 s")]
    [InlineData(9.96, "10 s")]
    [InlineData(59.4, "59 s")]
    [InlineData(59.6, "1:00 min")]
    [InlineData(3725, "1:02 h")]
    [InlineData(double.NaN, "–")]
    public void DurationsAreForPeople(double seconds, string text) => Assert.Equal(text, Clock.Format(seconds));

    private static (IReadOnlyList<Claim> Claims, IReadOnlyList<string> Problems) Read(string text)
    {
        var file = Path.GetTempFileName();
        try
        {
            File.WriteAllText(file, text);
            return ClaimsFile.Read(file, "02-a");
        }
        finally
        {
            File.Delete(file);
        }
    }
}
