using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// Minimizes a loss that torch differentiates: clipped gradients, an optimizer, a schedule of rates, an EMA of the
/// weights that is measured on held-out data, and a checkpoint from which a run that was stopped goes on bit for bit.
/// What a step draws must depend on the seed and on the step's number only. <see cref="Trainer"/> is for denoisers.
/// </summary>
internal sealed class TrainingLoop
{
    private static readonly TimeSpan CheckpointInterval = TimeSpan.FromMinutes(5);

    private readonly IReadOnlyList<(string Name, torch.Tensor Value)> parameters;
    private readonly TrainingOptions options;
    private readonly Dictionary<string, string> identity;
    private readonly List<ValidatedRow> history = [];
    private readonly List<double> pending = [];
    private readonly Stopwatch stopwatch = Stopwatch.StartNew();
    private double earlierSeconds;
    private string? checkpointFailure;
    private long step;

    /// <param name="parameters">What is trained, by name: on the CPU or a GPU, floating point, requiring a
    /// gradient.</param>
    /// <param name="options">Steps, rates, optimizer, clipping, EMA, log and checkpoint; the noise, the weighting and
    /// the regularization are the loss's own affair.</param>
    /// <param name="identity">What else decides the numbers of the run, by name: a checkpoint of another is not gone on
    /// from.</param>
    public TrainingLoop(
        IReadOnlyList<(string Name, torch.Tensor Value)> parameters,
        TrainingOptions options,
        IReadOnlyDictionary<string, string> identity
    )
    {
        (this.parameters, this.options) = (parameters, options);
        this.identity = new(options.Identity().Concat(identity)) { ["kind"] = "loss and validation" };
        if (parameters.Count == 0)
            throw new ArgumentException("there is no parameter to train; set requires_grad", nameof(parameters));
        foreach (var (name, value) in parameters)
            Guard.Finite(value, $"the weight '{name}'");
        if (options.CheckpointPath is { } path)
            TrainingRun.CheckWritable(path);
    }

    /// <summary>Called with the history at each new row.</summary>
    public Action<IReadOnlyList<ValidatedRow>>? Logged { get; init; }

    /// <summary>Called now and then with the number of steps done while the networks hold the EMA of the weights; it
    /// must not draw from a generator that the loss uses.</summary>
    public Action<long>? Preview { get; init; }

    /// <summary>The least time between two previews.</summary>
    public TimeSpan PreviewInterval { get; init; } = TimeSpan.FromMinutes(20);

    /// <summary>Steps that get a row of the history beside those that the options name, or null.</summary>
    public Func<long, bool>? IsAlsoLogged { get; init; }

