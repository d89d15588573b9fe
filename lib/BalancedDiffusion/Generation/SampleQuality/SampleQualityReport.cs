using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>The quality of generated samples, beside the floor: what as many real samples that were not compared before
/// reach in the same measures.</summary>
/// <param name="Generated">Generated samples against real ones.</param>
/// <param name="Floor">Other real samples against the same real ones.</param>
public sealed record SampleQualityReport(SetComparison Generated, SetComparison Floor)
{
    /// <summary>How near the samples lie to the training set, where it was measured.</summary>
    public NearestRatios? Nearest { get; init; }

    /// <summary>Whether read factors agree with those of real images, where it was measured; else empty.</summary>
    public IReadOnlyList<FactorAgreement> Factors { get; init; } = [];

    /// <summary>The generated samples' Fréchet distance over the floor's; 1 is as good as real samples.</summary>
    public double FrechetOverFloor => Generated.Frechet.Value / Floor.Frechet.Value;

    /// <summary>Compares generated samples, and as many other real ones, with real samples.</summary>
    /// <param name="generated">Features of generated samples, (n, d), floating point.</param>
    /// <param name="real">Features of real samples, (m, d).</param>
    /// <param name="floor">Features of n other real samples, (n, d): the distances depend on the number of
    /// samples.</param>
    /// <param name="seed">The seed of the kernel distance's blocks.</param>
    /// <param name="neighbours">k of precision and recall, ≥ 1.</param>
    /// <param name="blocks">The kernel distance's blocks, ≥ 1; every set needs two samples a block.</param>
    /// <exception cref="ArgumentException">A set has another shape, too few samples, or is not finite, or floor and
    /// generated differ in number.</exception>
    /// <exception cref="ArgumentOutOfRangeException">neighbours or blocks is below 1.</exception>
    public static SampleQualityReport Of(
        torch.Tensor generated,
        torch.Tensor real,
        torch.Tensor floor,
        long seed = 0,
        int neighbours = 3,
        int blocks = 10
    )
    {
        ArgumentNullException.ThrowIfNull(generated);
        ArgumentNullException.ThrowIfNull(floor);
        if (generated.dim() == 2 && !floor.shape.SequenceEqual(generated.shape))
            throw new ArgumentException(
                $"floor must have the shape of generated, {Listing.Shape(generated.shape)}, was "
                    + $"{Listing.Shape(floor.shape)}; the distances depend on the number of samples",
                nameof(floor)
            );
        return new(
            SetComparison.Of(real, generated, seed, neighbours, blocks),
            SetComparison.Of(real, floor, seed, neighbours, blocks)
        );
    }
}
