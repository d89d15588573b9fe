using System.Collections.Concurrent;
using System.Diagnostics;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Runs notebooks, several side by side where that is asked for, and writes everything a reader wants to
/// keep.</summary>
/// <param name="workspace">The repository.</param>
/// <param name="options">What the run was asked for.</param>
/// <param name="estimate">Says how long each notebook is likely to take; without it they start in the order of the
/// reports.</param>
public sealed class RunSession(Workspace workspace, RunOptions options, RunEstimate? estimate = null)
{
    /// <summary>
    /// Runs the notebooks, each whatever became of the others, and writes after each: an interrupted run leaves what it
    /// had. Side by side the longest start first, so that none is left to run alone for long; everything written keeps
    /// the order given.
    /// </summary>
    /// <param name="notebooks">The notebooks in the order of the reports, which is the order to run them in where they
    /// run one after another.</param>
    /// <param name="progress">Told how it goes on.</param>
    /// <param name="timings">How long cells took before; updated and saved.</param>
    /// <param name="cancellation">Stops the run; notebooks that have not begun are left out of the result.</param>
    public async Task<RunSummary> RunAsync(
        IReadOnlyList<NotebookFile> notebooks,
        IRunProgress progress,
        Timings timings,
        CancellationToken cancellation
    )
    {
        var started = DateTimeOffset.Now;
        var watch = Stopwatch.StartNew();
        var writer = new ArtifactWriter(options.Out);
        writer.Clear();
        var runner = new NotebookRunner(workspace, options, timings);
        var inTurn = new InTurn(progress);
        var results = new NotebookResult?[notebooks.Count];
        var writing = new Lock();
        RunSummary Summary() =>
            new(
                options,
                started,
                watch.Elapsed.TotalSeconds,
                results.OfType<NotebookResult>().ToList(),
                notebooks.Count,
                cancellation.IsCancellationRequested
            );

        var places = Enumerable.Range(0, notebooks.Count);
        var waiting = new ConcurrentQueue<int>(
            options.Jobs > 1 && estimate is not null
                ? places.OrderByDescending(i => estimate.Left(notebooks[i].Stem))
                : places
        );
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        async Task WorkAsync()
        {
            try
            {
                while (!stop.IsCancellationRequested && waiting.TryDequeue(out var place))
                {
                    var result = await runner.RunAsync(notebooks[place], inTurn, stop.Token);
                    lock (writing)
                    {
                        results[place] = result;
                        writer.WriteNotebook(result);
                        timings.Learn(options.TimingKey, result);
                        timings.Save();
                        writer.WriteSummary(Summary());
                    }
                }
            }
            catch
            {
                // What cannot be written ends the run: the notebooks beside this one are not left to themselves.
                await stop.CancelAsync();
                throw;
            }
        }
        await Task.WhenAll(Enumerable.Range(0, options.Jobs).Select(_ => WorkAsync()));
        var summary = Summary();
        writer.WriteSummary(summary);
        return summary;
    }

    // Notebooks that run side by side report one at a time.
    private sealed class InTurn(IRunProgress progress) : IRunProgress
    {
        private readonly Lock gate = new();

        public void NotebookStarted(NotebookFile notebook, IReadOnlyList<string> cellIds)
        {
            lock (gate)
                progress.NotebookStarted(notebook, cellIds);
        }

        public void CellStarted(NotebookFile notebook, int cell)
        {
            lock (gate)
                progress.CellStarted(notebook, cell);
        }

        public void CellFinished(NotebookFile notebook, int cell, double seconds)
        {
            lock (gate)
                progress.CellFinished(notebook, cell, seconds);
        }

        public void NotebookFinished(NotebookResult result)
        {
            lock (gate)
                progress.NotebookFinished(result);
        }
    }
}
