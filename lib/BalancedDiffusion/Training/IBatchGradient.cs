using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>Draws the batch of a step, and finds loss and gradients of a model.</summary>
internal interface IBatchGradient : IDisposable
{
    /// <summary>Loss and gradients of one step; call it in the step's dispose scope.</summary>
    /// <param name="step">How many updates were made before.</param>
    /// <returns>The loss, a scalar, and one gradient a parameter, or null for none; valid until the next
    /// call.</returns>
    (torch.Tensor Loss, IReadOnlyList<torch.Tensor?> Gradients) Find(long step);
}
