using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>A model of classes seen as the denoiser of given ones, so that samplers, detectors and guidance need to
/// know nothing of classes. Its weights stay the model's. See <see cref="Networks.EdmPreconditioner.WithLabels"/> and
/// <see cref="Networks.DitDenoiser.WithLabels"/>.</summary>
public sealed class LabelledDenoiser : IDenoiser
{
    private readonly IDenoiser model;
    private readonly Func<torch.Tensor, torch.Tensor, torch.Tensor> denoise;
    private readonly Func<torch.Tensor, double, torch.Tensor> denoiseAt;

    /// <summary>A model that is asked under its labels.</summary>
    /// <param name="model">The model without labels.</param>
    /// <param name="count">How many labels there are.</param>
    /// <param name="denoise">What the model answers to noisy samples and their levels under the labels.</param>
    /// <param name="denoiseAt">The same at one level for all, without recording a gradient.</param>
    internal LabelledDenoiser(
        IDenoiser model,
        long count,
        Func<torch.Tensor, torch.Tensor, torch.Tensor> denoise,
        Func<torch.Tensor, double, torch.Tensor> denoiseAt
    ) => (this.model, Count, this.denoise, this.denoiseAt) = (model, count, denoise, denoiseAt);

    /// <summary>How many labels there are: 1 where one serves every sample, else the size that a batch must
    /// have.</summary>
    public long Count { get; }

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => model.SampleShape;

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for the model; also where the batch has another size than there are
    /// labels.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        return denoise(noisy, sigma).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="Denoise"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        using var scope = torch.NewDisposeScope();
        return denoiseAt(noisy, sigma).MoveToOuterDisposeScope();
    }

    /// <summary>The module of the model.</summary>
    public torch.nn.Module? Module => model.Module;
}
