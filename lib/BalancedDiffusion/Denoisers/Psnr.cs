using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>Peak signal-to-noise ratio, <c>20 log10(peak) - 10 log10(mean squared error)</c>.</summary>
public static class Psnr
{
    /// <summary>The true peak-to-peak span of data in [-1, 1].</summary>
    public const double Span = 2;

    /// <summary>The peak that the paper's figure uses, although its data span [-1, 1]; 6.02 dB lower.</summary>
    public const double PaperPeak = 1;

    /// <summary>The ratio of each sample.</summary>
    /// <param name="estimate">(batch, …), floating point.</param>
    /// <param name="clean">The same shape.</param>
    /// <param name="peak">The peak, &gt; 0.</param>
    /// <returns>(batch), float64, decibels; +∞ where both agree. The caller owns it.</returns>
    /// <exception cref="ArgumentException">Shapes differ, or a number is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The peak is not positive and finite.</exception>
    public static torch.Tensor Of(torch.Tensor estimate, torch.Tensor clean, double peak = Span)
    {
        ArgumentNullException.ThrowIfNull(clean);
        Guard.Shape(estimate, clean.shape);
        Guard.Positive(peak);
        if (clean.dim() < 2 || clean.shape.Skip(1).Contains(0))
            throw new ArgumentException(
                "clean must have shape (batch, d) or (batch, channels, height, width), was "
                    + $"({string.Join(", ", clean.shape)})",
                nameof(clean)
            );
        Guard.Finite(estimate);
        Guard.Finite(clean);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var error = (estimate.to_type(torch.float64) - clean.to_type(torch.float64)).flatten(1).square().mean([1L]);
        return (error.log10().mul(-10) + 20 * Math.Log10(peak)).MoveToOuterDisposeScope();
    }
}
