using System.Diagnostics;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Runs one notebook in a kernel of its own.</summary>
/// <param name="workspace">The repository.</param>
/// <param name="options">What the run was asked for.</param>
/// <param name="timings">How long cells took before, which limits how long they may compute now; null where nothing is
/// known.</param>
public sealed class NotebookRunner(Workspace workspace, RunOptions options, Timings? timings = null)
{
    // Seconds on an idle machine.
    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(10);

    private readonly string? executable = ToolManifest.Load(workspace).Executable;

    /// <summary>
    /// Runs all code cells in order and stops at the first that fails. Whatever happens to the notebook becomes part of
    /// the result; nothing is thrown for it. The kernel and all it started are gone when this returns.
    /// </summary>
    /// <param name="notebook">The notebook; its file is only read.</param>
    /// <param name="progress">Told how it goes on.</param>
    /// <param name="cancellation">Stops the notebook; the result then is of the kind
    /// <see cref="FailureKind.Cancelled"/>.</param>
    public async Task<NotebookResult> RunAsync(
        NotebookFile notebook,
        IRunProgress progress,
        CancellationToken cancellation
    )
    {
        var watch = Stopwatch.StartNew();
        NotebookDocument document;
        try
        {
            document = NotebookDocument.Load(notebook.File).Clone();
            document.FillCellIds();
            foreach (var cell in document.CodeCells)
                cell.SetResult(null, []);
            document.SetCanonicalMetadata();
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            var unread = new NotebookResult(
                notebook,
                notebook.Stem,
                null,
                0,
                0,
                watch.Elapsed.TotalSeconds,
                0,
                new Dictionary<string, double>(),
                [],
                [],
                new NotebookFailure(
                    FailureKind.Unreadable,
                    0,
                    null,
                    "",
                    new CellError(e.GetType().Name, e.Message, [e.Message])
                )
            );
            progress.NotebookStarted(notebook, []);
            progress.NotebookFinished(unread);
            return unread;
        }

        var cells = document.CodeCells.Where(c => !string.IsNullOrWhiteSpace(c.Source)).ToList();
        progress.NotebookStarted(notebook, cells.Select(c => c.Id!).ToList());
        var claimsFile = Path.Combine(Path.GetTempPath(), $"balanced-diffusion-claims-{Guid.NewGuid():N}.jsonl");
        var collector = new OutputCollector(new OutputScrubber(workspace.Root));
        var seconds = new Dictionary<string, double>();
        var (done, startSeconds) = (0, 0.0);
        double? firstOutput = null;
        long? peak = null;
        NotebookFailure? failure = null,
            passedOver = null;
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (options.NotebookLimit is { } whole)
            deadline.CancelAfter(whole);
        string? trouble = null;
        KernelProcess? kernel = null;
        try
        {
            var started = watch.Elapsed.TotalSeconds;
            void Take(KernelEvent e)
            {
                collector.Add(e);
                if (firstOutput is null && collector.HasOutputs)
                    firstOutput = watch.Elapsed.TotalSeconds - started;
            }
            using (var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token))
            {
                patience.CancelAfter(StartLimit);
                kernel = await KernelProcess.StartAsync(
                    executable,
                    KernelEnvironmentFor(notebook, claimsFile),
                    patience.Token
                );
            }
            startSeconds = watch.Elapsed.TotalSeconds - started;
            for (var i = 0; i < cells.Count && failure is null; i++)
            {
                progress.CellStarted(notebook, i + 1);
                var began = watch.Elapsed.TotalSeconds;
                // Where the notebook stands, and a cell's source, are what a failure reports.
                failure = new NotebookFailure(
                    FailureKind.Crash,
                    i + 1,
                    cells[i].Id,
                    cells[i].Source,
                    new CellError("KernelDied", "", [])
                );
                using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token);
                if (options.CellLimits.TryGetValue(cells[i].Id!, out var cellLimit))
                    patience.CancelAfter(cellLimit);
                var cellWatch = Watch(notebook, cells[i].Id!, kernel);
                using var ended = new CancellationTokenSource();
                var watching = WatchAsync(cellWatch, patience, ended.Token);
                string? message;
                try
                {
                    message = await kernel.SubmitAsync(
                        Token(i),
                        cells[i].Source,
                        cells[i].Language,
                        Take,
                        patience.Token
                    );
                }
                finally
                {
                    await ended.CancelAsync();
                    await watching;
                    trouble = cellWatch.Trouble;
                }
                failure = message is null
                    ? null
                    : failure with
                    {
                        Kind = FailureKind.Error,
                        Error = CellError.FromKernel(message),
                    };
                if (failure is not null && !options.KeepGoing)
                    break;
                if (failure is not null)
                {
                    collector.AddError(Token(i), failure.Error);
                    passedOver ??= failure;
                    failure = null;
                }
                seconds[cells[i].Id!] = watch.Elapsed.TotalSeconds - began;
                done++;
                // Once the kernel has died it can no longer be asked.
                peak = new[] { peak, kernel.PeakBytes }.Max();
                progress.CellFinished(notebook, i + 1, seconds[cells[i].Id!]);
            }
        }
        catch (OperationCanceledException)
        {
            const string interrupted = "the run was interrupted";
            trouble ??=
                cancellation.IsCancellationRequested ? interrupted
                : deadline.IsCancellationRequested ? TookLonger("notebook", options.NotebookLimit!.Value)
                : failure is null
                    ? $"the kernel's start took longer than {CellWatch.Length(StartLimit)}; see what else this machine "
                        + "is doing, then run the notebook again"
                : TookLonger("cell", options.CellLimits[failure.CellId!]);
            var (kind, error) = cancellation.IsCancellationRequested
                ? (FailureKind.Cancelled, new CellError("Interrupted", interrupted, [interrupted]))
                : (FailureKind.Timeout, new CellError("Timeout", trouble, [trouble]));
            failure = (failure ?? new NotebookFailure(kind, 0, null, "", error)) with { Kind = kind, Error = error };
        }
        catch (KernelException e)
        {
            var error = new CellError("KernelDied", e.Message, e.Message.Split('\n'));
            failure = failure is null
                ? new NotebookFailure(FailureKind.Start, 0, null, "", error)
                : failure with
                {
                    Kind = FailureKind.Crash,
                    Error = error,
                };
        }
        finally
        {
            if (kernel is not null)
            {
                peak = new[] { peak, kernel.PeakBytes }.Max();
                if (failure is null or { Kind: FailureKind.Error })
                    await kernel.QuitAsync();
                await kernel.DisposeAsync();
            }
        }

        if (failure is { Cell: > 0 })
            collector.AddError(Token(failure.Cell - 1), failure.Error);
        for (var i = 0; i < cells.Count; i++)
        {
            var reached = i < done || (failure is { Cell: > 0 } && i == failure.Cell - 1);
            if (reached)
                cells[i].SetResult(i + 1, collector.Outputs(Token(i), i + 1));
        }
        document.StoreHashes();
        var (claims, problems) = ClaimsFile.Read(claimsFile, notebook.Stem);
        TryDelete(claimsFile);
        var result = new NotebookResult(
            notebook,
            document.Title ?? notebook.Stem,
            document,
            cells.Count,
            done,
            watch.Elapsed.TotalSeconds,
            startSeconds,
            seconds,
            claims,
            problems,
            failure ?? passedOver,
            firstOutput,
            peak
        );
        progress.NotebookFinished(result);
        return result;
    }

    private static string TookLonger(string subject, TimeSpan limit) =>
        $"the {subject} took longer than {CellWatch.Length(limit)}; give it more with --timeout";

    private CellWatch Watch(NotebookFile notebook, string cell, KernelProcess kernel)
    {
        var measured = timings?.Cell(options.TimingKey, notebook.Stem, cell);
        return new CellWatch(
            CellWatch.LimitOf(measured, options.Timeout, options.IsTimeoutFixed),
            measured,
            options.StandStill,
            () => kernel.ProcessorTime,
            () => kernel.IsRunnable
        );
    }

    // Stops a cell that is to be given up.
    private static async Task WatchAsync(CellWatch watch, CancellationTokenSource stop, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(watch.Pause);
        try
        {
            while (await timer.WaitForNextTickAsync(ended))
                if (watch.Look())
                {
                    await stop.CancelAsync();
                    return;
                }
        }
        catch (OperationCanceledException)
        { /* the cell has ended */
        }
    }

    private static string Token(int cell) => $"cell-{cell + 1}";

    private KernelEnvironment KernelEnvironmentFor(NotebookFile notebook, string claimsFile)
    {
        var environment = options.KernelEnvironment ?? new KernelEnvironment(workspace.NotebooksFolder);
        var variables = new Dictionary<string, string>
        {
            ["BALANCED_DIFFUSION_PROFILE"] = options.Profile,
            ["BALANCED_DIFFUSION_IMAGES"] = options.Data,
            ["BALANCED_DIFFUSION_DEVICE"] = options.Device,
            ["BALANCED_DIFFUSION_CLAIMS"] = claimsFile,
            ["BALANCED_DIFFUSION_NOTEBOOK"] = notebook.Stem,
            ["DOTNET_gcServer"] = "0",
            ["DOTNET_gcConcurrent"] = "0",
            ["OMP_WAIT_POLICY"] = "passive",
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
            ["DOTNET_INTERACTIVE_CLI_TELEMETRY_OPTOUT"] = "1",
            ["DOTNET_INTERACTIVE_SKIP_FIRST_TIME_EXPERIENCE"] = "1",
            ["DOTNET_NOLOGO"] = "1",
        };
        if (options.Threads is { } threads)
            variables["OMP_NUM_THREADS"] = threads.ToString(System.Globalization.CultureInfo.InvariantCulture);
        if (options.Seed is { } seed)
            variables["BALANCED_DIFFUSION_SEED"] = seed.ToString(System.Globalization.CultureInfo.InvariantCulture);
        foreach (var (name, value) in environment.Variables)
            variables[name] = value;
        return environment with { Variables = variables };
    }

    private static void TryDelete(string file)
    {
        try
        {
            File.Delete(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        { /* the system's temporary folder is emptied by the system */
        }
    }
}
