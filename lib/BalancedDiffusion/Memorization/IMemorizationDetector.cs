using TorchSharp;

namespace BalancedDiffusion.Memorization;

/// <summary>Tells from finished samples which of them a model has memorized.</summary>
public interface IMemorizationDetector
{
    /// <summary>A short name for tables, unique among the detectors that are compared.</summary>
    string Name { get; }

    /// <summary>A score for each sample: the higher, the more likely it is memorized. The scale is the detector's
    /// own.</summary>
    /// <param name="samples">Finished samples, (batch, SampleShape…), floating point, finite, on the model's device;
    /// at least one.</param>
    /// <param name="seed">The seed of all noise. A sample's noise depends on (seed, its index) only, so that the batch
    /// it stands in does not matter.</param>
    /// <param name="firstIndex">The index of the first sample among all of this seed, ≥ 0.</param>
    /// <returns>(batch), float64, on the CPU. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The samples are empty, not finite, of another shape, or of another type or
    /// device than the network's weights.</exception>
    /// <exception cref="ArgumentOutOfRangeException">firstIndex is negative.</exception>
    /// <exception cref="InvalidOperationException">The model cannot run on them, or gave NaN, infinity or a wrong
    /// shape.</exception>
    torch.Tensor Score(torch.Tensor samples, long seed, long firstIndex = 0);
}
