using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>How one set of samples compares with real ones in the features of one network.</summary>
/// <param name="Frechet">The Fréchet distance.</param>
/// <param name="Kernel">The kernel distance.</param>
/// <param name="Manifolds">Precision and recall.</param>
public sealed record SetComparison(FrechetDistance Frechet, KernelDistance Kernel, PrecisionRecall Manifolds)
{
    /// <summary>Compares a set with real samples.</summary>
    /// <param name="real">Features of real samples, (n, d), floating point.</param>
    /// <param name="other">Features of the set, (m, d).</param>
    /// <param name="seed">The seed of the kernel distance's blocks.</param>
    /// <param name="neighbours">k of precision and recall, ≥ 1.</param>
    /// <param name="blocks">The kernel distance's blocks, ≥ 1; both sets need two samples a block.</param>
    /// <exception cref="ArgumentException">A set has another shape, too few samples, or is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">neighbours or blocks is below 1.</exception>
    public static SetComparison Of(
        torch.Tensor real,
        torch.Tensor other,
        long seed = 0,
        int neighbours = 3,
        int blocks = 10
    ) =>
        new(
            FrechetDistance.Of(real, other),
            KernelDistance.Of(real, other, seed, blocks),
            PrecisionRecall.Of(real, other, neighbours)
        );
}
