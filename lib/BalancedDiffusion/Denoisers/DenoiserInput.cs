using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>The checks that denoisers share.</summary>
internal static class DenoiserInput
{
    /// <summary>The batch as rows (batch, d), a view where memory allows.</summary>
    public static torch.Tensor Rows(torch.Tensor noisy, IReadOnlyList<long> sampleShape, torch.Device device)
    {
        Guard.Shape(noisy, [-1, .. sampleShape]);
        if (!noisy.is_floating_point())
            throw new ArgumentException(
                $"noisy must hold floating-point numbers, was {noisy.dtype}; convert it first",
                nameof(noisy)
            );
        if (noisy.device_type != device.type)
            throw new ArgumentException(
                $"noisy lies on {noisy.device}, the denoiser's samples on {device}; move one of them",
                nameof(noisy)
            );
        Guard.Finite(noisy);
        return noisy.detach().reshape(noisy.shape[0], sampleShape.Aggregate(1L, (product, n) => product * n));
    }

    /// <summary>Classes must be one whole number a sample, each of a class that exists.</summary>
    public static void Classes(torch.Tensor classes, long batch, long known)
    {
        Guard.Shape(classes, [batch]);
        if (classes.dtype != torch.int64)
            throw new ArgumentException(
                $"classes must be Int64, was {classes.dtype}; convert it with classes.to_type",
                nameof(classes)
            );
        if (batch == 0)
            return;
        using var scope = torch.NewDisposeScope();
        long least = classes.min().item<long>(),
            most = classes.max().item<long>();
        if (least < 0 || most >= known)
            throw new ArgumentOutOfRangeException(
                nameof(classes),
                $"a class must be 0 to {known - 1}, was {(least < 0 ? least : most)}"
            );
    }
}
