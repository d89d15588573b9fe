using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>A class-conditional network seen as the denoiser of given classes, so that samplers and guidance need to
/// know nothing of classes. See <see cref="EdmPreconditioner.WithLabels"/>.</summary>
public sealed class LabelledDenoiser : IDenoiser
{
    private readonly EdmPreconditioner model;
    private readonly double[] rows;

    internal LabelledDenoiser(EdmPreconditioner model, double[] rows) => (this.model, this.rows) = (model, rows);

    /// <summary>How many rows of labels there are: 1 where one serves every sample, else the size that a batch must
    /// have.</summary>
    public long Count => rows.Length / model.Options.LabelDim;

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => model.SampleShape;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="EdmPreconditioner.forward"/>; also where the batch has
    /// another size than there are labels.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        return model.call(noisy, sigma, Labels(noisy)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="Denoise"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        using var scope = torch.NewDisposeScope();
        return model.LabelledAt(noisy, sigma, Labels(noisy)).MoveToOuterDisposeScope();
    }

    /// <summary>The network with the classes' weights.</summary>
    public torch.nn.Module Module => model;

    private torch.Tensor Labels(torch.Tensor noisy)
    {
        ArgumentNullException.ThrowIfNull(noisy);
        return torch.tensor(rows, [Count, model.Options.LabelDim], dtype: noisy.dtype, device: noisy.device);
    }
}
