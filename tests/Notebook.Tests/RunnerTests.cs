using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The runner on the real, pinned kernel, with notebooks of plain C#.</summary>
public sealed class RunnerTests : IDisposable
{
    private const string Pixel =
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
    private readonly EnvironmentWorkspace place = new();
    private readonly EnvironmentSilence progress = new();

    public void Dispose() => place.Dispose();

    [Fact]
    public async Task AGoodNotebookKeepsOrderAndIdsReplacesUpdatesAndWritesEveryArtifact()
    {
        var options = place.Options();
        var notebook = place.Add(
            "03-good",
            "using Microsoft.DotNet.Interactive;\n1 + 1",
            "Console.Write(\"ä\"); Console.WriteLine(\"b 😀 𝒩\"); display(\"x\"); "
                + "Console.WriteLine(Environment.CurrentDirectory + \" \" + "
                + "System.IO.Path.GetFullPath(\"../data/a.txt\"));",
            "var d = KernelInvocationContext.Current.DisplayAs(\"<b>before</b>\", \"text/html\");\n"
                + "Console.WriteLine(\"between\");\nd.Update(\"after\");",
            "KernelInvocationContext.Current.DisplayAs(\"{\\\"data\\\":[1,2]}\", "
                + "\"application/vnd.plotly.v1+json\");\nKernelInvocationContext.Current.DisplayAs(\""
                + Pixel
                + "\", \"image/png\");\n"
                + "KernelInvocationContext.Current.DisplayAs("
                + "\"<script>probeAddresses(['http://10.1.2.3:99/'])</script>\", "
                + "\"text/html\");",
            "   ",
            "foreach (var i in System.Linq.Enumerable.Range(0, 40)) Console.WriteLine(new string('y', 50_000));",
            "Console.WriteLine(string.Join(\"|\", new[] { \"PROFILE\", \"IMAGES\", \"DEVICE\", \"SEED\" "
                + "}.Select(n => Environment.GetEnvironmentVariable(\"BALANCED_DIFFUSION_\" + n))));",
            "System.IO.File.AppendAllLines(Environment.GetEnvironmentVariable(\"BALANCED_DIFFUSION_CLAIMS\"), "
                + "new[] { \"{\\\"id\\\":\\\"one\\\",\\\"statement\\\":\\\"1 < "
                + "2\\\",\\\"measured\\\":1,\\\"relation\\\":\\\"<\\\","
                + "\\\"bound\\\":2,\\\"holds\\\":true,\\\"seconds\\\":0.5}\" "
                + "});"
        );
        var before = File.ReadAllText(notebook.File);

        var timings = Timings.Load(Path.Combine(options.Out, "timings.json"));
        var summary = await new RunSession(place.Repository, options).RunAsync(
            [notebook],
            progress,
            timings,
            TestContext.Current.CancellationToken
        );

        var result = Assert.Single(summary.Results);
        Assert.Null(result.Failure);
        Assert.Equal(0, summary.ExitCode);
        Assert.Equal(before, File.ReadAllText(notebook.File));
        Assert.Equal((7, 7), (result.CellCount, result.CellsRun));

        var written = NotebookDocument.Load(Path.Combine(options.Out, "notebooks", "03-good.ipynb"));
        Assert.Equal(["title", .. Enumerable.Range(1, 8).Select(i => $"code-{i}")], written.Cells.Select(c => c.Id));
        Assert.Equal([1, 2, 3, 4, null, 5, 6, 7], written.CodeCells.Select(c => c.ExecutionCount));
        var cells = written.CodeCells.ToList();
        var two = Assert.Single(cells[0].Outputs);
        Assert.Equal("execute_result", (string?)two["output_type"]);
        Assert.Equal("2", NotebookText.Join(two["data"]!["text/plain"]));

        Assert.Equal(["stream", "display_data", "stream"], cells[1].Outputs.Select(o => (string?)o["output_type"]));
        Assert.Equal("äb 😀 𝒩\n", NotebookText.Join(cells[1].Outputs.First()["text"]));
        Assert.Equal(". ../data/a.txt\n", NotebookText.Join(cells[1].Outputs.Last()["text"]));

        Assert.Equal(["display_data", "stream"], cells[2].Outputs.Select(o => (string?)o["output_type"]));
        Assert.Equal("after", NotebookText.Join(cells[2].Outputs.First()["data"]!["text/plain"]));

        Assert.Equal(2, cells[3].Outputs.Count());
        Assert.Equal(
            """{"data":[1,2]}""",
            cells[3].Outputs.First()["data"]!["application/vnd.plotly.v1+json"]!.ToJsonString()
        );
        Assert.Equal(Pixel, (string?)cells[3].Outputs.Last()["data"]!["image/png"]);

        var endless = NotebookText.Join(Assert.Single(cells[5].Outputs)["text"]);
        Assert.InRange(endless.Length, OutputCollector.StreamLimit, OutputCollector.StreamLimit + 200);
        Assert.Equal("quick|faces|cpu|7\n", NotebookText.Join(Assert.Single(cells[6].Outputs)["text"]));

        Assert.Equal(
            Convert.FromBase64String(Pixel),
            File.ReadAllBytes(Path.Combine(options.Out, "figures", "03-good-01.png"))
        );
        var claim = Assert.Single(
            JsonNode.Parse(File.ReadAllText(Path.Combine(options.Out, "claims.json")))!.AsArray()
        )!;
        Assert.Equal(
            """{"notebook":"03-good","id":"one","statement":"1 < 2","measured":1"""
                + ""","relation":"<","bound":2,"holds":true,"seconds":0.5}""",
            claim.ToJsonString(
                new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }
            )
        );
        Assert.Contains(Pixel, File.ReadAllText(Path.Combine(options.Out, "report.html")));
        Assert.True((bool?)JsonNode.Parse(File.ReadAllText(Path.Combine(options.Out, "run.json")))!["succeeded"]);
        Assert.NotNull(
            Timings.Load(Path.Combine(options.Out, "timings.json")).Cell(options.TimingKey, "03-good", "code-1")
        );
        Assert.Equal("03-good end", progress.Events[^1]);
    }

    [Fact]
    public async Task AFailingADyingAndABrokenNotebookAreReportedAndTheOthersStillRun()
    {
        var options = place.Options();
        List<BalancedDiffusion.Reproduce.Runner.Notebooks.NotebookFile> notebooks =
        [
            place.Add(
                "00-throws",
                "var a = 1;",
                "throw new InvalidOperationException(\"the bound is -0.2\\nin a second line\");",
                "a"
            ),
            place.Add(
                "01-dies",
                "[System.Runtime.InteropServices.DllImport(\"libc\")] static extern int puts(string s);\n"
                    + "Console.WriteLine(\"kept\");",
                "Environment.FailFast(\"no way on\");"
            ),
            place.Add("02-broken"),
            place.Add("03-compiles-not", "int n = \"text\";"),
            place.Add(
                "04-claims",
                "System.IO.File.AppendAllText(Environment.GetEnvironmentVariable(\"BALANCED_DIFFUSION_CLAIMS\"), "
                    + "\"{not a claim\\n\");"
            ),
        ];
        File.WriteAllText(notebooks[2].File, "{ \"cells\": [");

        var summary = await new RunSession(place.Repository, options).RunAsync(
            notebooks,
            progress,
            Timings.Load(Path.Combine(options.Out, "timings.json")),
            TestContext.Current.CancellationToken
        );

        Assert.Equal(1, summary.ExitCode);
        Assert.Equal(5, summary.Results.Count);
        var thrown = summary.Results[0].Failure!;
        Assert.Equal((FailureKind.Error, 2, "code-2"), (thrown.Kind, thrown.Cell, thrown.CellId));
        Assert.Contains("throw new InvalidOperationException", thrown.Source);
        Assert.Equal("System.InvalidOperationException", thrown.Error.Name);
        Assert.Equal("the bound is -0.2\nin a second line", thrown.Error.Message);
        var cells = NotebookDocument.Load(Path.Combine(options.Out, "notebooks", "00-throws.ipynb")).CodeCells.ToList();
        Assert.Equal("error", (string?)Assert.Single(cells[1].Outputs)["output_type"]);
        Assert.Equal([1, 2, null], cells.Select(c => c.ExecutionCount));
        Assert.Empty(cells[2].Outputs);

        var died = summary.Results[1].Failure!;
        Assert.Equal((FailureKind.Crash, 2), (died.Kind, died.Cell));
        Assert.Contains("no way on", died.Sentence);
        Assert.Equal(
            "kept\n",
            NotebookText.Join(summary.Results[1].Document!.CodeCells.First().Outputs.Single()["text"])
        );

        Assert.Equal(FailureKind.Unreadable, summary.Results[2].Failure!.Kind);
        Assert.Equal("CompilationError", summary.Results[3].Failure!.Error.Name);
        Assert.Contains("CS0029", summary.Results[3].Failure!.Error.Message);
        Assert.Null(summary.Results[4].Failure);
        Assert.Contains(
            "line 1 of the claims of 04-claims is no claim",
            Assert.Single(summary.Results[4].ClaimProblems)
        );

        var page = File.ReadAllText(Path.Combine(options.Out, "report.html"));
        Assert.Contains("the bound is -0.2", page);
        Assert.Contains("no way on", page);
    }

    [Fact]
    public async Task AHungNotebookIsKilledWithAllItStartedAndSaysWhichCellItWas()
    {
        var command = OperatingSystem.IsWindows() ? "\"ping\", \"-n 600 127.0.0.1\"" : "\"sleep\", \"600\"";
        var notebook = place.Add(
            "05-hangs",
            $"var child = System.Diagnostics.Process.Start({command});\n"
                + "System.IO.File.WriteAllText(\"child\", child.Id.ToString());\nConsole.WriteLine(\"started\");",
            "while (true) { }"
        );
        var watch = System.Diagnostics.Stopwatch.StartNew();

        var result = await new NotebookRunner(place.Repository, place.Options(timeoutSeconds: 20)).RunAsync(
            notebook,
            progress,
            TestContext.Current.CancellationToken
        );

        Assert.InRange(watch.Elapsed.TotalSeconds, 19, 600);
        Assert.Equal((FailureKind.Timeout, 2), (result.Failure!.Kind, result.Failure.Cell));
        Assert.Contains("while (true)", result.Failure.Source);
        Assert.Contains("computed longer than 20 seconds (no earlier run has timed it)", result.Failure.Sentence);
        Assert.Equal("started\n", NotebookText.Join(result.Document!.CodeCells.First().Outputs.Single()["text"]));
        var child = int.Parse(File.ReadAllText(Path.Combine(place.Root, "notebooks", "child")));
        Assert.False(IsAlive(child), $"the process {child}, started by the notebook, outlived it");
    }

    [Fact]
    public async Task ACellThatComputesNothingIsGivenUpAndOneThatAnEarlierRunTimedSaysSo()
    {
        if (!Directory.Exists("/proc/self"))
            Assert.Skip("the time of a kernel's processes is read from /proc");
        var options = place.Options() with { StandStill = TimeSpan.FromSeconds(8) };
        var notebook = place.Add(
            "05-waits",
            // As long as the stand-still, and computing.
            "var clock = System.Diagnostics.Stopwatch.StartNew(); while (clock.Elapsed.TotalSeconds < 10) { }",
            "System.Threading.Thread.Sleep(600_000);"
        );
        Directory.CreateDirectory(options.Out);
        var file = Path.Combine(options.Out, "timings.json");
        File.WriteAllText(file, $$"""{ "05-waits {{options.TimingKey}}": { "code-2": 3.0 } }""");

        var summary = await new RunSession(place.Repository, options).RunAsync(
            [notebook],
            progress,
            Timings.Load(file),
            TestContext.Current.CancellationToken
        );

        var failure = Assert.Single(summary.Results).Failure!;
        Assert.Equal((FailureKind.Timeout, 2), (failure.Kind, failure.Cell));
        Assert.StartsWith(
            "cell 2 was stopped: the cell has computed nothing for 8 seconds (an earlier run measured 3.0 s), so it "
                + "hangs",
            failure.Sentence
        );
    }

    [Fact]
    public async Task AnInterruptedRunKeepsWhatItHasAndExitsWith130()
    {
        var options = place.Options();
        using var stop = new CancellationTokenSource();
        progress.OnCell = (_, cell) =>
        {
            if (cell == 2)
                stop.CancelAfter(300);
        };

        var summary = await new RunSession(place.Repository, options).RunAsync(
            [
                place.Add("00-stopped", "Console.WriteLine(\"kept\");", "System.Threading.Thread.Sleep(100_000);"),
                place.Add("01-never", "1"),
            ],
            progress,
            Timings.Load(Path.Combine(options.Out, "timings.json")),
            stop.Token
        );

        Assert.Equal(130, summary.ExitCode);
        Assert.Equal(FailureKind.Cancelled, Assert.Single(summary.Results).Failure!.Kind);
        Assert.Contains("kept", File.ReadAllText(Path.Combine(options.Out, "notebooks", "00-stopped.ipynb")));
        Assert.True((bool?)JsonNode.Parse(File.ReadAllText(Path.Combine(options.Out, "run.json")))!["interrupted"]);
    }

    [Fact]
    public async Task SideBySideTheLongestStartsFirstFailuresStayApartAndResultsKeepTheOrder()
    {
        var options = place.Options() with { Jobs = 2, Threads = 3 };
        const string claim =
            "System.IO.File.AppendAllLines(Environment.GetEnvironmentVariable(\"BALANCED_DIFFUSION_CLAIMS\"), "
            + "new[] { "
            + "\"{\\\"id\\\":\\\"one\\\",\\\"statement\\\":\\\"s\\\",\\\"relation\\\":\\\"<\\\",\\\"holds\\\":true}\" "
            + "});";
        const string picture =
            "using Microsoft.DotNet.Interactive;\nKernelInvocationContext.Current.DisplayAs(\""
            + Pixel
            + "\", \"image/png\");";
        // Each waits for the other: they end only where both run at the same time.
        static string Meet(string own, string other) =>
            $"System.IO.File.WriteAllText(\"{own}\", \"\"); while (!System.IO.File.Exists(\"{other}\")) "
            + "System.Threading.Thread.Sleep(20);";
        List<BalancedDiffusion.Reproduce.Runner.Notebooks.NotebookFile> notebooks =
        [
            place.Add(
                "00-waits",
                picture + claim,
                "Console.WriteLine(Environment.GetEnvironmentVariable(\"OMP_NUM_THREADS\"));"
            ),
            place.Add("01-throws", Meet("one", "two"), "throw new InvalidOperationException(\"only mine\");"),
            place.Add("02-long", Meet("two", "one"), picture + claim),
        ];
        var timings = Timings.Load(Path.Combine(options.Out, "timings.json"));
        var minutes = new Dictionary<string, double>
        {
            ["00-waits"] = 1,
            ["01-throws"] = 2,
            ["02-long"] = 9,
        };
        var estimate = new RunEstimate(
            timings,
            options.TimingKey,
            notebooks.Select(n => (n.Stem, (IReadOnlyList<string>)["code-1", "code-2"])).ToList(),
            minutes,
            options.Jobs
        );

        var summary = await new RunSession(place.Repository, options, estimate).RunAsync(
            notebooks,
            progress,
            timings,
            TestContext.Current.CancellationToken
        );

        Assert.Equal(
            ["02-long start 2", "01-throws start 2", "00-waits start 2"],
            progress.Events.Where(e => e.Contains("start"))
        );
        Assert.Equal(["00-waits", "01-throws", "02-long"], summary.Results.Select(r => r.Notebook.Stem));
        Assert.Equal([null, FailureKind.Error, null], summary.Results.Select(r => r.Failure?.Kind));
        Assert.Equal(1, summary.ExitCode);
        Assert.Equal(
            "3\n",
            NotebookText.Join(Assert.Single(summary.Results[0].Document!.CodeCells.Last().Outputs)["text"])
        );
        Assert.Equal(
            ["00-waits", "02-long"],
            JsonNode
                .Parse(File.ReadAllText(Path.Combine(options.Out, "claims.json")))!
                .AsArray()
                .Select(c => (string)c!["notebook"]!)
        );
        Assert.Equal(
            ["00-waits", "01-throws", "02-long"],
            JsonNode.Parse(File.ReadAllText(Path.Combine(options.Out, "run.json")))!["notebooks"]!
                .AsArray()
                .Select(n => (string)n!["notebook"]!)
        );
        var page = File.ReadAllText(Path.Combine(options.Out, "report.html"));
        Assert.InRange(
            page.IndexOf("02-long-01.png", StringComparison.Ordinal),
            page.IndexOf("00-waits-01.png", StringComparison.Ordinal) + 1,
            page.Length
        );
        // The notebook that failed showed nothing before; the others' first output came after the kernel was ready.
        Assert.Null(summary.Results[1].FirstOutputSeconds);
        Assert.All(
            new[] { summary.Results[0], summary.Results[2] },
            r => Assert.InRange(r.FirstOutputSeconds!.Value, r.StartSeconds, r.Seconds)
        );
        if (!OperatingSystem.IsMacOS())
            Assert.All(summary.Results, r => Assert.InRange(r.PeakBytes!.Value, 50_000_000, 5_000_000_000));
    }

    [Fact]
    public async Task TwoThatAreInterruptedLeaveNoProcessAndWhatWasFinishedIsKept()
    {
        var options = place.Options() with { Jobs = 2 };
        using var stop = new CancellationTokenSource();
        var asleep = 0;
        progress.OnCell = (_, cell) =>
        {
            if (cell == 2 && Interlocked.Increment(ref asleep) == 2)
                stop.CancelAfter(300);
        };
        const string tellWho =
            "System.IO.File.WriteAllText(Environment.GetEnvironmentVariable(\"BALANCED_DIFFUSION_NOTEBOOK\") "
            + "+ \".pid\", Environment.ProcessId.ToString()); Console.WriteLine(\"kept\");";
        const string sleep = "System.Threading.Thread.Sleep(100_000);";

        var summary = await new RunSession(place.Repository, options).RunAsync(
            [
                place.Add("00-done", tellWho),
                place.Add("01-stopped", tellWho, sleep),
                place.Add("02-stopped", tellWho, sleep),
                place.Add("03-never", tellWho),
            ],
            progress,
            Timings.Load(Path.Combine(options.Out, "timings.json")),
            stop.Token
        );

        Assert.Equal(130, summary.ExitCode);
        Assert.Equal(
            [null, FailureKind.Cancelled, FailureKind.Cancelled],
            summary.Results.Select(r => r.Failure?.Kind)
        );
        var pids = Directory
            .GetFiles(place.Repository.NotebooksFolder, "*.pid")
            .Select(f => int.Parse(File.ReadAllText(f)))
            .ToList();
        Assert.Equal(3, pids.Count);
        Assert.DoesNotContain(pids, IsAlive);
        foreach (var stem in new[] { "00-done", "01-stopped", "02-stopped" })
            Assert.Contains("kept", File.ReadAllText(Path.Combine(options.Out, "notebooks", stem + ".ipynb")));
        Assert.False(File.Exists(Path.Combine(options.Out, "notebooks", "03-never.ipynb")));
    }

    [Fact]
    public async Task WhereResultsCannotBeWrittenTheRunEndsAndLeavesNoKernel()
    {
        var options = place.Options() with { Jobs = 2 };
        Directory.CreateDirectory(Path.Combine(options.Out, "run.json.part"));
        const string tellWho = "System.IO.File.WriteAllText(\"pid\", Environment.ProcessId.ToString());";

        var thrown = await Record.ExceptionAsync(() =>
            new RunSession(place.Repository, options).RunAsync(
                [
                    place.Add("00-waits", tellWho, "System.Threading.Thread.Sleep(100_000);"),
                    place.Add("01-done", "while (!System.IO.File.Exists(\"pid\")) System.Threading.Thread.Sleep(20);"),
                ],
                progress,
                Timings.Load(Path.Combine(options.Out, "timings.json")),
                TestContext.Current.CancellationToken
            )
        );

        Assert.True(thrown is IOException or UnauthorizedAccessException, $"{thrown}");
        Assert.False(IsAlive(int.Parse(File.ReadAllText(Path.Combine(place.Repository.NotebooksFolder, "pid")))));
    }

    private static bool IsAlive(int id)
    {
        // A killed process may linger as a zombie until its parent has taken note.
        for (var i = 0; i < 20; i++)
        {
            try
            {
                using var process = System.Diagnostics.Process.GetProcessById(id);
                if (process.HasExited)
                    return false;
                if (
                    File.Exists($"/proc/{id}/stat")
                    && File.ReadAllText($"/proc/{id}/stat").Split(')')[^1].TrimStart().StartsWith('Z')
                )
                    return false;
            }
            catch (Exception e) when (e is ArgumentException or InvalidOperationException or IOException)
            {
                return false;
            }
            Thread.Sleep(100);
        }
        return true;
    }
}
