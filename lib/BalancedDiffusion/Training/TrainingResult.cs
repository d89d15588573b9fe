using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>What came of a run. The trained weights are in the model that was handed in; this holds the rest.</summary>
public sealed class TrainingResult : IDisposable
{
    internal TrainingResult(
        IReadOnlyList<TrainingRow> history,
        double seconds,
        long stepsDone,
        bool cancelled,
        GradientPlan plan,
        IReadOnlyDictionary<string, torch.Tensor>? ema,
        string? checkpointFailure
    ) =>
        (History, Seconds, StepsDone, Cancelled, Gradient, NoiseDraws, EmaWeights, CheckpointFailure) = (
            history,
            seconds,
            stepsDone,
            cancelled,
            plan.Estimator,
            plan.NoiseDraws,
            ema,
            checkpointFailure
        );

    /// <summary>One row every <see cref="TrainingOptions.LogEvery"/> steps and one at the end.</summary>
    public IReadOnlyList<TrainingRow> History { get; }

    /// <summary>Wall-clock time of the run over all its sessions.</summary>
    public double Seconds { get; }

    /// <summary>How many updates were made.</summary>
    public long StepsDone { get; }

    /// <summary>Whether the run was cancelled before its end.</summary>
    public bool Cancelled { get; }

    /// <summary>How the gradients were estimated: sampled or projected.</summary>
    public GradientEstimator Gradient { get; }

    /// <summary>How many noises were drawn for a sample in a step.</summary>
    public int NoiseDraws { get; }

    /// <summary>The EMA of the parameters by name, or null where none was asked for. They live as long as
    /// this result.</summary>
    public IReadOnlyDictionary<string, torch.Tensor>? EmaWeights { get; }

    /// <summary>A sentence where a checkpoint could not be written although training went on, or null.</summary>
    public string? CheckpointFailure { get; }

    /// <summary>Copies the EMA of the weights into a model of the same structure.</summary>
    /// <exception cref="InvalidOperationException">The run kept no EMA.</exception>
    /// <exception cref="ArgumentException">The model has other parameters.</exception>
    public void CopyEmaTo(torch.nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (EmaWeights is null)
            throw new InvalidOperationException("this run kept no EMA of the weights; set TrainingOptions.EmaDecay");
        using var noGrad = torch.no_grad();
        var targets = model.named_parameters().ToDictionary(p => p.name, p => p.parameter);
        foreach (var (name, mean) in EmaWeights)
            if (!targets.TryGetValue(name, out var p) || !p.shape.SequenceEqual(mean.shape))
                throw new ArgumentException(
                    $"the model has no parameter '{name}' of shape ({string.Join(", ", mean.shape)})",
                    nameof(model)
                );
        foreach (var (name, mean) in EmaWeights)
            targets[name].copy_(mean);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var mean in EmaWeights?.Values ?? [])
            mean.Dispose();
    }
}
