using TorchSharp;

namespace BalancedDiffusion.Datasets.Mixtures;

/// <summary>Samples of a mixture and the component each came from. The caller owns both tensors; disposing this
/// disposes them.</summary>
/// <param name="Samples">(count, d).</param>
/// <param name="Labels">(count), int64, the component's index.</param>
public sealed record MixtureDraw(torch.Tensor Samples, torch.Tensor Labels) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Samples.Dispose();
        Labels.Dispose();
    }
}
