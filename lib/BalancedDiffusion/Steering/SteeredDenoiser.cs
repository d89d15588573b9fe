using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Steering;

/// <summary>
/// A denoiser whose network is steered while it runs: <c>f_steered = g(h + a v)</c> (Equation 11 of the paper). The
/// network is hooked for the time of each call and free again when the call ends, by an output, an exception or a
/// cancellation, so that a sampler may be stopped at any place and the network used by itself at any time. To steer the
/// conditional half only under guidance, give a <see cref="GuidedDenoiser"/> a steered and a plain denoiser;
/// where a network runs both halves in one batch (<see cref="Networks.DitDenoiser.WithLabels"/>), the conditional half
/// is steered (at guidance 0 that network runs the empty half alone, and that is steered). Two threads must not run one
/// network at a time.
/// </summary>
public sealed class SteeredDenoiser : IDenoiser, IDisposable
{
    private readonly IDenoiser denoiser;
    private readonly IReadOnlyDictionary<string, torch.nn.Module> modules;
    private readonly IReadOnlyList<(string Name, double[] Vector)> added;

    // What is added, as tensors of the type and on the device where it was asked for.
    private readonly Dictionary<(string, torch.ScalarType, DeviceType, int), torch.Tensor> vectors = [];

    /// <summary>A steered view of a denoiser, which stays its owner's and is not changed.</summary>
    /// <param name="denoiser">The network, or what asks it, with <see cref="SteeringOptions.Network"/> given.</param>
    /// <param name="direction">The direction, made on that network.</param>
    /// <param name="options">Strength, layer weights, window; null for strength one everywhere.</param>
    /// <exception cref="ArgumentException">The direction belongs to another network, names a module that is not there,
    /// or the options weight a layer that it does not have.</exception>
    public SteeredDenoiser(IDenoiser denoiser, SteeringDirection direction, SteeringOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(direction);
        Options = options ?? new SteeringOptions();
        this.denoiser = denoiser;
        Direction = direction;
        var network = Module = NetworkOf(denoiser, Options.Network);
        var names = direction.Layers.Where(name => name != SteeringDirection.Output).ToArray();
        modules =
            names.Length == 0
                ? new Dictionary<string, torch.nn.Module>()
                : ModuleHooks.Named(network, names, "steered");
        if (!Options.AnyModel && ModelFingerprint.Of(network) is var model && model != direction.Model)
            throw new ArgumentException(
                $"the direction was made on another network ({direction.Model}; this is {model}); make it "
                    + "again here, or set AnyModel to use it knowingly",
                nameof(direction)
            );
        foreach (var (name, weight) in Options.LayerWeights)
            if (!direction.Layers.Contains(name) || !double.IsFinite(weight))
                throw new ArgumentException(
                    "LayerWeights must hold finite weights of the direction's layers, had "
                        + $"{Listing.Quoted(name)} with {weight}; the layers are {Listing.Of(direction.Layers)}",
                    nameof(options)
                );
        added = Added();
    }

    private SteeredDenoiser(SteeredDenoiser other, double strength)
    {
        (denoiser, modules, Direction, Module) = (other.denoiser, other.modules, other.Direction, other.Module);
        Options = other.Options with { Strength = strength };
        added = Added();
    }

    /// <summary>What is added.</summary>
    public SteeringDirection Direction { get; }

    /// <summary>How.</summary>
    public SteeringOptions Options { get; }

    /// <summary>The network whose modules are steered.</summary>
    public torch.nn.Module Module { get; }

