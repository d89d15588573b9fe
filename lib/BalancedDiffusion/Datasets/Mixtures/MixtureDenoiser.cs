using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Datasets.Mixtures;

/// <summary>The posterior mean under a mixture of Gaussians, f_gt of the paper, as a denoiser.</summary>
public sealed class MixtureDenoiser : IDenoiser
{
    private readonly GaussianMixture mixture;

    /// <summary>A denoiser for this distribution, which stays its owner's.</summary>
    public MixtureDenoiser(GaussianMixture mixture)
    {
        ArgumentNullException.ThrowIfNull(mixture);
        this.mixture = mixture;
    }

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => [mixture.Dimension];

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A shape or a type is wrong, or noisy holds NaN or infinity.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A noise level is not positive and finite.</exception>
    /// <remarks>Computed in float64 on the CPU; records no gradient. The result has the type and place of
    /// <paramref name="noisy"/>.</remarks>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => Denoise(noisy, NoiseLevels.Of(sigma));

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="Denoise(torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        return Denoise(noisy, NoiseLevels.Of(sigma));
    }

    private torch.Tensor Denoise(torch.Tensor noisy, NoiseLevels sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = DenoiserInput.Rows(noisy, SampleShape, noisy.device);
        var levels = NoiseLevels.Column(sigma.Values(noisy), rows.shape[0], torch.CPU);
        return mixture
            .PosteriorMean(rows, levels.square())
            .to(noisy.device)
            .to_type(noisy.dtype)
            .alias()
            .MoveToOuterDisposeScope();
    }
}
