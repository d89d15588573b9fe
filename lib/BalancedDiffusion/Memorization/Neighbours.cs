using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>The nearest samples of a set to each query, nearest first. The caller owns both tensors; disposing this
/// disposes them.</summary>
/// <param name="Distances">(queries, k), float64, ascending along each row.</param>
/// <param name="Indices">(queries, k), int64, into the set.</param>
public sealed record Neighbours(torch.Tensor Distances, torch.Tensor Indices) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Distances.Dispose();
        Indices.Dispose();
    }
}
