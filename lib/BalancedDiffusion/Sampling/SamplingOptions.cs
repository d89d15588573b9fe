using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Sampling;

/// <summary>The options of all samplers: the seed, where and in what batches, what to record, whom to tell, when to
/// stop.</summary>
public sealed record SamplingOptions
{
    /// <summary>The seed of starts and of injected noise. Sample i uses streams of (Seed, i) only, so that the batch
    /// it stands in does not matter.</summary>
    public long Seed { get; init; }

    /// <summary>The index of the first sample among all of this seed, ≥ 0: 7 starts with sample 7.</summary>
    public long FirstIndex
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(FirstIndex));
            field = value;
        }
    }

    /// <summary>How many samples are integrated at once where starts are drawn too, ≥ 1; starts that are handed over
    /// are one batch.</summary>
    public int BatchSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(BatchSize));
            field = value;
        }
    } = 256;

    /// <summary>The type of starts that are drawn, float32 or float64; the noise is the same in both.</summary>
    public torch.ScalarType Type
    {
        get;
        init
        {
            if (value is not (torch.ScalarType.Float32 or torch.ScalarType.Float64))
                throw new ArgumentException($"Type must be Float32 or Float64, was {value}", nameof(Type));
            field = value;
        }
    } = torch.ScalarType.Float32;

    /// <summary>Where starts that are drawn lie, CPU where null; the noise is drawn on the CPU in any case, so that it
    /// is the same everywhere.</summary>
    public torch.Device? Device { get; init; }

    /// <summary>Receives points and estimates along the way, or null.</summary>
    public Trajectory? Record { get; init; }

    /// <summary>Receives the number of steps done (over all batches where starts are drawn too), or null.</summary>
    public IProgress<int>? Progress { get; init; }

    /// <summary>Stops between two steps.</summary>
    public CancellationToken Cancellation { get; init; }
}
