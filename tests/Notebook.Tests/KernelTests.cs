using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>Runs cells in the pinned kernel itself, started as editors start it, and looks at what it hands
/// back.</summary>
public sealed class KernelTests
{
    private static readonly string Root = FindRoot();

    [Theory]
    [InlineData("notebooks", "#!import \"lab.dib\"")]
    [InlineData(".", "#!import \"notebooks/lab.dib\"")]
    public async Task AChartAFrameAndATensorLiveInOneNotebook(string folder, string first)
    {
        await using var kernel = await Kernel.StartAsync(Path.Combine(Root, folder));
        var start = await kernel.RunAsync(first + "\nLab.Start(\"kernel-test\");");
        Assert.Contains("quick", start["text/html"]);
        Assert.DoesNotContain(Root, start["text/html"]);

        var tensor = await kernel.RunAsync("var t = arange(6, dtype: ScalarType.Float32).reshape(2, 3); t");
        Assert.Contains("tensor (2, 3) float32", tensor["text/plain"]);

        var frame = await kernel.RunAsync(
            "Frame.FromColumns(new Dictionary<string, Series<int, double>> { [\"loss\"] = new Series<int, "
                + "double>(new[] { 7, 8 }, new[] { 0.25, 0.5 }) })"
        );
        Assert.Contains("<td style=\"text-align:left\">0.25</td>", frame["text/html"]);

        var figure = await kernel.RunAsync(
            "Figure.Show(Plot.Lines([Plot.Curve(\"a\", [1, 2, 3], t[0].ToDoubles())], \"step\", \"loss "
                + "(nat)\"), \"1.1\", \"A line\", \"It rises.\");"
        );
        using var plotly = JsonDocument.Parse(figure["application/vnd.plotly.v1+json"]);
        Assert.Equal(
            [0.0, 1, 2],
            plotly.RootElement.GetProperty("data")[0].GetProperty("y").EnumerateArray().Select(v => v.GetDouble())
        );
        Assert.Equal(
            "Line chart: A line. It rises. X: step. Y: loss (nat). 1 curve: a.",
            plotly.RootElement.GetProperty("layout").GetProperty("meta").GetProperty("alt").GetString()
        );
        Assert.Equal("**Figure 1.1.** It rises.", figure["text/markdown"]);
        if (
            BalancedDiffusion.Notebook.BrowserSearch.Find(Environment.GetEnvironmentVariable, File.Exists).Path
            is not null
        )
            Assert.Equal([0x89, 0x50, 0x4E, 0x47], Convert.FromBase64String(figure["image/png"])[..4]);

        var images = await kernel.RunAsync(
            "var faces = Lab.Images.Train(4); ImageGrid.Show(faces.Images, \"1.2\", \"Faces\", \"All differ.\");"
        );
        Assert.Equal([0x89, 0x50, 0x4E, 0x47], Convert.FromBase64String(images["image/png"])[..4]);

        var claim = await kernel.RunAsync("Claims.Check(\"a\", \"one is at most two\", 1, Relation.AtMost, 2);");
        Assert.Contains("✓ holds", claim["text/plain"]);
        Assert.Equal(ClaimOutcome.Holds, Claim.FromJson(JsonNode.Parse(claim[Claim.MimeType])).Outcome);

        var every = await kernel.RunAsync(
            "using (var bar = Progress.Start(\"counting\", 3)) for (var i = 1; i <= 3; i++) bar.Report(i);"
        );
        Assert.StartsWith("counting: 3 of 3, ", every["text/plain"]);
    }

