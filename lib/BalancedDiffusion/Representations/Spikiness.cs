using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>
/// How unevenly a representation spreads over its units. Memorized samples have spiky representations (a few units
/// carry everything), generalized ones balanced ones. Each measure takes pooled representations (batch, units) and
/// gives (batch), float64.
/// </summary>
public static class Spikiness
{
    /// <summary>The population standard deviation over the units, the paper's measure. It mixes size with sparsity: it
    /// is not scale-free.</summary>
    /// <param name="representation">(batch, units), floating point.</param>
    /// <returns>(batch), float64, ≥ 0. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape is wrong, there are no units, or a number is not
    /// finite.</exception>
    public static torch.Tensor StandardDeviation(torch.Tensor representation) =>
        Measure(representation, (h, scale) => h.std(1L, unbiased: false).mul_(scale));

    /// <summary>The ratio of norms <c>‖h‖₄ / ‖h‖₂</c>: 1 for a single active unit, units^(-1/4) for equal
    /// ones; scale-free.</summary>
    /// <param name="representation">(batch, units), floating point.</param>
    /// <returns>(batch), float64, in [units^(-1/4), 1], or 0 where every unit is 0. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape is wrong, there are no units, or a number is not
    /// finite.</exception>
    public static torch.Tensor L4OverL2(torch.Tensor representation) =>
        Measure(
            representation,
            (h, _) =>
            {
                var energy = h.square();
                return OrZero(energy.square().sum(1L).pow(0.25), energy.sum(1L).sqrt());
            }
        );

    /// <summary>The participation ratio <c>(Σh²)² / Σh⁴</c>, the effective number of active units: m for m equal
    /// ones; scale-free.</summary>
    /// <param name="representation">(batch, units), floating point.</param>
    /// <returns>(batch), float64, in [1, units], or 0 where every unit is 0. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape is wrong, there are no units, or a number is not
    /// finite.</exception>
    public static torch.Tensor ParticipationRatio(torch.Tensor representation) =>
        Measure(
            representation,
            (h, _) =>
            {
                var energy = h.square();
                return OrZero(energy.sum(1L).square(), energy.square().sum(1L));
            }
        );

    /// <summary>The largest unit's share of the energy, <c>max h² / Σh²</c>; scale-free.</summary>
    /// <param name="representation">(batch, units), floating point.</param>
    /// <returns>(batch), float64, in [1/units, 1], or 0 where every unit is 0. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape is wrong, there are no units, or a number is not
    /// finite.</exception>
    public static torch.Tensor LargestShare(torch.Tensor representation) =>
        Measure(
            representation,
            (h, _) =>
            {
                var energy = h.square();
                return OrZero(energy.amax([1L]), energy.sum(1L));
            }
        );

    private static torch.Tensor OrZero(torch.Tensor above, torch.Tensor below) =>
        torch.where(below.gt(0), above / below, torch.zeros_like(below));

    /// <summary>A representation must be (batch, units) of finite floating-point numbers.</summary>
    internal static void Check(torch.Tensor representation)
    {
        Guard.Shape(representation, [-1, -1]);
        if (representation.shape[1] == 0)
            throw new ArgumentException(
                $"representation must have at least one unit, was (batch, units) = ({representation.shape[0]}, 0)",
                nameof(representation)
            );
        if (!representation.is_floating_point())
            throw new ArgumentException(
                $"representation must hold floating-point numbers, was {representation.dtype}; convert it first",
                nameof(representation)
            );
        Guard.Finite(representation);
    }

    /// <summary>Rows scaled by their largest unit, so that fourth powers neither overflow nor vanish.</summary>
    private static torch.Tensor Measure(
        torch.Tensor representation,
        Func<torch.Tensor, torch.Tensor, torch.Tensor> measure
    )
    {
        Check(representation);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var h = representation.to_type(torch.float64);
        var scale = h.abs().amax([1L]);
        var divisor = torch.where(scale.gt(0), scale, torch.ones_like(scale));
        return measure(h / divisor.unsqueeze(1), scale).MoveToOuterDisposeScope();
    }
}
