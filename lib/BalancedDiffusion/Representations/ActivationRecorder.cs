using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>
/// Records what named modules of a network give while the network runs: in one forward, or in each along a trajectory.
/// It hooks the modules and unhooks them when it is disposed. A module is seen where it is run through <c>call</c>. In
/// a ReLU-DAE and a ReLU diffusion, <c>relu</c> is the representation h; in a DiT, <c>blocks.i.mlp.act</c> is one in
/// each block.
/// </summary>
/// <example><c>using var recorder = new ActivationRecorder(dit, ["blocks.5.mlp.act"], Pooling.TokenMean); dit.call(x,
/// t, null).Dispose(); var h = recorder.Last("blocks.5.mlp.act");</c></example>
public sealed class ActivationRecorder : IDisposable
{
    private readonly Dictionary<string, List<torch.Tensor>> kept = [];
    private readonly Dictionary<string, RunningStatistics> streams = [];
    private readonly List<Action> unhook = [];
    private readonly bool history;
    private bool disposed;

    /// <summary>A recorder of the modules named.</summary>
    /// <param name="model">The network; it stays its owner's.</param>
    /// <param name="modules">At least one name of <see cref="ModulesOf"/>.</param>
    /// <param name="pooling">What is done to an activation before it is kept.</param>
    /// <param name="history">Whether every call's activation is kept (until <see cref="Clear"/>), or the last one's
    /// only.</param>
    /// <exception cref="ArgumentException">There is no such module, or none is named; the message lists those there
    /// are, the likeliest first.</exception>
    public ActivationRecorder(
        torch.nn.Module model,
        IReadOnlyList<string> modules,
        Pooling pooling = Pooling.None,
        bool history = false
    )
    {
        var found = ModuleHooks.Named(model, modules, "recorded");
        PoolingExtensions.Check(pooling);
        (Pooling, this.history) = (pooling, history);
        Modules = [.. found.Keys];
        foreach (var (name, module) in found)
        {
            kept[name] = [];
            unhook.Add(
                ModuleHooks.Behind(
                    module,
                    output =>
                    {
                        See(name, output);
                        return output;
                    }
                )
            );
        }
    }

    /// <summary>A recorder of the modules whose names are wanted.</summary>
    /// <param name="model">The network; it stays its owner's.</param>
    /// <param name="which">Whether a module of this name is wanted.</param>
    /// <param name="pooling">What is done to an activation before it is kept.</param>
    /// <param name="history">Whether every call's activation is kept (until <see cref="Clear"/>), or the last one's
    /// only.</param>
    /// <exception cref="ArgumentException">No name is wanted; the message lists those there are.</exception>
    public ActivationRecorder(
        torch.nn.Module model,
        Func<string, bool> which,
        Pooling pooling = Pooling.None,
        bool history = false
    )
        : this(model, Wanted(model, which), pooling, history) { }

    /// <summary>The names of the modules that can be recorded: those that take one to three tensors and give
    /// one.</summary>
    /// <param name="model">The network.</param>
    public static IReadOnlyList<string> ModulesOf(torch.nn.Module model) => [.. ModuleHooks.Modules(model).Keys];

    /// <summary>The names of the modules recorded.</summary>
    public IReadOnlyList<string> Modules { get; }

    /// <summary>What is done to an activation before it is kept.</summary>
    public Pooling Pooling { get; }

    /// <summary>What the module gave last, pooled.</summary>
    /// <param name="module">A name of <see cref="Modules"/>.</param>
    /// <returns>A tensor on the network's device, without a gradient, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The module is not recorded.</exception>
    /// <exception cref="InvalidOperationException">The module has not run since the recorder was made or cleared, or it
    /// streams to statistics.</exception>
    /// <exception cref="ObjectDisposedException">The recorder was disposed.</exception>
    public torch.Tensor Last(string module) => Kept(module)[^1].alias();

