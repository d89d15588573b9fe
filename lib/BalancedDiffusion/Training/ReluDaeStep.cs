using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// Loss and gradient of a <see cref="ReluDae"/> by hand, in buffers that are allocated once: no graph, and nothing of
/// the size of a batch is allocated in a step. With rows as samples, encoder rows <c>W</c> and decoder rows <c>V</c>
/// (p, d): <c>A = Y Wᵀ, H = relu(A), E = H V - X, loss = mean(E²)</c>, and with <c>c = 2/(batch · d)</c> the
/// gradients are <c>dV = c Hᵀ E</c> and <c>dW = c Kᵀ Y</c>, <c>K = (E Vᵀ) ∘ 1[A &gt; 0]</c>; a tied model has
/// their sum, which is one product <c>c [H; K]ᵀ [E; Y]</c> of stacked matrices.
/// </summary>
public sealed class ReluDaeStep : IDisposable
{
    private readonly OwnedTensors owned = new();
    private readonly torch.Tensor encoder,
        encoderT,
        decoder,
        decoderT;
    private readonly torch.Tensor stackedHidden,
        stackedRows,
        hidden,
        hiddenDelta,
        mask,
        error,
        errorFlat,
        stackedHiddenT,
        hiddenT,
        hiddenDeltaT;
    private readonly double entries;
    private readonly bool tied,
        isPlain;

    /// <summary>Buffers for one batch size.</summary>
    /// <param name="model">The model; its weights are read live, so that an update in place is seen by the next
    /// step.</param>
    /// <param name="batchSize">Samples a step, ≥ 1.</param>
    public ReluDaeStep(ReluDae model, long batchSize)
    {
        ArgumentNullException.ThrowIfNull(model);
        Guard.AtLeast(batchSize, 1);
        long d = model.Dimension,
            p = model.Units;
        tied = model.IsTied;
        entries = (double)batchSize * d;
        using var noGrad = torch.no_grad();
        torch.Tensor Own(torch.Tensor t) => owned.Add(t);
        torch.Tensor Empty(long rows, long columns) =>
            Own(torch.zeros([rows, columns], dtype: model.Encoder.dtype, device: model.Encoder.device));
        encoder = Own(model.Encoder.detach());
        encoderT = Own(encoder.t());
        decoder = Own(model.Decoder.detach());
        decoderT = Own(decoder.t());
        stackedHidden = Empty(2 * batchSize, p);
        stackedRows = Empty(2 * batchSize, d);
        hidden = Own(stackedHidden.narrow(0, 0, batchSize));
        hiddenDelta = Own(stackedHidden.narrow(0, batchSize, batchSize));
        error = Own(stackedRows.narrow(0, 0, batchSize));
        errorFlat = Own(error.view(-1));
        Noisy = Own(stackedRows.narrow(0, batchSize, batchSize));
        isPlain = hidden.IsPlain() && error.IsPlain();
        mask = Empty(batchSize, p);
        stackedHiddenT = Own(stackedHidden.t());
        hiddenT = Own(hidden.t());
        hiddenDeltaT = Own(hiddenDelta.t());
        Gradients = tied ? [Empty(p, d)] : [Empty(p, d), Empty(p, d)];
    }

    /// <summary>The buffer (batch, d) that the caller fills with noisy samples before <see cref="Compute"/>.</summary>
    public torch.Tensor Noisy { get; }

    /// <summary>The gradients of the mean squared error after <see cref="Compute"/>: of the encoder, and of the decoder
    /// where it is separate; each (p, d). They belong to this object and are overwritten by the next step.</summary>
    public IReadOnlyList<torch.Tensor> Gradients { get; }

    /// <summary>Computes loss and gradients for the samples in <see cref="Noisy"/>.</summary>
    /// <param name="clean">The clean samples, (batch, d).</param>
    /// <returns>The mean squared error over all entries, a scalar tensor that the caller owns.</returns>
    public torch.Tensor Compute(torch.Tensor clean)
    {
        Guard.Shape(clean, Noisy.shape);
        using var noGrad = torch.no_grad();
        hidden.addmm_(Noisy, encoderT, beta: 0, alpha: 1).relu_();
        error.addmm_(hidden, decoder, beta: 0, alpha: 1);
        // Scaled here, the error scales all that follows from it.
        var loss = Subtract(clean, 2 / entries);
        hiddenDelta.addmm_(error, decoderT, beta: 0, alpha: 1);
        Gate();
        if (tied)
        {
            Gradients[0].addmm_(stackedHiddenT, stackedRows, beta: 0, alpha: 1);
        }
        else
        {
            Gradients[0].addmm_(hiddenDeltaT, Noisy, beta: 0, alpha: 1);
            Gradients[1].addmm_(hiddenT, error, beta: 0, alpha: 1);
        }
        return loss;
    }

    private torch.Tensor Subtract(torch.Tensor clean, double scale)
    {
        if (isPlain && clean.IsPlain() && clean.dtype == error.dtype)
        {
            var row = (int)error.shape[1];
            var total =
                error.dtype == torch.float32
                    ? FusedBackward.Error(error.Numbers<float>(), clean.Numbers<float>(), row, (float)scale)
                    : FusedBackward.Error(error.Numbers<double>(), clean.Numbers<double>(), row, scale);
            return torch.tensor(total / entries, dtype: error.dtype);
        }
        error.sub_(clean);
        var loss = errorFlat.dot(errorFlat).div_(entries);
        error.mul_(scale);
        return loss;
    }

    private void Gate()
    {
        if (!isPlain)
            hiddenDelta.mul_(mask.copy_(hidden).sign_());
        else if (hidden.dtype == torch.float32)
            FusedBackward.Gate(hiddenDelta.Numbers<float>(), hidden.Numbers<float>());
        else
            FusedBackward.Gate(hiddenDelta.Numbers<double>(), hidden.Numbers<double>());
    }

    /// <inheritdoc/>
    public void Dispose() => owned.Dispose();
}