    /// <summary>The same at another strength, without looking at the network's weights again.</summary>
    /// <param name="strength">Finite, as for <see cref="SteeringOptions.Strength"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The strength is not finite.</exception>
    public SteeredDenoiser WithStrength(double strength) => new(this, strength);

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => denoiser.SampleShape;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">There are neither one noise level nor as many as samples.</exception>
    /// <exception cref="InvalidOperationException">A layer is not as wide as the direction, gives another batch, or did
    /// not run.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        ArgumentNullException.ThrowIfNull(noisy);
        ArgumentNullException.ThrowIfNull(sigma);
        using var scope = torch.NewDisposeScope();
        var on = Array.ConvertAll(
            sigma.detach().to_type(torch.float64).cpu().flatten().data<double>().ToArray(),
            Share
        );
        return Steer(noisy, on, sigma.shape, () => denoiser.Denoise(noisy, sigma)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">As for <see cref="Denoise"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        ArgumentNullException.ThrowIfNull(noisy);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        double[] on = [Share(NoiseLevels.Rounded(sigma, noisy.dtype))];
        return Steer(noisy, on, [], () => denoiser.DenoiseAt(noisy, sigma)).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the vectors that it keeps in the types and on the devices where it ran; the network stays its
    /// owner's. Where it is not called, they go with the object.</summary>
    public void Dispose()
    {
        lock (vectors)
        {
            foreach (var vector in vectors.Values)
                vector.Dispose();
            vectors.Clear();
        }
    }

    /// <summary>How much of the direction is added at a level: all of it in the window, nothing outside.</summary>
    private double Share(double sigma) => Options.Window.Contains(sigma) ? 1 : 0;

    /// <summary>Asks the denoiser with hooks behind the steered modules.</summary>
    /// <param name="noisy">The batch.</param>
    /// <param name="on">The shares of the samples, one for all or one a sample.</param>
    /// <param name="shape">The shape in which the levels came.</param>
    /// <param name="ask">Runs the denoiser on the batch.</param>
    private torch.Tensor Steer(torch.Tensor noisy, double[] on, long[] shape, Func<torch.Tensor> ask)
    {
        if (added.Count == 0 || !on.Contains(1.0))
            return ask();
        var batch = noisy.dim() == 0 ? 0 : noisy.shape[0];
        if (on.Length != 1 && on.Length != batch)
            throw new ArgumentException($"sigma must have shape () or ({batch}), was {Listing.Shape(shape)}", "sigma");
        var (hooks, seen) = (new List<Action>(), new HashSet<string>());
        try
        {
            foreach (var (name, vector) in added.Where(l => l.Name != SteeringDirection.Output))
                hooks.Add(
                    ModuleHooks.Behind(
                        modules[name],
                        output =>
                        {
                            seen.Add(name);
                            return Add(name, vector, output, batch, on);
                        }
                    )
                );
            var estimate = ask();
            foreach (var (name, vector) in added)
                if (name == SteeringDirection.Output)
                    estimate = Add(name, vector, estimate, batch, on);
                else if (!seen.Contains(name))
                    throw new InvalidOperationException(
                        $"the module {Listing.Quoted(name)} did not run, so it cannot be steered; choose a "
                            + "module that the denoiser runs through call"
                    );
            return estimate;
        }
        finally
        {
            foreach (var remove in hooks)
                remove();
        }
    }

    /// <summary>The network behind a denoiser: the one given, or the denoiser itself.</summary>
    internal static torch.nn.Module NetworkOf(IDenoiser denoiser, torch.nn.Module? network) =>
        network
        ?? denoiser.Module
        ?? throw new ArgumentException(
            $"a {denoiser.GetType().Name} is no network with modules; name the network that it asks as "
                + "Network in the options",
            nameof(denoiser)
        );

    private (string Name, double[] Vector)[] Added() =>
        [
            .. Direction
                .Layers.Select(name =>
                    (
                        name,
                        Direction[name]
                            .Select(v => Options.Strength * Options.LayerWeights.GetValueOrDefault(name, 1) * v)
                            .ToArray()
                    )
                )
                .Where(l => l.Item2.Any(v => v != 0)),
        ];

    private torch.Tensor Add(string name, double[] vector, torch.Tensor output, long batch, double[] on)
    {
        var doubled = DoubledBatch.Is(output, batch);
        if (output.dim() < 2 || (output.shape[0] != batch && !doubled))
            throw new InvalidOperationException(
                $"the module {Listing.Quoted(name)} gives {Listing.Shape(output.shape)} for a batch of "
                    + $"{batch}, which is not one representation a sample; choose another module"
            );
        var shape =
            Placed(output.shape, vector.Length)
            ?? throw new InvalidOperationException(
                $"the module {Listing.Quoted(name)} gives {Listing.Shape(output.shape)}, and the direction "
                    + $"has {vector.Length} units there; make the direction on this network, with the same image "
                    + "size"
            );
        using var scope = torch.NewDisposeScope();
        var addend = Vector(name, vector, output).reshape(shape);
        if (on.Contains(0.0))
            addend =
                addend
                * torch
                    .tensor(on, dtype: torch.float64)
                    .to_type(output.dtype)
                    .to(output.device)
                    .reshape([batch, .. Enumerable.Repeat(1L, (int)output.dim() - 1)]);
        if (!doubled)
            return (output + addend).MoveToOuterDisposeScope();
        var (conditional, unconditional) = DoubledBatch.Split(output);
        return DoubledBatch.Of(conditional + addend, unconditional).MoveToOuterDisposeScope();
    }

    /// <summary>A layer's vector in the type and on the device of what it is added to, made at its first use.</summary>
    private torch.Tensor Vector(string name, double[] vector, torch.Tensor output)
    {
        var key = (name, output.dtype, output.device_type, output.device_index);
        lock (vectors)
        {
            if (!vectors.TryGetValue(key, out var kept))
            {
                using var scope = torch.NewDisposeScope();
                // A copy of torch's own: the tensor that is made of an array may lie in the array's memory.
                kept = torch
                    .tensor(vector, dtype: torch.float64)
                    .to_type(output.dtype)
                    .to(output.device)
                    .clone()
                    .DetachFromDisposeScope();
                vectors.Add(key, kept);
            }
            return kept;
        }
    }

    /// <summary>The shape under which a vector is added to an activation: one number a unit at every place, or one for
    /// every number.</summary>
    private static long[]? Placed(long[] activation, long length)
    {
        var unit = activation.Length == 4 ? 1 : activation.Length - 1;
        if (activation[unit] == length)
            return [.. activation.Select((_, i) => i == unit ? length : 1L)];
        return activation.Skip(1).Aggregate(1L, (product, n) => product * n) == length
            ? [1, .. activation.Skip(1)]
            : null;
    }
}
