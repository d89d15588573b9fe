using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>A ReLU-DAE's gradient by <see cref="ProjectedStep"/>.</summary>
/// <param name="formulas">The formulas, which this object owns from now on.</param>
/// <param name="batches">The batches.</param>
internal sealed class ProjectedGradient(ProjectedStep formulas, NoisyBatches batches) : IBatchGradient
{
    private readonly torch.Tensor squares = batches.SquaredNorms().DetachFromDisposeScope();

    /// <inheritdoc/>
    public (torch.Tensor Loss, IReadOnlyList<torch.Tensor?> Gradients) Find(long step)
    {
        using var noGrad = torch.no_grad();
        var sigma = batches.DrawProjected(step, formulas.Clean, formulas.Normals);
        return (formulas.Compute(batches.Pick(squares), sigma), formulas.Gradients);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        squares.Dispose();
        formulas.Dispose();
    }
}