    [Fact]
    public async Task EveryNamespaceOfTheLibraryIsOpenInACell()
    {
        await using var kernel = await Kernel.StartAsync(Path.Combine(Root, "notebooks"));
        await kernel.RunAsync("#!import \"lab.dib\"");
        var types = new[]
        {
            typeof(BalancedDiffusion.Runtime.Seeds),
            typeof(BalancedDiffusion.Notebook.Lab),
            typeof(BalancedDiffusion.Exercises.Check),
        }
            .SelectMany(type => type.Assembly.GetExportedTypes())
            .Where(type => !type.IsGenericType && !type.IsNested)
            .ToList();
        foreach (var group in types.GroupBy(type => type.Name))
            Assert.True(
                group.Count() == 1,
                $"{group.Key} is the name of {group.Count()} types, so no cell can say which it means"
            );
        // In one cell: each cell costs a tenth of a second.
        var found = await kernel.RunAsync(
            $"string.Join(' ', new[] {{ {string.Join(", ", types.Select(type => $"typeof({type.Name})"))} }}"
                + ".Select(type => type.FullName))"
        );
        Assert.Equal(types.Select(type => type.FullName), string.Concat(found.Values).Split(' '));
    }

    [Fact]
    public async Task OutsideTheRepositoryOneSentenceSaysSo()
    {
        var elsewhere = Directory.CreateTempSubdirectory("lab-elsewhere-");
        try
        {
            await using var kernel = await Kernel.StartAsync(Root);
            var copy = Path.Combine(elsewhere.FullName, "lab.dib");
            File.Copy(Path.Combine(Root, "notebooks", "lab.dib"), copy);
            var e = await Assert.ThrowsAsync<InvalidOperationException>(() =>
                kernel.RunAsync(
                    $"System.Environment.CurrentDirectory = @\"{elsewhere.FullName}\";\n#!import "
                        + $"\"{copy.Replace('\\', '/')}\""
                )
            );
            Assert.StartsWith("The library was not found in this folder or any above it", e.Message);
            Assert.DoesNotContain("   at ", e.Message);
        }
        finally
        {
            elsewhere.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task StoppingACellStopsItsTrainingAndTheKernelAnswers()
    {
        await using var kernel = await Kernel.StartAsync(Path.Combine(Root, "notebooks"));
        await kernel.RunAsync("#!import \"lab.dib\"\nLab.Start(\"kernel-test\");");
        await kernel.RunAsync("var dae = new ReluDae(16, 8, 0); var data = randn(64, 16);");
        var clock = Stopwatch.StartNew();
        await kernel.StopAsync(
            "Lab.Train(\"without end\", dae, data, new TrainingOptions { Steps = 1_000_000_000, LogEvery = 100 });"
        );
        Assert.InRange(clock.Elapsed.TotalSeconds, 0, 60);
        // Nothing goes on behind the cell: the weights stand still, and record no gradients.
        var answer = await kernel.RunAsync(
            "System.Threading.Thread.Sleep(500); var before = dae.Encoder.sum().ToDouble();\n"
                + "System.Threading.Thread.Sleep(1500);\n"
                + "$\"{before == dae.Encoder.sum().ToDouble()}, {dae.parameters().Any(p => p.requires_grad)}\""
        );
        Assert.Contains("True, False", string.Concat(answer.Values));

        // A loop of the cell's own that reports its progress.
        await kernel.StopAsync(
            "var rounds = 0L;\n"
                + "using (var bar = Progress.Start(\"rounds\", long.MaxValue)) while (true) bar.Report(++rounds);"
        );
        Assert.Contains("42", string.Concat((await kernel.RunAsync("6 * 7")).Values));

        // Jupyter stops a cell by a signal.
        if (OperatingSystem.IsWindows() || IsInterruptIgnored())
            return;
        var id = string.Concat((await kernel.RunAsync("Console.Write(Environment.ProcessId)")).Values);
        await kernel.StopAsync(
            "using (var bar = Progress.Start(\"rounds\", long.MaxValue)) while (true) bar.Report(++rounds);",
            () => Process.Start("kill", ["-INT", id])!.WaitForExitAsync()
        );
        Assert.Contains("42", string.Concat((await kernel.RunAsync("6 * 7")).Values));
    }

    /// <summary>That glibc keeps the memory of freed tensors shows in times only (tests/Benchmarks): by default it may
    /// do so too, as pieces happen to lie.</summary>
    [Fact]
    public async Task AKernelStartedWithItsOwnSettingsOfMallocKeepsThem()
    {
        if (!OperatingSystem.IsLinux() || !TorchRuntime.Log.Any(IsKept))
            Assert.Skip("this C library has no such setting");
        var folder = Path.Combine(Root, "notebooks");
        await using var kernel = await Kernel.StartAsync(folder, own: ("MALLOC_TRIM_THRESHOLD_", "131072"));
        await kernel.RunAsync("#!import \"lab.dib\"\nLab.Start(\"kernel-test\");");
        var log = string.Concat((await kernel.RunAsync("string.Join('\\n', TorchRuntime.Log)")).Values);
        Assert.NotEmpty(log);
        Assert.False(IsKept(log));
        static bool IsKept(string line) => line.Contains("mallopt", StringComparison.Ordinal);
    }

    [Fact]
    public async Task NumbersHaveAPointWhereTheMachinesLanguageWritesAComma()
    {
        await using var kernel = await Kernel.StartAsync(Path.Combine(Root, "notebooks"), "de_DE.UTF-8");
        const string number = "$\"{1.5} {System.Globalization.CultureInfo.CurrentCulture.Name}\"";
        if (!string.Concat((await kernel.RunAsync(number)).Values).Contains("1,5 de-DE"))
            Assert.Skip("this system does not take its language from LANG");
        await kernel.RunAsync("#!import \"lab.dib\"\nLab.Start(\"kernel-test\");");
        Assert.Contains("1.5 ", (await kernel.RunAsync(number))["text/plain"]);
        Assert.Equal("1.5", (await kernel.RunAsync("1.5"))["text/plain"]);
        Assert.Equal("0.333333", (await kernel.RunAsync("1m / 3"))["text/plain"]);
        Assert.Contains(
            "2.5|0.333333",
            (await kernel.RunAsync("Console.WriteLine(await Task.Run(() => $\"{2.5}|{1.0 / 3:G6}\"))"))["text/plain"]
        );
    }

    /// <summary>Whether this process ignores interrupts, as a shell has it for what it runs in the background; a kernel
    /// that it starts inherits that.</summary>
    private static bool IsInterruptIgnored()
    {
        const string ignored = "SigIgn:";
        const long interrupt = 1 << 1;
        var line = File.Exists("/proc/self/status")
            ? File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(ignored, StringComparison.Ordinal))
            : null;
        return line is not null && (Convert.ToInt64(line[ignored.Length..].Trim(), 16) & interrupt) != 0;
    }

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "dotnet-tools.json")))
                return folder.FullName;
        throw new InvalidOperationException("the repository was not found above the tests");
    }

    /// <summary>The kernel as a process that takes commands and gives events, each a line of JSON.</summary>
    private sealed class Kernel : IAsyncDisposable
    {
        private readonly Process process;
        private int count;

        private Kernel(Process process) => this.process = process;

        /// <param name="folder">Where it runs.</param>
        /// <param name="language">The machine's language as <c>LANG</c> has it; null for this machine's.</param>
        /// <param name="own">A variable of its environment, or null.</param>
        public static async Task<Kernel> StartAsync(
            string folder,
            string? language = null,
            (string Name, string Value)? own = null
        )
        {
            using (
                var restore = Process.Start(
                    new ProcessStartInfo("dotnet", "tool restore")
                    {
                        WorkingDirectory = Root,
                        RedirectStandardOutput = true,
                        RedirectStandardError = true,
                    }
                )!
            )
            {
                _ = restore.StandardError.ReadToEndAsync();
                _ = restore.StandardOutput.ReadToEndAsync();
                await restore.WaitForExitAsync();
                if (restore.ExitCode != 0)
                    Assert.Skip("the pinned kernel cannot be restored on this machine");
            }
            var start = new ProcessStartInfo("dotnet", "interactive stdio --default-kernel csharp")
            {
                WorkingDirectory = folder,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                StandardInputEncoding = new UTF8Encoding(false),
                StandardOutputEncoding = Encoding.UTF8,
            };
            foreach (var name in new[] { "PROFILE", "IMAGES", "SEED", "CLAIMS" })
                start.Environment.Remove("BALANCED_DIFFUSION_" + name);
            start.Environment["BALANCED_DIFFUSION_DEVICE"] = "cpu";
            start.Environment["DOTNET_gcServer"] = "0";
            start.Environment["MALLOC_ARENA_MAX"] = "1";
            if (language is not null)
            {
                start.Environment.Remove("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT");
                (start.Environment["LANG"], start.Environment["LC_ALL"]) = (language, language);
            }
            start.Environment["DOTNET_INTERACTIVE_CLI_TELEMETRY_OPTOUT"] = "1";
            if (own is { } variable)
                start.Environment[variable.Name] = variable.Value;
            var kernel = new Kernel(Process.Start(start)!);
            kernel.process.ErrorDataReceived += (_, _) => { };
            kernel.process.BeginErrorReadLine();
            return kernel;
        }

        /// <summary>Runs a cell without end, stops it where it has shown its progress twice, and waits for its end.
        /// Where it goes on, it is stopped again after thirty more: on a busy machine the kernel may lose a command
        /// that comes while it begins a cell.</summary>
        public async Task StopAsync(string code, Func<Task>? stop = null)
        {
            var seen = 0;
            await Assert.ThrowsAsync<InvalidOperationException>(() =>
                RunAsync(
                    code,
                    async () =>
                    {
                        if (++seen % 30 != 2)
                            return;
                        if (stop is not null)
                        {
                            await stop();
                            return;
                        }
                        await process.StandardInput.WriteLineAsync(
                            "{\"commandType\":\"Cancel\",\"token\":\"stop\","
                                + "\"command\":{\"targetKernelName\":\"csharp\"}}"
                        );
                        await process.StandardInput.FlushAsync();
                    }
                )
            );
        }

        /// <summary>The newest value of each form that the cell showed.</summary>
        public async Task<Dictionary<string, string>> RunAsync(string code, Func<Task>? onUpdate = null)
        {
            var token = $"cell-{++count}";
            await process.StandardInput.WriteLineAsync(
                JsonSerializer.Serialize(
                    new
                    {
                        commandType = "SubmitCode",
                        token,
                        command = new { code, targetKernelName = "csharp" },
                    }
                )
            );
            await process.StandardInput.FlushAsync();
            var shown = new Dictionary<string, string>();
            using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(4));
            while (await process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
            {
                if (!line.StartsWith('{'))
                    continue;
                using var json = JsonDocument.Parse(line);
                if (!json.RootElement.TryGetProperty("eventType", out var type))
                    continue;
                var data = json.RootElement.GetProperty("event");
                var command =
                    json.RootElement.TryGetProperty("command", out var c)
                    && c.ValueKind == JsonValueKind.Object
                    && c.TryGetProperty("token", out var t)
                        ? t.GetString()
                        : null;
                switch (type.GetString())
                {
                    case "DisplayedValueProduced" or "DisplayedValueUpdated" or "ReturnValueProduced":
                        foreach (var form in data.GetProperty("formattedValues").EnumerateArray())
                            shown[form.GetProperty("mimeType").GetString()!] = form.GetProperty("value").GetString()!;
                        if (type.GetString() == "DisplayedValueUpdated" && onUpdate is not null)
                            await onUpdate();
                        break;
                    case "StandardOutputValueProduced":
                        foreach (var form in data.GetProperty("formattedValues").EnumerateArray())
                            shown[form.GetProperty("mimeType").GetString()!] = form.GetProperty("value").GetString()!;
                        break;
                    case "CommandSucceeded" when command == token:
                        return shown;
                    case "CommandFailed" when command == token:
                        throw new InvalidOperationException(data.GetProperty("message").GetString());
                }
            }
            throw new InvalidOperationException($"the kernel ended while it ran: {code}");
        }

        public async ValueTask DisposeAsync()
        {
            process.StandardInput.Close();
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            try
            {
                await process.WaitForExitAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
            }
            process.Dispose();
        }
    }
}
