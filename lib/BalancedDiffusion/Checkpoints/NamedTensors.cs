using System.Collections;
using System.Diagnostics.CodeAnalysis;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>
/// What a checkpoint file holds: tensors by name, in the file's order, and its metadata. The caller owns it; disposing
/// it disposes every tensor in it. No two tensors share memory.
/// </summary>
public sealed class NamedTensors : IReadOnlyDictionary<string, torch.Tensor>, IDisposable
{
    private readonly OrderedDictionary<string, torch.Tensor> tensors;

    /// <summary>Takes over the tensors.</summary>
    /// <param name="tensors">Tensors by name.</param>
    /// <param name="metadata">Text by key, or null for none.</param>
    public NamedTensors(
        OrderedDictionary<string, torch.Tensor> tensors,
        IReadOnlyDictionary<string, string>? metadata = null
    )
    {
        ArgumentNullException.ThrowIfNull(tensors);
        this.tensors = tensors;
        Metadata = metadata ?? new Dictionary<string, string>();
    }

    /// <summary>The metadata of the file; empty for a <c>.pth</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensor of this name. It stays owned by this object.</summary>
    /// <exception cref="KeyNotFoundException">There is none; the message lists the names that are there.</exception>
    public torch.Tensor this[string key] =>
        tensors.TryGetValue(key, out var tensor)
            ? tensor
            : throw new KeyNotFoundException(
                $"the checkpoint holds no tensor '{key}'; it holds {Listing.Of(tensors.Keys)}"
            );

    /// <summary>The names, in the file's order.</summary>
    public IEnumerable<string> Keys => tensors.Keys;

    /// <summary>The tensors, in the file's order.</summary>
    public IEnumerable<torch.Tensor> Values => tensors.Values;

    /// <summary>How many tensors there are.</summary>
    public int Count => tensors.Count;

    /// <inheritdoc/>
    public bool ContainsKey(string key) => tensors.ContainsKey(key);

    /// <inheritdoc/>
    public bool TryGetValue(string key, [MaybeNullWhen(false)] out torch.Tensor value) =>
        tensors.TryGetValue(key, out value);

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, torch.Tensor>> GetEnumerator() => tensors.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in tensors.Values)
            tensor.Dispose();
    }
}
