using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>What all measures ask of their feature vectors.</summary>
internal static class FeatureInput
{
    /// <summary>Checks two sets and brings them to float64 on the CPU; the results belong to the open scope.</summary>
    public static (torch.Tensor First, torch.Tensor Second) Pair(
        torch.Tensor first,
        torch.Tensor second,
        long least,
        string firstName,
        string secondName
    )
    {
        var pair = (One(first, least, firstName), One(second, least, secondName));
        if (first.shape[1] != second.shape[1])
            throw new ArgumentException(
                $"{firstName} has {first.shape[1]} features a sample, {secondName} {second.shape[1]}; take both from "
                    + "one network",
                secondName
            );
        return pair;
    }

    private static torch.Tensor One(torch.Tensor features, long least, string name)
    {
        ArgumentNullException.ThrowIfNull(features, name);
        if (features.dim() != 2 || features.shape[1] == 0)
            throw new ArgumentException(
                $"{name} must have shape (n, d), was {Listing.Shape(features.shape)}; give one feature vector a sample",
                name
            );
        if (features.shape[0] < least)
            throw new ArgumentException(
                $"{name} must hold at least {least} samples, was {features.shape[0]}; draw more",
                name
            );
        if (!features.is_floating_point())
            throw new ArgumentException(
                $"{name} must hold floating-point numbers, was {features.dtype}; convert them first",
                name
            );
        Guard.Finite(features, name);
        return features.detach().to_type(torch.float64).cpu();
    }
}
