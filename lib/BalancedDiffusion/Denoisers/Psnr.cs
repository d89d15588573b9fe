using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>Peak signal-to-noise ratio of an estimate.</summary>
public static class Psnr
{
    /// <summary><c>10 log10(peak² / mean squared error)</c> in dB; +∞ for a perfect estimate.</summary>
    /// <param name="estimate">The estimate, any shape.</param>
    /// <param name="clean">The truth, of the same shape.</param>
    /// <param name="peak">The peak, &gt; 0. The paper takes 1 although its data span [-1, 1], for which the convention is 2 (6.02 dB more); 1 is the default so that
    /// numbers compare with the paper's.</param>
    /// <exception cref="ArgumentException">The shapes differ or are empty, or a number is not finite.</exception>
    public static double Of(torch.Tensor estimate, torch.Tensor clean, double peak = 1)
    {
        ArgumentNullException.ThrowIfNull(clean);
        Guard.Shape(estimate, clean.shape);
        Guard.Positive(peak);
        if (clean.numel() == 0) throw new ArgumentException("clean must hold at least one number, was empty", nameof(clean));
        Guard.Finite(estimate);
        Guard.Finite(clean);
        using var scope = torch.NewDisposeScope();
        var error = (estimate.detach() - clean.detach()).square().to_type(torch.float64).mean().item<double>();
        return 10 * Math.Log10(peak * peak / error);
    }
}
