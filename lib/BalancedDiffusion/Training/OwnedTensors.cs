using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>Tensors that live as long as the object that made them, whatever dispose scope they were made in.</summary>
internal sealed class OwnedTensors : IDisposable
{
    private readonly List<torch.Tensor> tensors = [];

    /// <summary>Takes a tensor over, and returns it.</summary>
    public torch.Tensor Add(torch.Tensor tensor)
    {
        tensors.Add(tensor.DetachFromDisposeScope());
        return tensor;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in tensors)
            tensor.Dispose();
        tensors.Clear();
    }
}
