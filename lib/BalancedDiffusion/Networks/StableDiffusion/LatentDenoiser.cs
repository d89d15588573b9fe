using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// A <see cref="ConditionalUNet"/> that is told texts, as a denoiser of latents <c>y = x + sigma eps</c>: <c>f = y -
/// sigma eps(y/sqrt(1 + sigma²); t(sigma), text)</c>. Two of them, one of the empty text, make a
/// <see cref="GuidedDenoiser"/>. It is recorded and steered under the names of its network.
/// </summary>
public sealed class LatentDenoiser : IDenoiser
{
    private readonly ScaledLinearSchedule schedule;
    private readonly float[] text;
    private readonly long rows,
        length;

    /// <summary>A denoiser over a network, which stays its owner's.</summary>
    /// <param name="network">The network.</param>
    /// <param name="text">What the text encoder makes of the texts, (1, tokens, TextWidth) for every batch, or one row
    /// a sample of the batches to come; finite. It is copied.</param>
    /// <param name="schedule">What the timesteps stand for; null for the published schedule. A level beyond its ends is
    /// mapped to the timestep at that end.</param>
    /// <param name="height">Height of the latents, ≥ 1; null for that of the training.</param>
    /// <param name="width">Width of the latents, ≥ 1; null for that of the training.</param>
    /// <exception cref="ArgumentException">The text has another width, is no text or is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The size is below 1.</exception>
    public LatentDenoiser(
        ConditionalUNet network,
        torch.Tensor text,
        ScaledLinearSchedule? schedule = null,
        long? height = null,
        long? width = null
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        Guard.Shape(text, [-1, -1, network.Options.TextWidth]);
        if (text.shape[0] == 0 || text.shape[1] == 0)
            throw new ArgumentException(
                $"text must hold at least one row and one token, was ({string.Join(", ", text.shape)}); for "
                    + "no condition encode the empty text",
                nameof(text)
            );
        Guard.Finite(text);
        Guard.AtLeast(height ?? 1, 1, nameof(height));
        Guard.AtLeast(width ?? 1, 1, nameof(width));
        using var scope = torch.NewDisposeScope();
        Network = network;
        this.schedule = schedule ?? new ScaledLinearSchedule();
        this.text = text.detach().cpu().to_type(torch.float32).contiguous().data<float>().ToArray();
        (rows, length) = (text.shape[0], text.shape[1]);
        SampleShape =
        [
            network.Options.InChannels,
            height ?? network.Options.SampleSize,
            width ?? network.Options.SampleSize,
        ];
    }

    /// <summary>The network; record and steer its modules by their published names.</summary>
    public ConditionalUNet Network { get; }

    /// <summary>The network.</summary>
    public torch.nn.Module Module => Network;

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape { get; }

    /// <inheritdoc/>
    /// <remarks>The latents may be of another type than the weights, which then compute in theirs. Records a
    /// gradient.</remarks>
    /// <exception cref="ArgumentException">noisy has another shape, or another number of samples than there are
    /// texts.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A noise level is not positive and finite.</exception>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => Denoise(noisy, NoiseLevels.Of(sigma));

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">As for <see cref="Denoise(torch.Tensor, torch.Tensor)"/>.</exception>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        using var noGrad = torch.no_grad();
        return Denoise(noisy, NoiseLevels.Of(sigma));
    }

    private torch.Tensor Denoise(torch.Tensor noisy, NoiseLevels sigma)
    {
        Guard.Shape(noisy, [-1, .. SampleShape]);
        if (!noisy.is_floating_point())
            throw new ArgumentException(
                $"noisy must hold floating-point numbers, was {noisy.dtype}; convert it first",
                nameof(noisy)
            );
        var batch = noisy.shape[0];
        if (rows != 1 && rows != batch)
            throw new ArgumentException(
                $"noisy must have as many samples as there are texts, {rows}, was {batch}; give one text for "
                    + "all, or batches of that size",
                nameof(noisy)
            );
        using var scope = torch.NewDisposeScope();
        var values = sigma.Values(noisy);
        var levels = NoiseLevels.Column(values, batch, noisy.device).reshape(batch, 1, 1, 1);
        torch.Tensor Like(torch.Tensor coefficient) => coefficient.to_type(noisy.dtype);
        var times = NoiseLevels.Column(Array.ConvertAll(values, schedule.NearestTime), batch, Network.Device).flatten();
        // Copied into torch's own, aligned memory: the last bits of a product can depend on where its numbers lie.
        var context = torch.tensor(text, [rows, length, Network.Options.TextWidth]).repeat(batch / rows, 1, 1);
        var preserved = (noisy * Like(levels.square().add(1).rsqrt())).to(Network.Device).to_type(Network.Type);
        var noise = Network.call(preserved, times, context).to(noisy.device).to_type(noisy.dtype);
        return (noisy - Like(levels) * noise).MoveToOuterDisposeScope();
    }
}
