using System.Numerics;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// PyTorch's update rules, in place and with a state that can be read and put back: a run that is stopped and resumed
/// goes on exactly as if nothing had happened. Nothing of the size of a parameter is allocated after the first update.
/// Where a parameter and its gradient lie on the CPU, contiguous and of one type, float32 or float64, an update is one
/// pass over them; else it is made of torch's operations.
/// </summary>
public sealed class ParameterOptimizer : IDisposable
{
    private readonly OptimizerOptions options;
    private readonly IReadOnlyList<torch.Tensor> parameters;
    private readonly IReadOnlyList<string> names;
    private readonly torch.Tensor[] first,
        second;

    // For updates made of torch's operations, from the first of them on.
    private readonly torch.Tensor?[] scratch,
        roots;

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
        scratch = new torch.Tensor?[this.parameters.Count];
        roots = new torch.Tensor?[this.parameters.Count];
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
            var work = scratch[i] ??= torch.zeros_like(p).DetachFromDisposeScope();
            if (weightDecay > 0 && !options.IsDecayCoupled)
                p.mul_(1 - learningRate * weightDecay);
            work.copy_(gradient);
            if (weightDecay > 0 && options.IsDecayCoupled)
                work.add_(p, weightDecay);
            switch (options.Kind)
            {
                case OptimizerKind.Sgd:
                    Sgd(i, p, work, learningRate);
                    break;
                case OptimizerKind.RmsProp:
                    RmsProp(i, p, work, learningRate);
                    break;
                default:
                    Adam(i, p, work, learningRate);
                    break;
            }
        }
    }

    private void Fused<T>(int i, torch.Tensor gradient, double rate, double decay)
        where T : unmanaged, INumber<T>
    {
        Span<T> p = parameters[i].Numbers<T>(),
            g = gradient.Numbers<T>(),
            buffer = first.Length > 0 ? first[i].Numbers<T>() : [],
            square = second.Length > 0 ? second[i].Numbers<T>() : [];
        var pull = options.IsDecayCoupled ? decay : 0;
        switch (options.Kind)
        {
            case OptimizerKind.Sgd:
                FusedUpdate.Sgd<T>(p, g, buffer, rate, options.Momentum, options.Nesterov, pull);
                break;
            case OptimizerKind.RmsProp:
                FusedUpdate.RmsProp<T>(
                    p,
                    g,
                    buffer,
                    square,
                    rate,
                    options.Alpha,
                    options.Epsilon,
                    options.Momentum,
                    pull
                );
                break;
            default:
                FusedUpdate.Adam<T>(
                    p,
                    g,
                    buffer,
                    square,
                    rate / Correction1,
                    options.Beta1,
                    options.Beta2,
                    options.Epsilon,
                    1 / Math.Sqrt(Correction2),
                    options.IsDecayCoupled ? 1 : 1 - rate * decay,
                    pull
                );
                break;
        }
    }

    private double Correction1 => 1 - Math.Pow(options.Beta1, StepsDone);

    private double Correction2 => 1 - Math.Pow(options.Beta2, StepsDone);

    private void Sgd(int i, torch.Tensor p, torch.Tensor gradient, double rate)
    {
        if (options.Momentum > 0)
        {
            // With dampening 0 a zero buffer makes PyTorch's first step, b = g.
            first[i].mul_(options.Momentum).add_(gradient);
            if (options.Nesterov)
                gradient.add_(first[i], options.Momentum);
            else
                gradient = first[i];
        }
        p.add_(gradient, -rate);
    }

    private void RmsProp(int i, torch.Tensor p, torch.Tensor gradient, double rate)
    {
        second[i].mul_(options.Alpha).addcmul_(gradient, gradient, 1 - options.Alpha);
        var root = roots[i] ?? torch.zeros_like(p).DetachFromDisposeScope();
        roots[i] = root;
        root.copy_(second[i]).sqrt_().add_(options.Epsilon);
        if (options.Momentum > 0)
        {
            first[i].mul_(options.Momentum).addcdiv_(gradient, root, 1);
            p.add_(first[i], -rate);
        }
        else
        {
            p.addcdiv_(gradient, root, -rate);
        }
    }

    private void Adam(int i, torch.Tensor p, torch.Tensor gradient, double rate)
    {
        first[i].mul_(options.Beta1).add_(gradient, 1 - options.Beta1);
        second[i].mul_(options.Beta2).addcmul_(gradient, gradient, 1 - options.Beta2);
        // p -= rate / correction1 · m / (sqrt(v / correction2) + eps)
        gradient.copy_(second[i]).sqrt_().div_(Math.Sqrt(Correction2)).add_(options.Epsilon);
        p.addcdiv_(first[i], gradient, -rate / Correction1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var t in first.Concat(second).Concat(scratch).Concat(roots).Concat(parameters))
            t?.Dispose();
    }
}
