using TorchSharp;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// Classifier-free guidance (Ho and Salimans 2022) over two denoisers: <c>f = f_uncond + w (f_cond - f_uncond)</c>. By
/// this convention w = 0 ignores the condition, w = 1 is the conditional denoiser, w &gt; 1 goes beyond it, as Stable
/// Diffusion's 7.5 does; the original paper's weight is w - 1. In scores, noise predictions and clean estimates it is
/// the same mixture, because they are affine in each other.
/// <para>It asks any two denoisers, one after the other. <see cref="Networks.Dit.Guided"/> takes the same mixture of
/// the two halves of one batch, because hooks must see both halves in one run and the published samples guide three
/// channels of the predicted noise only.</para>
/// </summary>
public sealed class GuidedDenoiser : IDenoiser
{
    private readonly IDenoiser conditional,
        unconditional;

    /// <summary>A guided denoiser over two, which stay their owner's.</summary>
    /// <param name="conditional">f_cond.</param>
    /// <param name="unconditional">f_uncond, of the same sample shape.</param>
    /// <param name="weight">w, finite; 7.5 is Stable Diffusion's.</param>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight is not finite.</exception>
    public GuidedDenoiser(IDenoiser conditional, IDenoiser unconditional, double weight)
    {
        ArgumentNullException.ThrowIfNull(conditional);
        ArgumentNullException.ThrowIfNull(unconditional);
        CheckWeight(weight);
        if (!conditional.SampleShape.SequenceEqual(unconditional.SampleShape))
            throw new ArgumentException(
                "the two denoisers must have one sample shape, were "
                    + $"({string.Join(", ", conditional.SampleShape)}) and "
                    + $"({string.Join(", ", unconditional.SampleShape)})",
                nameof(unconditional)
            );
        (this.conditional, this.unconditional, Weight) = (conditional, unconditional, weight);
    }

    /// <summary>w.</summary>
    public double Weight { get; }

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => conditional.SampleShape;

    /// <inheritdoc/>
    /// <remarks>Asks one denoiser alone where the weight is 0 or 1.</remarks>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        if (Weight == 1)
            return conditional.Denoise(noisy, sigma);
        if (Weight == 0)
            return unconditional.Denoise(noisy, sigma);
        using var scope = torch.NewDisposeScope();
        var without = unconditional.Denoise(noisy, sigma);
        return Mixture(without, conditional.Denoise(noisy, sigma), Weight).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <remarks>Asks one denoiser alone where the weight is 0 or 1.</remarks>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        if (Weight == 1)
            return conditional.DenoiseAt(noisy, sigma);
        if (Weight == 0)
            return unconditional.DenoiseAt(noisy, sigma);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var without = unconditional.DenoiseAt(noisy, sigma);
        return Mixture(without, conditional.DenoiseAt(noisy, sigma), Weight).MoveToOuterDisposeScope();
    }

    /// <summary>The mixture of two answers, <c>without + w (with - without)</c>.</summary>
    internal static torch.Tensor Mixture(torch.Tensor without, torch.Tensor with, double weight) =>
        torch.lerp(without, with, weight);

    /// <summary>The weight must be finite.</summary>
    internal static void CheckWeight(double weight)
    {
        if (!double.IsFinite(weight))
            throw new ArgumentOutOfRangeException(nameof(weight), $"weight must be finite, was {weight}");
    }
}