    /// <summary>What the module gave in each of its calls, pooled, in their order: a step of a trajectory each. The
    /// last one only, where no history is kept.</summary>
    /// <param name="module">A name of <see cref="Modules"/>.</param>
    /// <returns>Tensors, each of which the caller owns.</returns>
    /// <exception cref="ArgumentException">The module is not recorded.</exception>
    /// <exception cref="InvalidOperationException">The module has not run since the recorder was made or cleared, or it
    /// streams to statistics.</exception>
    /// <exception cref="ObjectDisposedException">The recorder was disposed.</exception>
    public IReadOnlyList<torch.Tensor> History(string module) => [.. Kept(module).Select(t => t.alias())];

    /// <summary>From now on a module's activations go to statistics and are not kept; those kept so far are
    /// dropped.</summary>
    /// <param name="module">A name of <see cref="Modules"/>.</param>
    /// <param name="statistics">Given (batch, units) at each call, so the pooling must lead there.</param>
    /// <exception cref="ArgumentException">The module is not recorded.</exception>
    /// <exception cref="ObjectDisposedException">The recorder was disposed.</exception>
    public void StreamTo(string module, RunningStatistics statistics)
    {
        ArgumentNullException.ThrowIfNull(statistics);
        Drop(RecordedOf(module));
        streams[module] = statistics;
    }

    /// <summary>Drops what was kept, and goes on recording. Statistics keep what they were given.</summary>
    public void Clear()
    {
        foreach (var list in kept.Values)
            Drop(list);
    }

    /// <summary>Unhooks the modules and drops what was kept.</summary>
    public void Dispose()
    {
        if (disposed)
            return;
        disposed = true;
        foreach (var remove in unhook)
            remove();
        unhook.Clear();
        Clear();
    }

    private void See(string name, torch.Tensor output)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        torch.Tensor pooled;
        try
        {
            pooled = Pooling.Apply(output.detach());
            if (streams.TryGetValue(name, out var statistics))
            {
                if (pooled.dim() != 2)
                    throw new ArgumentException(
                        $"statistics take (batch, units), and {Pooling} gives {Listing.Shape(pooled.shape)}; "
                            + "choose another pooling"
                    );
                statistics.Add(pooled);
                return;
            }
        }
        catch (ArgumentException e)
        {
            throw new InvalidOperationException(
                $"the output of module {Listing.Quoted(name)} cannot be recorded: {e.Message.Split(" (Parameter")[0]}",
                e
            );
        }
        if (!history)
            Drop(kept[name]);
        pooled.DetachFromDisposeScope();
        kept[name].Add(pooled);
    }

    private List<torch.Tensor> RecordedOf(string module)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        ArgumentNullException.ThrowIfNull(module);
        return kept.TryGetValue(module, out var list)
            ? list
            : throw new ArgumentException(
                $"the module {Listing.Quoted(module)} is not recorded; recorded are {Listing.Of(Modules)}",
                nameof(module)
            );
    }

    private List<torch.Tensor> Kept(string module)
    {
        var list = RecordedOf(module);
        if (list.Count > 0)
            return list;
        throw new InvalidOperationException(
            streams.ContainsKey(module)
                ? $"the module {Listing.Quoted(module)} streams to statistics, so nothing is kept of it; ask those"
                : $"the module {Listing.Quoted(module)} has not run since recording began; run the model first, "
                    + "and through call where it is a plain module"
        );
    }

    private static void Drop(List<torch.Tensor> list)
    {
        foreach (var tensor in list)
            tensor.Dispose();
        list.Clear();
    }

    private static IReadOnlyList<string> Wanted(torch.nn.Module model, Func<string, bool> which)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(which);
        var names = ModulesOf(model);
        var wanted = names.Where(which).ToList();
        return wanted.Count > 0
            ? wanted
            : throw new ArgumentException(
                $"no module that can be recorded has a name that is wanted; the model has {Listing.Of(names)}",
                nameof(which)
            );
    }
}
