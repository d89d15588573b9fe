using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Steering;

/// <summary>
/// A denoiser some units of whose network are switched off while it runs: their activations become zero, at every
/// place or token. It is the causal test of where something is stored: if an image is stored in few units, switching
/// these off loses that image and little else. The network is hooked for the time of each call only. Where one batch
/// holds both halves of guidance, the units are off in both. Two threads must not run one network at a time.
/// </summary>
public sealed class AblatedDenoiser : IDenoiser
{
    private readonly IDenoiser denoiser;
    private readonly Dictionary<string, (torch.nn.Module Module, long[] Units)> layers;

    /// <summary>A view of a denoiser without some units; the denoiser stays its owner's and is not changed.</summary>
    /// <param name="denoiser">The network, or what asks it, with <paramref name="network"/> given.</param>
    /// <param name="units">The units to switch off, by the module that gives them: channels of feature maps (batch,
    /// units, height, width), else places in the last dimension.</param>
    /// <param name="network">The network whose modules they are; null for the denoiser's own.</param>
    /// <exception cref="ArgumentException">There is no such module, no network, or a unit is negative.</exception>
    public AblatedDenoiser(
        IDenoiser denoiser,
        IReadOnlyDictionary<string, IReadOnlyList<int>> units,
        torch.nn.Module? network = null
    )
    {
        ArgumentNullException.ThrowIfNull(denoiser);
        ArgumentNullException.ThrowIfNull(units);
        this.denoiser = denoiser;
        Module = SteeredDenoiser.NetworkOf(denoiser, network);
        var modules = ModuleHooks.Named(Module, [.. units.Keys], "switched off");
        layers = units.ToDictionary(
            layer => layer.Key,
            layer => (modules[layer.Key], layer.Value.Distinct().Select(unit => (long)unit).ToArray())
        );
        foreach (var (name, (_, off)) in layers)
            if (off.Any(unit => unit < 0))
                throw new ArgumentException(
                    $"the units of {Listing.Quoted(name)} must be 0 or more, one was {off.Min()}",
                    nameof(units)
                );
    }

    /// <summary>The network whose units are switched off.</summary>
    public torch.nn.Module Module { get; }

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => denoiser.SampleShape;

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">A module has not so many units, or did not run.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => Run(() => denoiser.Denoise(noisy, sigma));

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">As for <see cref="Denoise"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma) => Run(() => denoiser.DenoiseAt(noisy, sigma));

    private torch.Tensor Run(Func<torch.Tensor> ask)
    {
        var (hooks, seen) = (new List<Action>(), new HashSet<string>());
        try
        {
            foreach (var (name, (module, off)) in layers)
                hooks.Add(
                    ModuleHooks.Behind(
                        module,
                        output =>
                        {
                            seen.Add(name);
                            return Without(name, output, off);
                        }
                    )
                );
            var estimate = ask();
            if (layers.Keys.FirstOrDefault(name => !seen.Contains(name)) is { } idle)
            {
                estimate.Dispose();
                throw new InvalidOperationException(
                    $"the module {Listing.Quoted(idle)} did not run, so its units cannot be switched off; choose a "
                        + "module that the denoiser runs through call"
                );
            }
            return estimate;
        }
        finally
        {
            foreach (var remove in hooks)
                remove();
        }
    }

    private static torch.Tensor Without(string name, torch.Tensor output, long[] off)
    {
        if (off.Length == 0)
            return output.alias();
        var dimension = output.dim() == 4 ? 1 : output.dim() - 1;
        var width = output.shape[dimension];
        if (off.Max() >= width)
            throw new InvalidOperationException(
                $"the module {Listing.Quoted(name)} has {width} units, so there is no unit {off.Max()}; choose units "
                    + "of this module"
            );
        using var scope = torch.NewDisposeScope();
        var kept = torch.ones(width, dtype: output.dtype, device: output.device);
        kept.index_fill_(0, torch.tensor(off, device: output.device), 0);
        return (
            output * kept.reshape([.. output.shape.Select((_, i) => i == dimension ? width : 1L)])
        ).MoveToOuterDisposeScope();
    }
}
