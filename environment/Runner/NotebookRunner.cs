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
            document = Emptied(notebook);
        }
        catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
        {
            var unread = Unreadable(notebook, e, watch);
            progress.NotebookStarted(notebook, []);
            progress.NotebookFinished(unread);
            return unread;
        }

        var cells = document.CodeCells.Where(c => !string.IsNullOrWhiteSpace(c.Source)).ToList();
        progress.NotebookStarted(notebook, cells.Select(c => c.Id!).ToList());
        var claimsFile = Path.Combine(Path.GetTempPath(), $"balanced-diffusion-claims-{Guid.NewGuid():N}.jsonl");
        var run = new RunState(notebook, cells, new OutputCollector(new OutputScrubber(workspace.Root)), watch);
        await RunCellsAsync(run, claimsFile, progress, cancellation);
        run.StoreOutputs();
        document.StoreHashes();
        var (claims, problems) = ClaimsFile.Read(claimsFile, notebook.Stem);
        TryDelete(claimsFile);
        var result = new NotebookResult(
            notebook,
            document.Title ?? notebook.Stem,
            document,
            cells.Count,
            run.Done,
            watch.Elapsed.TotalSeconds,
            run.StartSeconds,
            run.Seconds,
            claims,
            problems,
            run.Failure ?? run.PassedOver,
            run.FirstOutput,
            run.Peak
        );
        progress.NotebookFinished(result);
        return result;
    }

    /// <summary>A copy of the notebook without outputs.</summary>
    private static NotebookDocument Emptied(NotebookFile notebook)
    {
        var document = NotebookDocument.Load(notebook.File).Clone();
        document.FillCellIds();
        foreach (var cell in document.CodeCells)
            cell.SetResult(null, []);
        document.SetCanonicalMetadata();
        return document;
    }

    private static NotebookResult Unreadable(NotebookFile notebook, Exception e, Stopwatch watch) =>
        new(
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

    /// <summary>Starts a kernel, runs the cells until one fails, and ends the kernel.</summary>
    private async Task RunCellsAsync(
        RunState run,
        string claimsFile,
        IRunProgress progress,
        CancellationToken cancellation
    )
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (options.NotebookLimit is { } whole)
            deadline.CancelAfter(whole);
        KernelProcess? kernel = null;
        try
        {
            kernel = await StartAsync(run, claimsFile, deadline.Token);
            for (var i = 0; i < run.Cells.Count && run.Failure is null; i++)
                await RunCellAsync(run, i, kernel, progress, deadline.Token);
        }
        catch (OperationCanceledException)
        {
            run.Failure = Stopped(run, cancellation.IsCancellationRequested, deadline.IsCancellationRequested);
        }
        catch (KernelException e)
        {
            run.Failure = Died(run.Failure, e);
        }
        finally
        {
            if (kernel is not null)
            {
                run.MeasurePeak(kernel);
                if (run.Failure is null or { Kind: FailureKind.Error })
                    await kernel.QuitAsync();
                await kernel.DisposeAsync();
            }
        }
    }

    private async Task<KernelProcess> StartAsync(RunState run, string claimsFile, CancellationToken deadline)
    {
        run.Begin();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        patience.CancelAfter(StartLimit);
        var kernel = await KernelProcess.StartAsync(
            executable,
            KernelEnvironmentFor(run.Notebook, claimsFile),
            patience.Token
        );
        run.StartSeconds = run.SinceBegin;
        return kernel;
    }

    /// <summary>Runs one cell. Where it fails and the run is not to go on, its failure is kept.</summary>
    private async Task RunCellAsync(
        RunState run,
        int i,
        KernelProcess kernel,
        IRunProgress progress,
        CancellationToken deadline
    )
    {
        var (notebook, cell) = (run.Notebook, run.Cells[i]);
        progress.CellStarted(notebook, i + 1);
        var began = run.SinceBegin;
        // Where the notebook stands, and a cell's source, are what a failure reports.
        run.Failure = new NotebookFailure(
            FailureKind.Crash,
            i + 1,
            cell.Id,
            cell.Source,
            new CellError("KernelDied", "", [])
        );
        var message = await SubmitAsync(run, i, kernel, deadline);
        var failure = message is null
            ? null
            : run.Failure with
            {
                Kind = FailureKind.Error,
                Error = CellError.FromKernel(message),
            };
        run.Failure = options.KeepGoing ? null : failure;
        if (run.Failure is not null)
            return;
        if (failure is not null)
        {
            run.Collector.AddError(Token(i), failure.Error);
            run.PassedOver ??= failure;
        }
        run.Seconds[cell.Id!] = run.SinceBegin - began;
        run.Done++;
        // Once the kernel has died it can no longer be asked.
        run.MeasurePeak(kernel);
        progress.CellFinished(notebook, i + 1, run.Seconds[cell.Id!]);
    }

    /// <summary>Hands a cell to the kernel under watch and waits for its end; what the kernel says of a failure, else
    /// null.</summary>
    private async Task<string?> SubmitAsync(RunState run, int i, KernelProcess kernel, CancellationToken deadline)
    {
        var cell = run.Cells[i];
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(deadline);
        if (options.CellLimits.TryGetValue(cell.Id!, out var cellLimit))
            patience.CancelAfter(cellLimit);
        var cellWatch = Watch(run.Notebook, cell.Id!, kernel);
        using var ended = new CancellationTokenSource();
        var watching = WatchAsync(cellWatch, patience, ended.Token);
        try
        {
            return await kernel.SubmitAsync(Token(i), cell.Source, cell.Language, run.Take, patience.Token);
        }
        finally
        {
            await ended.CancelAsync();
            await watching;
            run.Trouble = cellWatch.Trouble;
        }
    }

    /// <summary>The failure of a run that was stopped, by the caller or by a limit.</summary>
    private NotebookFailure Stopped(RunState run, bool isInterrupted, bool isNotebookLate)
    {
        const string interrupted = "the run was interrupted";
        var trouble =
            run.Trouble
            ?? (
                isInterrupted ? interrupted
                : isNotebookLate ? TookLonger("notebook", options.NotebookLimit!.Value)
                : run.Failure is null
                    ? $"the kernel's start took longer than {CellWatch.Length(StartLimit)}; see what else this machine "
                        + "is doing, then run the notebook again"
                : TookLonger("cell", options.CellLimits[run.Failure.CellId!])
            );
        var (kind, error) = isInterrupted
            ? (FailureKind.Cancelled, new CellError("Interrupted", interrupted, [interrupted]))
            : (FailureKind.Timeout, new CellError("Timeout", trouble, [trouble]));
        return (run.Failure ?? new NotebookFailure(kind, 0, null, "", error)) with { Kind = kind, Error = error };
    }

    /// <summary>The failure of a run whose kernel died, in a cell or before the first.</summary>
    private static NotebookFailure Died(NotebookFailure? cell, KernelException e)
    {
        var error = new CellError("KernelDied", e.Message, e.Message.Split('\n'));
        return cell is null
            ? new NotebookFailure(FailureKind.Start, 0, null, "", error)
            : cell with
            {
                Kind = FailureKind.Crash,
                Error = error,
            };
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
        var variables = new Dictionary<string, string>(KernelVariables.All)
        {
            ["BALANCED_DIFFUSION_PROFILE"] = options.Profile,
            ["BALANCED_DIFFUSION_IMAGES"] = options.Data,
            ["BALANCED_DIFFUSION_DEVICE"] = options.Device,
            ["BALANCED_DIFFUSION_CLAIMS"] = claimsFile,
            ["BALANCED_DIFFUSION_NOTEBOOK"] = notebook.Stem,
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

    /// <summary>How far a run has come, and what it has met.</summary>
    private sealed class RunState(
        NotebookFile notebook,
        IReadOnlyList<NotebookCell> cells,
        OutputCollector collector,
        Stopwatch watch
    )
    {
        private double began;

        public NotebookFile Notebook => notebook;

        public IReadOnlyList<NotebookCell> Cells => cells;

        public OutputCollector Collector => collector;

        public Dictionary<string, double> Seconds { get; } = [];

        public int Done { get; set; }

        public double StartSeconds { get; set; }

        public double? FirstOutput { get; private set; }

        public long? Peak { get; private set; }

        /// <summary>What stopped the run; while a cell runs, what its death would be.</summary>
        public NotebookFailure? Failure { get; set; }

        /// <summary>The first failure of a run that goes on all the same.</summary>
        public NotebookFailure? PassedOver { get; set; }

        /// <summary>Why the last cell was given up, or null.</summary>
        public string? Trouble { get; set; }

        public double SinceBegin => watch.Elapsed.TotalSeconds - began;

        /// <summary>The kernel is about to be started.</summary>
        public void Begin() => began = watch.Elapsed.TotalSeconds;

        public void Take(KernelEvent e)
        {
            collector.Add(e);
            if (FirstOutput is null && collector.HasOutputs)
                FirstOutput = SinceBegin;
        }

        public void MeasurePeak(KernelProcess kernel) => Peak = new[] { Peak, kernel.PeakBytes }.Max();

        /// <summary>Writes what came of each cell that was reached into it.</summary>
        public void StoreOutputs()
        {
            if (Failure is { Cell: > 0 })
                collector.AddError(Token(Failure.Cell - 1), Failure.Error);
            for (var i = 0; i < cells.Count; i++)
            {
                var reached = i < Done || (Failure is { Cell: > 0 } && i == Failure.Cell - 1);
                if (reached)
                    cells[i].SetResult(i + 1, collector.Outputs(Token(i), i + 1));
            }
        }
    }
}
