using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Training;

/// <summary>One session of a training run. Its tensors belong to the dispose scope that it is made in.</summary>
internal sealed class TrainingRun
{
    // How far a run can fall back when it diverges, and how often a device other than the CPU is asked for its losses.
    private const int VerifyEvery = 100;

    private const string NormalNumbers = "normal numbers";

    private readonly torch.nn.Module model;
    private readonly IDenoiser denoiser;
    private readonly TrainingOptions options;
    private readonly NoisyBatches batches;
    private readonly ParameterOptimizer optimizer;
    private readonly List<(string Name, Parameter Value)> parameters;
    private readonly Dictionary<string, torch.Tensor> live,
        snapshot,
        ema = [],
        emaSnapshot = [];
    private readonly torch.Tensor losses;
    private readonly torch.Tensor? labels;
    private readonly double weightDecay;
    private readonly bool onCpu;
    private readonly string dataDigest;
    private readonly List<TrainingRow> history = [];
    private readonly List<double> pending = [];
    private readonly Stopwatch stopwatch = Stopwatch.StartNew();
    private GradientPlan plan;
    private string initialDigest;
    private string? checkpointFailure;
    private long step,
        snapshotStep,
        begunAt;
    private int unread;
    private double earlierSeconds;

    public TrainingRun(
        torch.nn.Module model,
        IDenoiser denoiser,
        torch.Tensor data,
        torch.Tensor? labels,
        TrainingOptions options
    )
    {
        (this.model, this.denoiser, this.options) = (model, denoiser, options);
        parameters = Trainable(model);
        var reference = parameters[0].Value;
        CheckData(data, reference.dtype);
        if (labels is not null)
            CheckLabels(labels, data.shape[0]);
        foreach (var (name, value) in parameters)
            Guard.Finite(value, $"the model's weight '{name}'");
        weightDecay = options.Regularization.WeightDecay(denoiser, options.Optimizer);

        using var noGrad = torch.no_grad();
        onCpu = reference.device_type == DeviceType.CPU;
        dataDigest = options.CheckpointPath is null ? "" : DigestOf(data, labels);
        this.labels = labels?.to(reference.device);
        batches = new NoisyBatches(data.detach().to(reference.device).contiguous(), options);
        plan = GradientPlan.Choose(model, parameters.Count, batches.Size, options);
        optimizer = new ParameterOptimizer(
            options.Optimizer,
            [.. parameters.Select(p => (p.Name, (torch.Tensor)p.Value))]
        );
        live = model.state_dict().ToDictionary(t => t.Key, t => t.Value.detach());
        snapshot = live.ToDictionary(t => t.Key, t => t.Value.clone());
        if (options.EmaDecay is not null)
            foreach (var (name, value) in parameters)
                ema[name] = value.detach().clone();
        foreach (var (name, value) in ema)
            emaSnapshot[name] = value.clone();
        losses = torch.zeros([VerifyEvery], dtype: torch.float64, device: reference.device);
        initialDigest = options.CheckpointPath is null ? "" : TrainingCheckpoint.Digest(live);
        if (options.CheckpointPath is { } path)
            CheckWritable(path);
    }

    /// <summary>The parameters to train, by name.</summary>
    private static List<(string Name, Parameter Value)> Trainable(torch.nn.Module model)
    {
        var found = model.named_parameters().Where(p => p.parameter.requires_grad).ToList();
        if (found.Count == 0)
            throw new ArgumentException(
                "the model has no parameter that requires a gradient, so there is nothing to train",
                nameof(model)
            );
        return [.. found.Select(p => (p.name, p.parameter))];
    }

    private void CheckData(torch.Tensor data, torch.ScalarType type)
    {
        Guard.Shape(data, [-1, .. denoiser.SampleShape]);
        if (data.shape[0] == 0)
            throw new ArgumentException("data is empty; give at least one sample", nameof(data));
        if (data.dtype != type)
            throw new ArgumentException(
                $"data must be {type} like the model's weights, was {data.dtype}; convert it with data.to_type",
                nameof(data)
            );
        Guard.Finite(data);
    }

    private void CheckLabels(torch.Tensor labels, long samples)
    {
        var known = ((IClassDenoiser)denoiser).Classes;
        if (known == 0)
            throw new ArgumentException("the model knows no classes; train it without them", nameof(labels));
        DenoiserInput.Labels(labels, samples, known);
    }

    private static string DigestOf(torch.Tensor data, torch.Tensor? labels)
    {
        var tensors = new Dictionary<string, torch.Tensor> { ["data"] = data };
        if (labels is not null)
            // The key is hashed too: under another one the checkpoints that exist could not be resumed.
            tensors["classes"] = labels;
        return TrainingCheckpoint.Digest(tensors);
    }

