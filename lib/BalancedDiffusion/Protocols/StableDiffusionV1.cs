using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Stable Diffusion v1 (Rombach et al. 2022) whole: a text becomes a condition, noise becomes latents under it, latents
/// become an image. Latents here are scaled, so that their standard deviation is about one.
/// <see cref="StableDiffusionCheckpoint"/> reads a published model.
/// </summary>
/// <example><c>using var latents = model.Sample(["a photo of an astronaut riding a horse"], seed: 1); using var images
/// = model.Images(latents);</c></example>
public sealed class StableDiffusionV1 : IDisposable
{
    /// <summary>A model of parts, which it takes over: disposing it disposes them.</summary>
    /// <param name="tokenizer">Texts to tokens.</param>
    /// <param name="textEncoder">Tokens to vectors.</param>
    /// <param name="network">The U-Net that predicts noise in latents.</param>
    /// <param name="autoencoder">Images to latents and back.</param>
    /// <param name="schedule">The noise and the timesteps; null for the published ones.</param>
    /// <exception cref="ArgumentException">The parts do not fit together: they are not of one model.</exception>
    public StableDiffusionV1(
        ClipTokenizer tokenizer,
        ClipTextEncoder textEncoder,
        ConditionalUNet network,
        LatentAutoencoder autoencoder,
        LatentSchedule? schedule = null
    )
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(textEncoder);
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(autoencoder);
        if (Misfit(tokenizer, textEncoder.Options, network.Options, autoencoder.Options) is { } misfit)
            throw new ArgumentException(misfit);
        (Tokenizer, TextEncoder, Network, Autoencoder, Schedule) = (
            tokenizer,
            textEncoder,
            network,
            autoencoder,
            schedule ?? new LatentSchedule()
        );
    }

    /// <summary>Why parts are not of one model, in a sentence that says what to do; null where they may be.</summary>
    internal static string? Misfit(
        ClipTokenizer tokenizer,
        ClipTextOptions text,
        ConditionalUNetOptions network,
        LatentAutoencoderOptions autoencoder
    )
    {
        if (text.Width != network.TextWidth)
            return $"the text encoder gives vectors of width {text.Width}, but the U-Net takes {network.TextWidth}; "
                + "take both from one model";
        if (tokenizer.Vocabulary > text.Vocabulary || tokenizer.Length > text.Positions)
            return $"the tokenizer gives {tokenizer.Vocabulary} tokens, {tokenizer.Length} a text, but the text "
                + $"encoder knows {text.Vocabulary}, {text.Positions} a text; take both from one model";
        if (autoencoder.LatentChannels != network.InChannels || network.InChannels != network.OutChannels)
            return $"the autoencoder's latents have {autoencoder.LatentChannels} channels, but the U-Net takes "
                + $"{network.InChannels} and gives {network.OutChannels}; take both from one model that makes "
                + "images of texts alone";
        return null;
    }

    /// <summary>Texts to tokens.</summary>
    public ClipTokenizer Tokenizer { get; }

    /// <summary>Tokens to vectors.</summary>
    public ClipTextEncoder TextEncoder { get; }

    /// <summary>The U-Net; record and steer its modules by their published names.</summary>
    public ConditionalUNet Network { get; }

    /// <summary>Images to latents and back.</summary>
    public LatentAutoencoder Autoencoder { get; }

    /// <summary>The noise and the timesteps.</summary>
    public LatentSchedule Schedule { get; }

    /// <summary>The embeddings of texts that condition the U-Net.</summary>
    /// <param name="texts">At least one text; a longer one than the tokenizer's length is cut.</param>
    /// <returns>(texts, tokens, width), without a gradient. The caller owns it.</returns>
    /// <exception cref="ArgumentException">There is no text.</exception>
    public torch.Tensor Condition(params IReadOnlyList<string> texts)
    {
        using var noGrad = torch.no_grad();
        using var tokens = Tokenizer.Encode(texts);
        return TextEncoder.call(tokens);
    }

    /// <summary>The denoiser of latents under texts, with classifier-free guidance. It uses this model's network, which
    /// must outlive it.</summary>
    /// <param name="prompts">One text for all samples, or one a sample of every batch.</param>
    /// <param name="guidance">w in <c>f = f_without + w (f_with - f_without)</c>, finite: 1 is the text alone, without
    /// a second run of the network; 7.5 (default) is Stable Diffusion's.</param>
    /// <param name="without">The text that guidance leads away from; the empty one by default.</param>
    /// <param name="height">Height of the latents, an eighth of the image's; null for that of the training.</param>
    /// <param name="width">Width of the latents; null for that of the training.</param>
    /// <exception cref="ArgumentException">There is no text.</exception>
    /// <exception cref="ArgumentOutOfRangeException">guidance is not finite, or the size is below 1.</exception>
    public IDenoiser Denoiser(
        IReadOnlyList<string> prompts,
        double guidance = 7.5,
        string without = "",
        long? height = null,
        long? width = null
    )
    {
        LatentDenoiser Under(params IReadOnlyList<string> texts)
        {
            using var condition = Condition(texts);
            return new LatentDenoiser(Network, condition, Schedule.Noise, height, width);
        }
        var conditional = Under(prompts);
        return guidance == 1 ? conditional : new GuidedDenoiser(conditional, Under(without), guidance);
    }

    /// <summary>Latents drawn under texts, one a text. Sample i is the same whatever others are drawn with
    /// it.</summary>
    /// <param name="prompts">At least one text.</param>
    /// <param name="steps">How many steps, ≥ 1.</param>
    /// <param name="seed">The seed of the starts and of injected noise.</param>
    /// <param name="guidance">w, as for <see cref="Denoiser"/>.</param>
    /// <param name="without">The text that guidance leads away from.</param>
    /// <param name="sampler">The sampler; null for DDIM.</param>
    /// <param name="options">Record, progress, cancellation, first index; its seed is replaced. Null for the
    /// defaults.</param>
    /// <returns>(texts, channels, size, size), float32, on the network's device. The caller owns them.</returns>
    /// <exception cref="ArgumentException">There is no text.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public torch.Tensor Sample(
        IReadOnlyList<string> prompts,
        int steps = 50,
        long seed = 0,
        double guidance = 7.5,
        string without = "",
        ISampler? sampler = null,
        SamplingOptions? options = null
    )
    {
        var levels = Schedule.Levels(steps);
        var denoiser = Denoiser(prompts, guidance, without);
        options = (options ?? new SamplingOptions()) with { Seed = seed, Device = Network.Device };
        using var scope = torch.NewDisposeScope();
        // z starts as N(0, I), which makes y = z sqrt(1 + sigma²).
        var start = SamplerExtensions.Starts(
            denoiser.SampleShape,
            prompts.Count,
            1 / VariancePreserving.SignalScale(levels[0]),
            seed,
            Network.Device,
            options.FirstIndex
        );
        return VariancePreserving
            .FromExploding((sampler ?? new DdimSampler()).Sample(denoiser, start, levels, options), levels[^1])
            .MoveToOuterDisposeScope();
    }

    /// <summary>Images of latents, large ones one after another and small ones a few at a time, so that the memory for
    /// many is that for one of 512×512.</summary>
    /// <param name="latents">(batch, channels, height, width), scaled, of any floating-point type and on any
    /// device.</param>
    /// <returns>(batch, 3, 8 height, 8 width) in [-1, 1], float32, on the latents' device. The caller owns
    /// them.</returns>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public torch.Tensor Images(torch.Tensor latents)
    {
        ArgumentNullException.ThrowIfNull(latents);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var unscaled = (latents / Autoencoder.Options.ScalingFactor).to(Autoencoder.Device).to_type(Autoencoder.Type);
        return torch
            .cat(
                [
                    .. unscaled
                        .split(Together(unscaled, Autoencoder.Options.Reduction))
                        .Select(some =>
                            Autoencoder.Decode(some).to(latents.device).to_type(torch.float32).clamp(-1, 1)
                        ),
                ],
                0
            )
            .MoveToOuterDisposeScope();
    }

    /// <summary>The mean latents of images, likewise.</summary>
    /// <param name="images">(batch, 3, height, width) in [-1, 1], of any floating-point type and on any device; height
    /// and width divisible by 8.</param>
    /// <returns>(batch, channels, height/8, width/8), scaled, float32, on the images' device. The caller owns
    /// them.</returns>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public torch.Tensor Latents(torch.Tensor images)
    {
        ArgumentNullException.ThrowIfNull(images);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var means = images
            .split(Together(images, 1))
            .Select(some =>
                Autoencoder
                    .Encode(some.to(Autoencoder.Device).to_type(Autoencoder.Type))
                    .Mean.to(images.device)
                    .to_type(torch.float32)
            );
        return torch.cat([.. means], 0).mul(Autoencoder.Options.ScalingFactor).MoveToOuterDisposeScope();
    }

    // As many as have a quarter of the pixels of one published image, at most 32.
    private static long Together(torch.Tensor images, long reduction) =>
        images.dim() < 2
            ? 1
            : Math.Clamp(
                512 * 512 / 4 / Math.Max(1, images.shape[^1] * images.shape[^2] * reduction * reduction),
                1,
                32
            );

    /// <summary>Disposes the parts.</summary>
    public void Dispose()
    {
        TextEncoder.Dispose();
        Network.Dispose();
        Autoencoder.Dispose();
    }
}
