using System.Diagnostics;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>A table in the terminal that shows every notebook, its cell, its seconds and what is left, redrawn four
/// times a second.</summary>
public sealed class LiveProgress : IRunProgress
{
    private readonly Lock gate = new();
    private readonly List<Row> rows;
    private readonly RunEstimate estimate;
    private readonly Stopwatch total = Stopwatch.StartNew();

    /// <summary>Prepares a row for each notebook.</summary>
    public LiveProgress(IReadOnlyList<(string Stem, IReadOnlyList<string> CellIds)> notebooks, RunEstimate estimate)
    {
        rows = notebooks.Select(n => new Row(n.Stem) { Cells = n.CellIds.Count }).ToList();
        this.estimate = estimate;
    }

    /// <summary>Shows the table while the work goes on.</summary>
    public async Task<T> ShowAsync<T>(IAnsiConsole console, Func<Task<T>> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        return await console
            .Live(Render())
            .StartAsync(async live =>
            {
                var task = work();
                while (!task.IsCompleted)
                {
                    await Task.WhenAny(task, Task.Delay(250));
                    live.UpdateTarget(Render());
                    live.Refresh();
                }
                return await task;
            });
    }

    /// <inheritdoc/>
    public void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds)
    {
        lock (gate)
        {
            var row = Find(notebook);
            row.Cells = cellIds.Count;
            row.Watch.Restart();
            estimate.Started(notebook.Stem, 0);
        }
    }

    /// <inheritdoc/>
    public void CellStarted(NotebookFile notebook, int cell)
    {
        lock (gate)
        {
            Find(notebook).Cell = cell;
            estimate.Started(notebook.Stem, cell);
        }
    }

    /// <inheritdoc/>
    public void CellFinished(NotebookFile notebook, int cell, double seconds) { }

    /// <inheritdoc/>
    public void NotebookFinished(NotebookResult result)
    {
        lock (gate)
        {
            var row = Find(result.Notebook);
            row.Watch.Stop();
            row.Result = result;
            estimate.Finished(result.Notebook.Stem);
        }
    }

    private Row Find(NotebookFile notebook) => rows.First(r => r.Stem == notebook.Stem);

    private IRenderable Render()
    {
        lock (gate)
        {
            var table = new Table()
                .Border(TableBorder.Rounded)
                .AddColumn("Notebook")
                .AddColumn(new TableColumn("Cell").RightAligned())
                .AddColumn(new TableColumn("Time").RightAligned())
                .AddColumn(new TableColumn("Left").RightAligned())
                .AddColumn("");
            foreach (var row in rows)
            {
                var (colour, state) = row switch
                {
                    { Result: { Failure: { } failure } } => (
                        "red",
                        failure.Sentence.Length > 60 ? failure.Sentence[..59] + "…" : failure.Sentence
                    ),
                    { Result: { Succeeded: false } r } => (
                        "red",
                        $"{r.Claims.Count(c => c is { Skipped: null, Holds: not true }) + r.ClaimProblems.Count} "
                            + "claim(s) do not hold"
                    ),
                    { Result: { } r } => ("green", $"{r.Claims.Count(c => c.Holds)} claims hold"),
                    { Watch.IsRunning: true } => ("yellow", row.Cell == 0 ? "starting the kernel" : "running"),
                    _ => ("grey", ""),
                };
                var cells = row.Result is { } done ? $"{done.CellsRun}/{row.Cells}" : $"{row.Cell}/{row.Cells}";
                table.AddRow(
                    new Markup($"[{colour}]{Markup.Escape(row.Stem)}[/]"),
                    new Text(cells),
                    new Text(row.Watch.ElapsedTicks > 0 ? Clock.Format(row.Watch.Elapsed.TotalSeconds) : ""),
                    new Text(row.Result is null ? "~" + Clock.Format(estimate.Left(row.Stem)) : ""),
                    new Markup($"[{colour}]{Markup.Escape(state)}[/]")
                );
            }
            table.Caption(
                $"{Clock.Format(total.Elapsed.TotalSeconds)} so far, about {Clock.Format(estimate.Left())} left"
            );
            return table;
        }
    }

    private sealed class Row(string stem)
    {
        public string Stem { get; } = stem;
        public int Cell { get; set; }
        public int Cells { get; set; }
        public Stopwatch Watch { get; } = new();
        public NotebookResult? Result { get; set; }
    }
}
