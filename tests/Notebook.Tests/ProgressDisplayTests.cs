using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>What a reader sees of two notebooks that run at the same time.</summary>
public sealed class ProgressDisplayTests : IDisposable
{
    private static readonly NotebookFile A = NotebookFile.TryFrom("/nowhere/00-a.ipynb")!,
        B = NotebookFile.TryFrom("/nowhere/01-b.ipynb")!;
    private static readonly IReadOnlyList<(string Stem, IReadOnlyList<string> CellIds)> Both =
    [
        ("00-a", ["w", "x"]),
        ("01-b", ["x", "y", "z"]),
    ];
    private readonly EnvironmentWorkspace place = new();
    private readonly StringWriter written = new();
    private readonly IAnsiConsole console;

    public ProgressDisplayTests()
    {
        console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(written),
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Interactive = InteractionSupport.No,
            }
        );
        console.Profile.Width = 120;
    }

    public void Dispose()
    {
        written.Dispose();
        place.Dispose();
    }

    private RunEstimate Estimate =>
        new(Timings.Load(Path.Combine(place.Root, "timings.json")), "quick faces cpu", Both, jobs: 2);

    private static void Begin(IRunProgress progress)
    {
        progress.NotebookStarted(A, Both[0].CellIds);
        progress.NotebookStarted(B, Both[1].CellIds);
        progress.CellStarted(A, 1);
        progress.CellStarted(B, 1);
        progress.CellFinished(A, 1, 0.5);
        progress.CellStarted(A, 2);
        progress.CellFinished(B, 1, 0.5);
        progress.CellStarted(B, 2);
    }

    private static NotebookResult Result(NotebookFile notebook) =>
        new(notebook, "title", null, 3, 3, 4, 1, new Dictionary<string, double>(), [], [], null);

    [Fact]
    public void LinesCarryTheNameAndTheCellsOfTheirNotebook()
    {
        var progress = new PlainProgress(console, Estimate);
        Begin(progress);
        progress.NotebookFinished(Result(B));
        var lines = written
            .ToString()
            .Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(
            [
                "00-a: 2 cells",
                "01-b: 3 cells",
                "00-a: cell 1/2 0.5 s",
                "01-b: cell 1/3 0.5 s",
                "01-b: done after 4.0 s",
            ],
            lines.Select(l => l.Split(',')[0])
        );
    }

    [Fact]
    public async Task TheTableShowsBothRunning()
    {
        var progress = new LiveProgress(Both, Estimate);
        await progress.ShowAsync(
            console,
            async () =>
            {
                await Task.Yield();
                Begin(progress);
                return 0;
            }
        );
        var rows = written.ToString().Split('\n');
        Assert.Matches(@"2/2 .* running", rows.Last(r => r.Contains("00-a")));
        Assert.Matches(@"2/3 .* running", rows.Last(r => r.Contains("01-b")));
    }
}
