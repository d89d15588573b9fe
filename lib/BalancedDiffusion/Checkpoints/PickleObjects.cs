using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <content>What the reader makes of a pickle.</content>
internal sealed partial class PickleTensorReader
{
    /// <summary>A storage that tensors are views of: its type, its name in the file and its length in
    /// elements.</summary>
    internal sealed record Storage(torch.ScalarType Type, string Key, long Count);

    /// <summary>A tensor as the file describes it: a strided view of a storage, in elements.</summary>
    internal sealed record View(Storage Storage, long Offset, long[] Size, long[] Stride);

    /// <summary>A dictionary, in order; a key may come twice.</summary>
    internal class Map
    {
        public List<KeyValuePair<object?, object?>> Entries { get; } = [];

        public object? this[string key] => Entries.LastOrDefault(e => e.Key is string name && name == key).Value;
    }

    /// <summary>An object that the file names and that was not made: its name, what it would be made of, its entries
    /// and its state.</summary>
    internal sealed class Inert(string name, IReadOnlyList<object?> arguments) : Map
    {
        public string Name => name;

        public IReadOnlyList<object?> Arguments => arguments;

        public object? State { get; set; }
    }

    private sealed record Name(string Module, string Member);
}