    /// <summary>Goes on from the checkpoint where there is one.</summary>
    public void Resume()
    {
        if (options.CheckpointPath is not { } path || !options.Resume || !File.Exists(path))
            return;
        using var scope = torch.NewDisposeScope();
        var (state, tensors) = TrainingCheckpoint.Read(path);
        if (options is { Gradient: GradientEstimator.Automatic, NoiseDraws: null })
            plan = GradientPlan.Read(state.Options).For(model, parameters.Count, batches.Size, options);
        var weights = TrainingCheckpoint.ModelTensors(tensors);
        if (Difference(state, weights) is { } difference)
            throw new InvalidOperationException(
                $"the checkpoint '{path}' belongs to another run: {difference}; name another file, or move "
                    + "this one away to begin anew"
            );
        optimizer.Restore(state.StepsDone, TrainingCheckpoint.Under("optimizer.", tensors));
        TrainingCheckpoint.CopyInto(TrainingCheckpoint.Under("ema.", tensors), ema);
        TrainingCheckpoint.CopyInto(weights, live);
        initialDigest = state.InitialDigest;
        batches.HasOwnNormals = state.Options.ContainsKey(NormalNumbers);
        history.AddRange(state.History);
        pending.AddRange(state.Pending);
        earlierSeconds = state.Seconds;
        step = begunAt = state.StepsDone;
        TakeSnapshot();
    }

    private string? Difference(TrainingState state, IReadOnlyDictionary<string, torch.Tensor> weights)
    {
        if (GradientPlan.Read(state.Options) is var begun && begun != plan)
            return $"its gradient is {begun}, this run's {plan}";
        var identity = Identity(state.Options.ContainsKey(NormalNumbers));
        foreach (var (name, value) in identity)
            if (!state.Options.TryGetValue(name, out var saved))
                return $"it has no fixed {name}, this run has {value}";
            else if (saved != value)
                return $"its {name} is {saved}, this run's {value}";
        if (state.Options.Keys.FirstOrDefault(k => !identity.ContainsKey(k)) is { } extra)
            return $"its {extra} is {state.Options[extra]}, this run's is free";
        if (state.StepsDone > options.Steps)
            return $"it has made {state.StepsDone} steps, this run asks for {options.Steps}";
        if (TrainingCheckpoint.Mismatch(weights, live) is { } mismatch)
            return mismatch;
        if (state.DataDigest != dataDigest)
            return "it was trained on other data";
        if (initialDigest != state.InitialDigest && initialDigest != state.WeightsDigest)
            return "the model's weights are neither those it began from nor those it reached (was the model made "
                + "with another seed?)";
        return null;
    }

    // A file without this name is from a run that draws from torch's generator, and goes on so.
    private IReadOnlyDictionary<string, string> Identity(bool ownNormals)
    {
        var identity = new Dictionary<string, string>(options.Identity().Concat(plan.Identity()));
        if (ownNormals)
            identity[NormalNumbers] = "a stream a row";
        return identity;
    }

    /// <summary>Trains until the end or until cancelled: by the token, with what there is so far as the result, or by
    /// the host (<see cref="SafePoint"/>), with an exception, after the same clean end.</summary>
    public TrainingResult Work(IProgress<TrainingProgress>? progress, CancellationToken cancellation)
    {
        var wasTraining = model.training;
        var saved = step;
        var host = SafePoint.Token;
        using var gradient = BatchGradient.Create(
            model,
            denoiser,
            [.. parameters.Select(p => p.Value)],
            batches,
            labels,
            plan,
            options
        );
        try
        {
            model.train();
            stopwatch.Restart();
            while (step < options.Steps && !cancellation.IsCancellationRequested && !host.IsCancellationRequested)
            {
                SafePoint.Serve();
                TakeStep(gradient);
                var isRow = step % options.LogEvery == 0 || step == options.Steps;
                if (onCpu || unread == VerifyEvery || isRow)
                    ReadLosses();
                if (isRow)
                    Report(progress);
                var isSaving =
                    options.CheckpointEvery > 0 && step % options.CheckpointEvery == 0 && step < options.Steps;
                if (step % VerifyEvery == 0 || isSaving || step == options.Steps)
                    Verify();
                if (isSaving)
                    saved = Save() ? step : saved;
            }
            Verify();
            if (saved != step || options.CheckpointPath is { } path && !File.Exists(path))
                Save();
            if (step < options.Steps && !cancellation.IsCancellationRequested)
                throw new OperationCanceledException(
                    $"the training was stopped after step {step} of {options.Steps}",
                    host
                );
            return Result(step < options.Steps);
        }
        finally
        {
            model.train(wasTraining);
            optimizer.Dispose();
        }
    }

    /// <summary>Draws a batch, finds loss and gradients, and updates the weights and their EMA.</summary>
    private void TakeStep(IBatchGradient gradient)
    {
        using var scope = torch.NewDisposeScope();
        var rate = Rate(step);
        var (loss, gradients) = gradient.Find(step);
        using (torch.no_grad())
        {
            losses.narrow(0, unread, 1).copy_(loss.detach());
            unread++;
            if (options.GradientClip is { } norm)
                Clip(gradients, norm);
            optimizer.Step(gradients, rate, weightDecay);
            if (options.EmaDecay is { } decay)
                foreach (var (name, value) in parameters)
                    ema[name].mul_(decay).add_(value, 1 - decay);
        }
        step++;
    }

