using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Reproduce.Runner;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The program as a process of its own, told to stop as systems do it.</summary>
public sealed class EnvironmentSignalTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)] // twice at once, as where both 'dotnet run' and what it started are told
    public async Task NoKernelOutlivesARunOfTwoNotebooksThatIsToldToEnd(int times)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("signals are sent, and processes read, as on Linux");
        using var place = new EnvironmentWorkspace();
        foreach (var stem in new[] { "00-a", "01-b" })
            place.Add(stem, "1", "while (true) { }");
        // Where memory is short they run one after another.
        var jobs = JobPlan.Choose(2, 2, 2, MemorySize.Free(), onGpu: false, null).Jobs;
        Process? left = null;
        int[] kernels = [];
        try
        {
            var start = new ProcessStartInfo(
                "dotnet",
                [Path.Combine(AppContext.BaseDirectory, "Reproduce.dll"), "run", "--jobs", "2"]
            )
            {
                WorkingDirectory = place.Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            };
            var run = Process.Start(start)!;
            left = run;
            // They compute: each one's first cell has come back.
            var begun = 0;
            while (
                begun < jobs
                && await run.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) is { } line
            )
                if (line.Contains("cell 1/2"))
                    begun++;
            kernels = Below(run.Id);
            Assert.InRange(kernels.Length, jobs, int.MaxValue);
            for (var i = 0; i < times; i++)
                using (var kill = Process.Start("kill", ["-TERM", run.Id.ToString(CultureInfo.InvariantCulture)]))
                    await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
            _ = run.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            _ = run.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await run.WaitForExitAsync(TestContext.Current.CancellationToken)
                .WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
            var clock = Stopwatch.StartNew();
            while (kernels.Any(Lives) && clock.Elapsed < TimeSpan.FromSeconds(10))
                await Task.Delay(100, TestContext.Current.CancellationToken);
            Assert.DoesNotContain(kernels, Lives);
            left = null;
        }
        finally
        {
            // Where the test fails, nothing that it started goes on.
            foreach (var id in left is null ? [] : kernels.Append(left.Id).Where(Lives))
                using (var stray = Process.GetProcessById(id))
                    stray.Kill(entireProcessTree: true);
        }
    }

    // The state and the parent stand behind the name in parentheses.
    private static string[]? Stat(int id)
    {
        try
        {
            var text = File.ReadAllText($"/proc/{id}/stat");
            return text[(text.LastIndexOf(')') + 2)..].Split(' ');
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static bool Lives(int id) => Stat(id) is { } stat && stat[0] != "Z";

    private static int[] Below(int id)
    {
        var children = Directory
            .GetDirectories("/proc")
            .Select(Path.GetFileName)
            .Where(n => int.TryParse(n, out _))
            .Select(int.Parse!)
            .Where(p => Stat(p)?[1] == id.ToString(CultureInfo.InvariantCulture))
            .ToArray();
        return [.. children, .. children.SelectMany(Below)];
    }
}
