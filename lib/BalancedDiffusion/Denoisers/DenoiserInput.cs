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

    /// <summary>Labels must be one whole number a sample, each of a class that exists.</summary>
    public static void Labels(torch.Tensor labels, long batch, long known)
    {
        Guard.Shape(labels, [batch]);
        if (labels.dtype != torch.int64)
            throw new ArgumentException(
                $"labels must be Int64, was {labels.dtype}; convert it with labels.to_type",
                nameof(labels)
            );
        if (batch == 0)
            return;
        using var scope = torch.NewDisposeScope();
        long least = labels.min().item<long>(),
            most = labels.max().item<long>();
        if (least < 0 || most >= known)
            throw new ArgumentOutOfRangeException(
                nameof(labels),
                $"a class must be 0 to {known - 1}, was {(least < 0 ? least : most)}"
            );
    }
}
