using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>Applies a <see cref="Pooling"/>.</summary>
public static class PoolingExtensions
{
    /// <summary>A pooling that is named must exist.</summary>
    internal static void Check(Pooling? pooling)
    {
        if (pooling is { } named && !Enum.IsDefined(named))
            throw Unknown(named);
    }

    private static ArgumentOutOfRangeException Unknown(Pooling pooling) =>
        new(nameof(pooling), $"pooling must be None, SpatialMax, SpatialMean, TokenMean or Flatten, was {pooling}");

    /// <summary>Pools an activation.</summary>
    /// <param name="pooling">How.</param>
    /// <param name="activation">An activation of the shape that the pooling takes.</param>
    /// <returns>A new tensor that shares no memory with the activation. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The activation has another shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such pooling.</exception>
    public static torch.Tensor Apply(this Pooling pooling, torch.Tensor activation)
    {
        ArgumentNullException.ThrowIfNull(activation);
        torch.Tensor Pooled(int dimensions, string names, Func<torch.Tensor, torch.Tensor> pool)
        {
            if (activation.dim() != dimensions || activation.shape.Skip(2).Contains(0))
                throw new ArgumentException(
                    $"activation must have shape {names} for {pooling}, was "
                        + $"({string.Join(", ", activation.shape)}); choose another pooling",
                    nameof(activation)
                );
            return pool(activation);
        }
        using var scope = torch.NewDisposeScope();
        var pooled = pooling switch
        {
            Pooling.None => activation.clone(),
            Pooling.SpatialMax => Pooled(4, "(batch, channels, height, width)", a => a.amax([2L, 3L])),
            Pooling.SpatialMean => Pooled(4, "(batch, channels, height, width)", a => a.mean([2L, 3L])),
            Pooling.TokenMean => Pooled(3, "(batch, tokens, units)", a => a.mean([1L])),
            Pooling.Flatten when activation.dim() == 0 => throw new ArgumentException(
                "activation must have shape (batch, …) for Flatten, was (); choose another pooling",
                nameof(activation)
            ),
            Pooling.Flatten => activation
                .clone()
                .reshape(activation.shape[0], activation.shape.Skip(1).Aggregate(1L, (product, n) => product * n)),
            _ => throw Unknown(pooling),
        };
        return pooled.MoveToOuterDisposeScope();
    }
}