    private double Rate(long k) => options.LearningRate * options.Schedule.Factor(k, options.Steps);

    /// <summary>Scales gradients down in place so that the norm over all of them is at most the given one.</summary>
    internal static void Clip(IReadOnlyList<torch.Tensor?> gradients, double norm)
    {
        var total = torch.stack([.. gradients.Where(g => g is not null).Select(g => g!.square().sum())]).sum().sqrt();
        var factor = total.add(1e-6).reciprocal().mul(norm).clamp(max: 1);
        foreach (var gradient in gradients)
            gradient?.mul_(factor);
    }

    private void ReadLosses()
    {
        if (unread == 0)
            return;
        using var scope = torch.NewDisposeScope();
        var read = losses.narrow(0, 0, unread).cpu().data<double>().ToArray();
        for (var i = 0; i < unread; i++)
            if (!double.IsFinite(read[i]))
                Diverge($"the loss became {read[i]} at step {step - unread + i + 1}", step - unread + i);
        pending.AddRange(read);
        unread = 0;
    }

    private void Report(IProgress<TrainingProgress>? progress)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var loss = pending.Average();
        var row = new TrainingRow(step, loss, loss + Penalty(), Rate(step - 1), Seconds);
        history.Add(row);
        pending.Clear();
        progress?.Report(
            new TrainingProgress(options.Steps, row, (step - begunAt) / Math.Max(stopwatch.Elapsed.TotalSeconds, 1e-9))
        );
    }

    /// <summary>What a coupled weight decay adds to the loss.</summary>
    private double Penalty() =>
        options.Optimizer.IsDecayCoupled && weightDecay > 0
            ? weightDecay / 2 * parameters.Sum(p => p.Value.to_type(torch.float64).square().sum().item<double>())
            : 0;

    private double Seconds => earlierSeconds + stopwatch.Elapsed.TotalSeconds;

    private void Verify()
    {
        ReadLosses();
        if (snapshotStep == step && step > 0)
            return;
        using (torch.NewDisposeScope())
            foreach (var (name, tensor) in live)
                if (torch.is_floating_point(tensor) && !torch.isfinite(tensor).all().item<bool>())
                    Diverge($"the weight '{name}' was no longer finite after step {step}", step - 1);
        TakeSnapshot();
    }

    private void TakeSnapshot()
    {
        TrainingCheckpoint.CopyInto(live, snapshot);
        TrainingCheckpoint.CopyInto(ema, emaSnapshot);
        snapshotStep = step;
    }

    private void Diverge(string what, long failed)
    {
        TrainingCheckpoint.CopyInto(snapshot, live);
        TrainingCheckpoint.CopyInto(emaSnapshot, ema);
        step = snapshotStep;
        var rate = Rate(Math.Max(failed, 0)).ToString("G4", CultureInfo.InvariantCulture);
        throw new TrainingDivergedException(
            $"{what}, where the learning rate was {rate}; lower LearningRate or set GradientClip, then start again "
                + $"(the model is back at its weights of step {snapshotStep})",
            Result(false)
        );
    }

    private bool Save()
    {
        if (options.CheckpointPath is not { } path)
            return false;
        using var scope = torch.NewDisposeScope();
        var tensors = TrainingCheckpoint.Named(live, ema, optimizer.State);
        var failure = TrainingCheckpoint.TryWrite(path, State(), tensors);
        checkpointFailure = failure is null
            ? null
            : $"{failure}; the trained weights are in the model: save them elsewhere";
        return failure is null;
    }

    /// <summary>What a checkpoint says beside its tensors.</summary>
    private TrainingState State() =>
        new()
        {
            StepsDone = step,
            Seconds = Seconds,
            Options = Identity(batches.HasOwnNormals),
            DataDigest = dataDigest,
            InitialDigest = initialDigest,
            WeightsDigest = TrainingCheckpoint.Digest(live),
            History = history,
            Pending = pending,
        };

    /// <summary>A path that cannot be written to is said before hours of training, not after them.</summary>
    internal static void CheckWritable(string path)
    {
        if (Directory.Exists(path))
            throw new ArgumentException($"CheckpointPath must name a file, '{path}' is a folder");
        try
        {
            var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
            Directory.CreateDirectory(folder);
            var probe = Path.Combine(folder, $".{Guid.NewGuid():N}.tmp");
            File.WriteAllBytes(probe, []);
            File.Delete(probe);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ArgumentException(
                $"CheckpointPath '{path}' cannot be written to ({e.Message.TrimEnd('.')}); name a file in a "
                    + "folder that can be written",
                e
            );
        }
    }

    private TrainingResult Result(bool cancelled) =>
        new(
            [.. history],
            Seconds,
            step,
            cancelled,
            plan,
            options.EmaDecay is null
                ? null
                : ema.ToDictionary(t => t.Key, t => t.Value.clone().DetachFromDisposeScope()),
            checkpointFailure
        );
}
