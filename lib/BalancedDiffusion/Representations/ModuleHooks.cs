using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>Which modules of a network can be seen or changed while it runs, and how that is done: what the recorder
/// and steering share.</summary>
internal static class ModuleHooks
{
    /// <summary>The modules that take one to three tensors and give one, by name.</summary>
    public static IReadOnlyDictionary<string, torch.nn.Module> Modules(torch.nn.Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        var found = new Dictionary<string, torch.nn.Module>();
        foreach (var (name, module) in model.named_modules())
            if (
                module
                is torch.nn.Module<torch.Tensor, torch.Tensor>
                    or torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
                    or torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor>
            )
                found.TryAdd(name, module);
        return found;
    }

    /// <summary>Those named, which must be there.</summary>
    /// <param name="model">The network.</param>
    /// <param name="modules">Names, at least one.</param>
    /// <param name="verb">What is wanted of them, e.g. <c>recorded</c>.</param>
    /// <exception cref="ArgumentException">None is named, or there is no such module; the message lists those there
    /// are, the likeliest first.</exception>
    public static IReadOnlyDictionary<string, torch.nn.Module> Named(
        torch.nn.Module model,
        IReadOnlyList<string> modules,
        string verb
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(modules);
        if (modules.Count == 0)
            throw new ArgumentException("modules must name at least one module, was empty", nameof(modules));
        var found = Modules(model);
        foreach (var name in modules)
            if (name is null || !found.ContainsKey(name))
                throw new ArgumentException(
                    $"the model has no module {Listing.Quoted(name ?? "")} that can be {verb}; it has "
                        + $"{Listing.Of(found.Keys.OrderByDescending(k => Likeness(k, name ?? "")))}",
                    nameof(modules)
                );
        return modules.Distinct().ToDictionary(name => name, name => found[name]);
    }

    /// <summary>Puts a hook behind a module: what it gives is handed over, and what comes back takes its
    /// place.</summary>
    /// <returns>Takes the hook away.</returns>
    public static Action Behind(torch.nn.Module module, Func<torch.Tensor, torch.Tensor> change) =>
        module switch
        {
            torch.nn.Module<torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                (_, _, output) => change(output)
            ).remove,
            torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                (_, _, _, output) => change(output)
            ).remove,
            torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                (_, _, _, _, output) => change(output)
            ).remove,
            _ => throw new ArgumentException($"a {module.GetType().Name} cannot be hooked", nameof(module)),
        };

    /// <summary>How many characters two names share at both ends.</summary>
    private static int Likeness(string a, string b)
    {
        var start = a.Zip(b).TakeWhile(p => p.First == p.Second).Count();
        return start + a.Reverse().Zip(b.Reverse()).TakeWhile(p => p.First == p.Second).Count();
    }
}
