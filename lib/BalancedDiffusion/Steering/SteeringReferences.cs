using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Steering;

/// <summary>How the representations of reference images are taken: noised to which levels, pooled how.</summary>
public sealed record SteeringReferences
{
    /// <summary>The noise levels that the references are noised to, at least one, each &gt; 0; the representations are
    /// averaged over them.</summary>
    public IReadOnlyList<double> Sigmas
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value);
            if (value.Count == 0)
                throw new ArgumentException("Sigmas must hold at least one noise level, was empty", nameof(Sigmas));
            foreach (var sigma in value)
                Guard.Sigma(sigma, nameof(Sigmas));
            field = [.. value];
        }
    } = [0.2];

    /// <summary>How often each reference is noised at each level, ≥ 1.</summary>
    public int Draws
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Draws));
            field = value;
        }
    } = 1;

    /// <summary>The seed of that noise. Reference i has a stream of its own, so that the batch it stands in does not
    /// matter.</summary>
    public long Seed { get; init; }

    /// <summary>How an activation becomes one vector. Null, the default: the mean over places (U-Net) or tokens (DiT),
    /// so that one vector is added everywhere; a representation (batch, units) as it is. With
    /// <see cref="Representations.Pooling.Flatten"/> every place has a vector of its own.</summary>
    public Pooling? Pooling
    {
        get;
        init
        {
            PoolingExtensions.Check(value);
            field = value;
        }
    }

    /// <summary>How many references run at once, ≥ 1.</summary>
    public int BatchSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(BatchSize));
            field = value;
        }
    } = 128;

    /// <summary>The network whose modules are read; null where the denoiser is that network itself.</summary>
    public torch.nn.Module? Network { get; init; }

    /// <summary>Stops between two batches.</summary>
    public CancellationToken Cancellation { get; init; }
}
