using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// The autoencoder of Stable Diffusion v1 (Rombach et al. 2022): images in [-1, 1] to the distribution of their
/// latents, an eighth as high and wide, and latents back to images, under the names of diffusers: <c>encoder</c>,
/// <c>quant_conv</c>, <c>post_quant_conv</c>, <c>decoder</c>. Checkpoints may call the parts of its attention <c>to_q,
/// to_k, to_v, to_out.0</c> or, as older ones do, <c>query, key, value, proj_attn</c>. Its latents are unscaled;
/// diffusion runs on them times <see cref="LatentAutoencoderOptions.ScalingFactor"/>.
/// </summary>
public sealed class LatentAutoencoder : torch.nn.Module
{
    private static readonly (string Older, string Newer)[] Renamed =
    [
        (".query.", ".to_q."),
        (".key.", ".to_k."),
        (".value.", ".to_v."),
        (".proj_attn.", ".to_out.0."),
    ];
    private readonly LatentAutoencoderHalf encoder,
        decoder;
    private readonly LatentConvolution quant_conv,
        post_quant_conv;

    /// <summary>A network of random weights, for tests, timings and a notebook without the published ones. Its numbers
    /// mean nothing.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public LatentAutoencoder(LatentAutoencoderOptions options, long seed)
        : this(options, WeightSources.Drawn(seed)) { }

    /// <summary>A network of the tensors of a checkpoint. Those of the type and on the device wanted are shared, not
    /// copied.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="tensors">Tensors by published name, older or newer, exactly those of the network.</param>
    /// <param name="type">float32 on the CPU; float16 or bfloat16 for CUDA; float64 for tests.</param>
    /// <param name="device">Where it lies, the CPU where null.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    /// <exception cref="InvalidDataException">The message lists every missing, unexpected and mis-shaped
    /// tensor.</exception>
    public LatentAutoencoder(
        LatentAutoencoderOptions options,
        IReadOnlyDictionary<string, torch.Tensor> tensors,
        torch.ScalarType type = torch.ScalarType.Float32,
        torch.Device? device = null
    )
        : this(
            options,
            WeightSources.From(
                InNewerWords(tensors),
                "a Stable Diffusion autoencoder",
                weights => new LatentAutoencoder(options, weights),
                type,
                device
            )
        ) { }

    internal LatentAutoencoder(LatentAutoencoderOptions options, WeightSource weights)
        : base(nameof(LatentAutoencoder))
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        Options = options;
        using var scope = torch.NewDisposeScope();
        encoder = new LatentAutoencoderHalf(options, weights, "encoder", encodes: true);
        decoder = new LatentAutoencoderHalf(options, weights, "decoder", encodes: false);
        quant_conv = new LatentConvolution(
            weights,
            "quant_conv",
            2 * options.LatentChannels,
            2 * options.LatentChannels,
            1
        );
        post_quant_conv = new LatentConvolution(
            weights,
            "post_quant_conv",
            options.LatentChannels,
            options.LatentChannels,
            1
        );
        RegisterComponents();
        WeightSources.Keep(this);
    }

    /// <summary>The sizes.</summary>
    public LatentAutoencoderOptions Options { get; }

    /// <summary>The type of the weights.</summary>
    public torch.ScalarType Type => parameters().First().dtype;

    /// <summary>Where the weights lie.</summary>
    public torch.Device Device => parameters().First().device;

    /// <summary>The distribution of the latents of images.</summary>
    /// <param name="images">(batch, Channels, height, width) in [-1, 1], of the weights' type and on their device;
    /// height and width are multiples of <see cref="LatentAutoencoderOptions.Reduction"/>.</param>
    /// <returns>Mean and log-variance, each (batch, LatentChannels, height/Reduction, width/Reduction), unscaled. The
    /// caller owns them.</returns>
    /// <exception cref="ArgumentException">A shape, a type or a device does not fit.</exception>
    public DiagonalGaussian Encode(torch.Tensor images)
    {
        Check(images, Options.Channels);
        var reduction = Options.Reduction;
        if (
            images.shape[2] < 1
            || images.shape[3] < 1
            || images.shape[2] % reduction != 0
            || images.shape[3] % reduction != 0
        )
            throw new ArgumentException(
                $"images must have a height and width divisible by {reduction}, were {images.shape[2]} by "
                    + $"{images.shape[3]}; crop or resize them",
                nameof(images)
            );
        using var scope = torch.NewDisposeScope();
        var moments = quant_conv.call(encoder.call(images)).chunk(2, 1);
        return new DiagonalGaussian(
            moments[0].contiguous().MoveToOuterDisposeScope(),
            moments[1].clamp(-30, 20).MoveToOuterDisposeScope()
        );
    }

    /// <summary>Images of latents.</summary>
    /// <param name="latents">(batch, LatentChannels, height, width), unscaled, of the weights' type and on their
    /// device.</param>
    /// <returns>(batch, Channels, height · Reduction, width · Reduction), about in [-1, 1]. The caller owns
    /// it.</returns>
    /// <exception cref="ArgumentException">A shape, a type or a device does not fit.</exception>
    public torch.Tensor Decode(torch.Tensor latents)
    {
        Check(latents, Options.LatentChannels);
        if (latents.shape[2] < 1 || latents.shape[3] < 1)
            throw new ArgumentException(
                $"latents must have at least one place, were {latents.shape[2]} by {latents.shape[3]}",
                nameof(latents)
            );
        using var scope = torch.NewDisposeScope();
        return decoder.call(post_quant_conv.call(latents)).MoveToOuterDisposeScope();
    }

    private void Check(
        torch.Tensor input,
        long channels,
        [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(input))] string? name = null
    )
    {
        Guard.Shape(input, [-1, channels, -1, -1], name);
        if (input.dtype != Type)
            throw new ArgumentException(
                $"{name} must be {Type} like the network's weights, were {input.dtype}; convert them with "
                    + $"{name}.to_type",
                name
            );
        if (input.device_type != Device.type)
            throw new ArgumentException(
                $"{name} lie on {input.device}, the network on {Device}; move one of them",
                name
            );
    }

    /// <summary>The name here of a tensor that a checkpoint may call by an older one.</summary>
    internal static string InNewerWords(string name) =>
        name.Contains(".mid_block.attentions.", StringComparison.Ordinal)
            ? Renamed.Aggregate(name, (n, words) => n.Replace(words.Older, words.Newer, StringComparison.Ordinal))
            : name;

    private static Dictionary<string, torch.Tensor> InNewerWords(IReadOnlyDictionary<string, torch.Tensor> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var renamed = new Dictionary<string, torch.Tensor>();
        foreach (var (name, tensor) in tensors)
        {
            var newer = InNewerWords(name);
            if (!renamed.TryAdd(newer, tensor))
                throw new InvalidDataException(
                    $"the tensors are not those of a Stable Diffusion autoencoder of these sizes: '{newer}' "
                        + "comes twice, by an older and a newer name"
                );
        }
        return renamed;
    }
}
