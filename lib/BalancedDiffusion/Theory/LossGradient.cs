using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>A loss and its gradient at one point.</summary>
/// <param name="Value">The loss, penalty included.</param>
/// <param name="Encoder">The derivative by the encoder (in a tied model by the one parameter), (p, d), float64; owned
/// by this object.</param>
/// <param name="Decoder">The derivative by the decoder, (p, d), float64, or null in a tied model; owned by this
/// object.</param>
public sealed record LossGradient(double Value, torch.Tensor Encoder, torch.Tensor? Decoder) : IDisposable
{
    /// <summary>The Euclidean norm of the whole gradient.</summary>
    public double Norm
    {
        get
        {
            using var scope = torch.NewDisposeScope();
            var square = Encoder.square().sum().item<double>();
            if (Decoder is not null)
                square += Decoder.square().sum().item<double>();
            return Math.Sqrt(square);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Encoder.Dispose();
        Decoder?.Dispose();
    }
}
