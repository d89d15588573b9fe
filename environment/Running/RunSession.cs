using System.Diagnostics;
using BalancedDiffusion.Reproduce.Reporting;

namespace BalancedDiffusion.Reproduce.Running;

/// <summary>Runs notebooks one after another and writes everything a reader wants to keep.</summary>
/// <param name="workspace">The repository.</param>
/// <param name="options">What the run was asked for.</param>
public sealed class RunSession(Workspace workspace, RunOptions options)
{
    /// <summary>
    /// Runs the notebooks, each whatever became of the others, and writes after each: an interrupted run leaves what it had.
    /// </summary>
    /// <param name="notebooks">The notebooks in the order to run them.</param>
    /// <param name="progress">Told how it goes on.</param>
    /// <param name="timings">How long cells took before; updated and saved.</param>
    /// <param name="cancellation">Stops the run; the rest of the notebooks is left out of the result.</param>
    public async Task<RunSummary> RunAsync(IReadOnlyList<NotebookFile> notebooks, IRunProgress progress, Timings timings, CancellationToken cancellation)
    {
        var started = DateTimeOffset.Now;
        var watch = Stopwatch.StartNew();
        var writer = new ArtifactWriter(options.Out);
        writer.Clear();
        var runner = new NotebookRunner(workspace, options);
        var results = new List<NotebookResult>();
        RunSummary Summary() => new(options, started, watch.Elapsed.TotalSeconds, results.ToList(), notebooks.Count, cancellation.IsCancellationRequested);
        foreach (var notebook in notebooks)
        {
            if (cancellation.IsCancellationRequested) break;
            var result = await runner.RunAsync(notebook, progress, cancellation);
            results.Add(result);
            writer.WriteNotebook(result);
            timings.Learn(options.TimingKey, result);
            timings.Save();
            writer.WriteSummary(Summary());
        }
        var summary = Summary();
        writer.WriteSummary(summary);
        return summary;
    }
}
