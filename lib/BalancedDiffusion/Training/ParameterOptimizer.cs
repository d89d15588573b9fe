using System.Numerics;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// PyTorch's update rules, in place and with a state that can be read and put back: a run that is stopped and resumed
/// goes on exactly as if nothing had happened. Where a parameter and its gradient lie on the CPU, contiguous and of one
/// type, float32 or float64, an update is one pass over them that allocates nothing; else it is made of torch's
/// operations, on the parameter's device.
/// </summary>
public sealed class ParameterOptimizer : IDisposable
{
    private readonly OptimizerOptions options;
    private readonly IReadOnlyList<torch.Tensor> parameters;
    private readonly IReadOnlyList<string> names;
    private readonly torch.Tensor[] first,
        second;

    /// <summary>An optimizer with a fresh state (all moments zero).</summary>
    /// <param name="options">The update rule.</param>
    /// <param name="parameters">The live tensors that are updated in place, by name; the caller keeps them.</param>
    public ParameterOptimizer(OptimizerOptions options, IReadOnlyList<(string Name, torch.Tensor Value)> parameters)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(parameters);
        this.options = options;
        names = [.. parameters.Select(p => p.Name)];
        using var noGrad = torch.no_grad();
        this.parameters = [.. parameters.Select(p => p.Value.detach())];
        var adam = options.Kind is OptimizerKind.Adam or OptimizerKind.AdamW;
        first = adam || options.Momentum > 0 ? Zeros() : [];
        second = adam || options.Kind == OptimizerKind.RmsProp ? Zeros() : [];
        torch.Tensor[] Zeros() => [.. this.parameters.Select(p => torch.zeros_like(p).DetachFromDisposeScope())];
        foreach (var p in this.parameters)
            p.DetachFromDisposeScope();
    }

    /// <summary>How many updates were made.</summary>
    public long StepsDone { get; private set; }

    /// <summary>The moments by name, e.g. <c>second.encoder</c>: live tensors that belong to the optimizer.</summary>
    public IEnumerable<KeyValuePair<string, torch.Tensor>> State =>
        first
            .Select((t, i) => KeyValuePair.Create($"first.{names[i]}", t))
            .Concat(second.Select((t, i) => KeyValuePair.Create($"second.{names[i]}", t)));

    /// <summary>Puts a saved state back.</summary>
    /// <param name="stepsDone">How many updates led to it, ≥ 0.</param>
    /// <param name="state">The moments by the names of <see cref="State"/>; copied.</param>
    /// <exception cref="ArgumentException">A moment is missing or has another shape.</exception>
    public void Restore(long stepsDone, IReadOnlyDictionary<string, torch.Tensor> state)
    {
        Guard.AtLeast(stepsDone, 0);
        ArgumentNullException.ThrowIfNull(state);
        foreach (var (name, live) in State)
            if (!state.TryGetValue(name, out var saved) || !saved.shape.SequenceEqual(live.shape))
                throw new ArgumentException(
                    $"the saved optimizer state has no '{name}' of shape ({string.Join(", ", live.shape)}); "
                        + "it belongs to another model or optimizer",
                    nameof(state)
                );
        using var noGrad = torch.no_grad();
        foreach (var (name, live) in State)
            live.copy_(state[name]);
        StepsDone = stepsDone;
    }

    /// <summary>One update of every parameter that has a gradient.</summary>
    /// <param name="gradients">One gradient a parameter in the constructor's order, or null for none; only
    /// read.</param>
    /// <param name="learningRate">The rate of this step, ≥ 0.</param>
    /// <param name="weightDecay">The optimizer's raw weight decay, ≥ 0.</param>
    public void Step(IReadOnlyList<torch.Tensor?> gradients, double learningRate, double weightDecay)
    {
        ArgumentNullException.ThrowIfNull(gradients);
        if (gradients.Count != parameters.Count)
            throw new ArgumentException(
                $"{parameters.Count} parameters need as many gradients, was {gradients.Count}",
                nameof(gradients)
            );
        Guard.NotNegative(learningRate);
        Guard.NotNegative(weightDecay);
        using var noGrad = torch.no_grad();
        StepsDone++;
        for (var i = 0; i < parameters.Count; i++)
        {
            if (gradients[i] is not { } gradient)
                continue;
            var p = parameters[i];
            if (p.IsPlain() && gradient.IsPlain() && gradient.dtype == p.dtype)
            {
                if (p.dtype == torch.float32)
                    Fused<float>(i, gradient, learningRate, weightDecay);
                else
                    Fused<double>(i, gradient, learningRate, weightDecay);
                continue;
            }
            Composed(i, gradient, learningRate, weightDecay);
        }
    }

    private void Fused<T>(int i, torch.Tensor gradient, double rate, double decay)
        where T : unmanaged, INumber<T> =>
        FusedUpdate.Run(
            new UpdateRule<VectorElements<T>>(options, rate, decay, StepsDone),
            parameters[i].Numbers<T>(),
            gradient.Numbers<T>(),
            first.Length > 0 ? first[i].Numbers<T>() : [],
            second.Length > 0 ? second[i].Numbers<T>() : []
        );

    private void Composed(int i, torch.Tensor gradient, double rate, double decay)
    {
        using var scope = torch.NewDisposeScope();
        var live = parameters[i];
        TensorElements value = new(live),
            mean = first.Length > 0 ? new(first[i]) : default,
            square = second.Length > 0 ? new(second[i]) : default;
        new UpdateRule<TensorElements>(options, rate, decay, StepsDone).Apply(
            ref value,
            new(gradient.to(live.dtype, live.device)),
            ref mean,
            ref square
        );
        live.copy_(value.Value);
        if (first.Length > 0)
            first[i].copy_(mean.Value);
        if (second.Length > 0)
            second[i].copy_(square.Value);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in first.Concat(second).Concat(parameters))
            t.Dispose();
    }
}
