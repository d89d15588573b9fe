using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>Whether the tensors of a checkpoint are those that a network wants.</summary>
internal static class TensorNames
{
    private const int Shown = 8;

    /// <summary>What is wrong, in words: every missing, unexpected and mis-shaped tensor, and those that are not finite
    /// floating-point numbers; empty where nothing is.</summary>
    /// <param name="tensors">The tensors of the checkpoint.</param>
    /// <param name="wanted">The shapes wanted, by name.</param>
    /// <param name="ignored">Names that may be there or not.</param>
    public static IReadOnlyList<string> Faults(
        IReadOnlyDictionary<string, torch.Tensor> tensors,
        IReadOnlyDictionary<string, long[]> wanted,
        params string[] ignored
    )
    {
        var faults = new List<string>();
        if (wanted.Keys.Where(n => !tensors.ContainsKey(n)).ToList() is { Count: > 0 } missing)
            faults.Add($"missing {Listing.Of(missing)}");
        if (
            tensors.Keys.Where(n => !wanted.ContainsKey(n) && !ignored.Contains(n)).ToList() is
            { Count: > 0 } unexpected
        )
            faults.Add($"unexpected {Listing.Of(unexpected)}");
        var wrong = wanted
            .Where(w => tensors.ContainsKey(w.Key))
            .Select(w => Fault(w.Key, tensors[w.Key], w.Value))
            .OfType<string>()
            .ToList();
        faults.AddRange(wrong.Take(Shown));
        if (wrong.Count > Shown)
            faults.Add($"and {wrong.Count - Shown} more");
        return faults;
    }

    private static string? Fault(string name, torch.Tensor tensor, long[] shape) =>
        !tensor.shape.SequenceEqual(shape)
            ? $"'{name}' must have shape {Listing.Shape(shape)}, was {Listing.Shape(tensor.shape)}"
        : !tensor.is_floating_point() ? $"'{name}' must hold floating-point numbers, was {tensor.dtype}"
        : !Guard.AllFinite(tensor) ? $"'{name}' holds NaN or infinity"
        : null;
}
