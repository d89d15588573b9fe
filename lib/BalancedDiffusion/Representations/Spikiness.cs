using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>
/// How unevenly a representation spreads over its units: high where a sample is memorized (spiky), low where it is not (balanced).
/// All take representations (batch, units) and give one number a row, (batch), which the caller owns.
/// </summary>
public static class Spikiness
{
    /// <summary>The population standard deviation over the units, the paper's measure. It has the scale of the activations.</summary>
    public static torch.Tensor StandardDeviation(torch.Tensor representation) => Of(representation, h => h.std(1, unbiased: false));

    /// <summary><c>‖h‖₄/‖h‖₂</c>, free of scale: 1 for one active unit, p^(-1/4) for p equal ones, 0 for no activity.</summary>
    public static torch.Tensor FourthOverSecondNorm(torch.Tensor representation) =>
        Of(representation, h => Ratio(h.square().square().sum(1).pow(0.25), h.square().sum(1).sqrt()));

    /// <summary>The participation ratio <c>(Σh²)²/Σh⁴</c>, the number of units that take part: 1 for one unit, p for p equal ones, 0 for no activity.</summary>
    public static torch.Tensor ParticipationRatio(torch.Tensor representation) =>
        Of(representation, h => { var unit = Ratio(h, h.abs().amax([1], keepdim: true)); return Ratio(unit.square().sum(1).square(), unit.square().square().sum(1)); });

    /// <summary>The largest unit's share of the energy, <c>max h²/Σh²</c>: 1 for one active unit, 1/p for p equal ones, 0 for no activity.</summary>
    public static torch.Tensor LargestShare(torch.Tensor representation) =>
        Of(representation, h => Ratio(h.square().amax([1]), h.square().sum(1)));

    private static torch.Tensor Of(torch.Tensor representation, Func<torch.Tensor, torch.Tensor> measure)
    {
        Guard.Shape(representation, [-1, -1]);
        if (representation.shape[1] == 0) throw new ArgumentException("representation must have at least one unit, had none", nameof(representation));
        Guard.Finite(representation);
        using var scope = torch.NewDisposeScope();
        return measure(representation.detach()).MoveToOuterDisposeScope();
    }

    private static torch.Tensor Ratio(torch.Tensor numerator, torch.Tensor denominator) =>
        torch.where(denominator.gt(0), numerator / denominator, torch.zeros_like(numerator));
}