    /// <summary>Trains to the end or until cancelled; goes on from the checkpoint where there is one. At the end the
    /// parameters hold their EMA, where one is kept.</summary>
    /// <param name="loss">The loss of the step of this number, a scalar that records a gradient, float32 or
    /// float64.</param>
    /// <param name="measure">What the networks, which hold the EMA then, measure on held-out data, by name.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint is of another run, or the loss or a weight is no
    /// longer finite; the checkpoint, where there is one, is of before.</exception>
    public ValidatedResult Run(
        Func<long, torch.Tensor> loss,
        Func<IReadOnlyDictionary<string, double>> measure,
        CancellationToken cancellation
    )
    {
        using var scope = torch.NewDisposeScope();
        using var optimizer = new ParameterOptimizer(options.Optimizer, parameters);
        var ema = options.EmaDecay is null ? [] : parameters.ToDictionary(p => p.Name, p => p.Value.detach().clone());
        var initialDigest = options.CheckpointPath is null ? "" : TrainingCheckpoint.Digest(Live());
        if (options.CheckpointPath is { } path && options.Resume && File.Exists(path))
            initialDigest = Resume(path, optimizer, ema, initialDigest);
        var (saved, host) = (step, SafePoint.Token);
        TimeSpan lastSave = TimeSpan.Zero,
            lastPreview = TimeSpan.Zero;
        stopwatch.Restart();
        while (step < options.Steps && !cancellation.IsCancellationRequested && !host.IsCancellationRequested)
        {
            SafePoint.Serve();
            TakeStep(loss, optimizer, ema);
            if (step % options.LogEvery == 0 || step == options.Steps || IsAlsoLogged?.Invoke(step) == true)
                WithEma(ema, () => AddRow(measure()));
            var isDue =
                stopwatch.Elapsed - lastSave >= CheckpointInterval
                || options.CheckpointEvery > 0 && step % options.CheckpointEvery == 0;
            if (isDue && step < options.Steps)
            {
                saved = Save(optimizer, ema, initialDigest) ? step : saved;
                lastSave = stopwatch.Elapsed;
            }
            if (Preview is { } show && (stopwatch.Elapsed - lastPreview >= PreviewInterval || step == options.Steps))
            {
                WithEma(ema, () => show(step));
                lastPreview = stopwatch.Elapsed;
            }
        }
        if (saved != step || options.CheckpointPath is { } file && !File.Exists(file))
            Save(optimizer, ema, initialDigest);
        if (options.EmaDecay is not null)
            TrainingCheckpoint.CopyInto(ema, Live());
        if (step < options.Steps && !cancellation.IsCancellationRequested)
            throw new OperationCanceledException(
                $"the training was stopped after step {step} of {options.Steps}",
                host
            );
        return new ValidatedResult([.. history], step, Seconds, step < options.Steps, checkpointFailure);
    }

    private double Seconds => earlierSeconds + stopwatch.Elapsed.TotalSeconds;

    private double Rate(long k) => options.LearningRate * options.Schedule.Factor(k, options.Steps);

    private Dictionary<string, torch.Tensor> Live() => parameters.ToDictionary(p => p.Name, p => p.Value.detach());

