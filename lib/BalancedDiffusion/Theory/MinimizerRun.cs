using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>Where a minimization of the exact loss ended.</summary>
/// <param name="Encoder">W1ᵀ, (p, d), float64; owned by this object.</param>
/// <param name="Decoder">W2ᵀ, or null in a tied model; owned by this object.</param>
/// <param name="Value">The objective there.</param>
/// <param name="GradientNorm">The norm of its gradient there.</param>
/// <param name="Steps">How many steps were taken.</param>
/// <param name="Converged">Whether the gradient met the tolerance; else the run ran out of steps or no step lowered the
/// loss any more.</param>
public sealed record MinimizerRun(
    torch.Tensor Encoder,
    torch.Tensor? Decoder,
    double Value,
    double GradientNorm,
    int Steps,
    bool Converged
) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose()
    {
        Encoder.Dispose();
        Decoder?.Dispose();
    }
}
