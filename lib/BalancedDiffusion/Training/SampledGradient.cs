using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>A ReLU-DAE's gradient by <see cref="ReluDaeStep"/>.</summary>
internal sealed class SampledGradient(ReluDae model, NoisyBatches batches) : IBatchGradient
{
    private readonly ReluDaeStep formulas = new(model, batches.Size);

    /// <inheritdoc/>
    public (torch.Tensor Loss, IReadOnlyList<torch.Tensor?> Gradients) Find(long step)
    {
        using var noGrad = torch.no_grad();
        var (clean, _) = batches.Draw(step, formulas.Noisy);
        return (formulas.Compute(clean), formulas.Gradients);
    }

    /// <inheritdoc/>
    public void Dispose() => formulas.Dispose();
}