    private void TakeStep(
        Func<long, torch.Tensor> loss,
        ParameterOptimizer optimizer,
        IReadOnlyDictionary<string, torch.Tensor> ema
    )
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (_, value) in parameters)
            value.grad?.zero_();
        using (torch.enable_grad())
        {
            var value = loss(step);
            pending.Add(value.detach().to_type(torch.float64).item<double>());
            if (!double.IsFinite(pending[^1]))
                throw Diverged($"the loss became {pending[^1].ToString(CultureInfo.InvariantCulture)}");
            value.backward();
        }
        using (torch.no_grad())
        {
            torch.Tensor?[] gradients = [.. parameters.Select(p => p.Value.grad)];
            if (options.GradientClip is { } norm)
                TrainingRun.Clip(gradients, norm);
            optimizer.Step(gradients, Rate(step), 0);
            // The first steps are forgotten sooner, so that an early measure is not one of the initial weights.
            var keep = Math.Min(options.EmaDecay ?? 0, (1.0 + step) / (10.0 + step));
            foreach (var (name, value) in parameters)
                if (ema.TryGetValue(name, out var mean))
                    mean.mul_(keep).add_(value, 1 - keep);
        }
        step++;
    }

    // Values are copied out and back, so that the run goes on with the very bits that it had.
    private void WithEma(IReadOnlyDictionary<string, torch.Tensor> ema, Action act)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var live = Live();
        var kept = ema.Count == 0 ? [] : live.ToDictionary(p => p.Key, p => p.Value.clone());
        if (ema.Count > 0)
            TrainingCheckpoint.CopyInto(ema, live);
        try
        {
            act();
        }
        finally
        {
            if (ema.Count > 0)
                TrainingCheckpoint.CopyInto(kept, live);
        }
    }

    private void AddRow(IReadOnlyDictionary<string, double> measures)
    {
        foreach (var (name, value) in measures)
            if (!double.IsFinite(value))
                throw Diverged($"the measure '{name}' became {value.ToString(CultureInfo.InvariantCulture)}");
        history.Add(new ValidatedRow(step, pending.Average(), Rate(step - 1), Seconds, measures));
        pending.Clear();
        Logged?.Invoke(history);
    }

    private InvalidOperationException Diverged(string what) =>
        new(
            $"{what} at step {step}, where the learning rate was "
                + $"{Rate(Math.Min(step, options.Steps - 1)).ToString("G4", CultureInfo.InvariantCulture)}; lower "
                + "LearningRate or GradientClip, then start again"
        );

    private string Resume(
        string path,
        ParameterOptimizer optimizer,
        IReadOnlyDictionary<string, torch.Tensor> ema,
        string initialDigest
    )
    {
        using var scope = torch.NewDisposeScope();
        var (state, tensors) = TrainingCheckpoint.Read(path);
        var weights = TrainingCheckpoint.ModelTensors(tensors);
        if (Difference(state, weights, initialDigest) is { } difference)
            throw new InvalidOperationException(
                $"the checkpoint '{path}' belongs to another run: {difference}; name another file, or move "
                    + "this one away to begin anew"
            );
        optimizer.Restore(state.StepsDone, TrainingCheckpoint.Under("optimizer.", tensors));
        TrainingCheckpoint.CopyInto(TrainingCheckpoint.Under("ema.", tensors), ema);
        TrainingCheckpoint.CopyInto(weights, Live());
        history.AddRange(
            state.History.Zip(
                state.Measures,
                (row, measures) => new ValidatedRow(row.Step, row.Loss, row.LearningRate, row.Seconds, measures)
            )
        );
        pending.AddRange(state.Pending);
        (earlierSeconds, step) = (state.Seconds, state.StepsDone);
        return state.InitialDigest;
    }

    private string? Difference(
        TrainingState state,
        IReadOnlyDictionary<string, torch.Tensor> weights,
        string initialDigest
    )
    {
        foreach (var (name, value) in identity)
            if (!state.Options.TryGetValue(name, out var begun) || begun != value)
                return $"its {name} is {begun ?? "not named"}, this run's {value}";
        if (state.Options.Keys.FirstOrDefault(k => !identity.ContainsKey(k)) is { } extra)
            return $"its {extra} is {state.Options[extra]}, this run's is free";
        if (state.StepsDone > options.Steps)
            return $"it has made {state.StepsDone} steps, this run asks for {options.Steps}";
        if (TrainingCheckpoint.Mismatch(weights, Live()) is { } mismatch)
            return mismatch;
        return initialDigest == state.InitialDigest || initialDigest == state.WeightsDigest
            ? null
            : "the weights are neither those it began from nor those it reached (was another seed asked for?)";
    }

    private bool Save(ParameterOptimizer optimizer, IReadOnlyDictionary<string, torch.Tensor> ema, string initialDigest)
    {
        if (options.CheckpointPath is not { } path)
            return false;
        using var scope = torch.NewDisposeScope();
        var live = Live();
        foreach (var (name, value) in live)
            if (!Guard.AllFinite(value))
                throw Diverged($"the weight '{name}' was no longer finite");
        var tensors = TrainingCheckpoint.Named(live, ema, optimizer.State);
        var state = new TrainingState
        {
            StepsDone = step,
            Seconds = Seconds,
            Options = identity,
            DataDigest = "",
            InitialDigest = initialDigest,
            WeightsDigest = TrainingCheckpoint.Digest(live),
            History = [.. history.Select(r => new TrainingRow(r.Step, r.Loss, r.Loss, r.LearningRate, r.Seconds))],
            Measures = [.. history.Select(r => r.Measures)],
            Pending = pending,
        };
        var failure = TrainingCheckpoint.TryWrite(path, state, tensors);
        checkpointFailure = failure is null ? null : $"{failure}; training goes on without it: make room on the disk";
        return failure is null;
    }
}
