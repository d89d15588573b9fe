using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>The sizes of a <see cref="LatentAutoencoder"/>; the defaults are those of Stable Diffusion v1. Every value
/// is checked when it is set, and their fit when a network is made of them. Two are equal where all values
/// are.</summary>
public sealed record LatentAutoencoderOptions
{
    private const string What = "the autoencoder of a Stable Diffusion v1";
    private static readonly string[] Required =
    [
        "in_channels",
        "out_channels",
        "block_out_channels",
        "down_block_types",
        "up_block_types",
        "layers_per_block",
        "latent_channels",
    ];

    /// <summary>Height and width of the images that it was trained on, ≥ 1. It takes others too.</summary>
    public long SampleSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(SampleSize));
            field = value;
        }
    } = 512;

    /// <summary>Channels of an image, ≥ 1.</summary>
    public long Channels
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Channels));
            field = value;
        }
    } = 3;

    /// <summary>Channels of the latents, ≥ 1.</summary>
    public long LatentChannels
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(LatentChannels));
            field = value;
        }
    } = 4;

    /// <summary>The channels of every level, at least one level, halving the resolution from one to the next; multiples
    /// of <see cref="Groups"/>.</summary>
    public IReadOnlyList<long> BlockChannels
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(BlockChannels));
            if (value.Count is 0 or > 30)
                throw new ArgumentException(
                    $"BlockChannels must name 1 to 30 levels, named {value.Count}",
                    nameof(BlockChannels)
                );
            foreach (var channels in value)
                Guard.AtLeast(channels, 1, nameof(BlockChannels));
            field = [.. value];
        }
    } = [128, 256, 512, 512];

    /// <summary>Residual blocks a level of the encoder, ≥ 1; one more in the decoder.</summary>
    public long LayersPerBlock
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(LayersPerBlock));
            field = value;
        }
    } = 2;

    /// <summary>The number of groups of the normalizations, ≥ 1.</summary>
    public long Groups
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Groups));
            field = value;
        }
    } = 32;

    /// <summary>What the latents are multiplied by before noise is added, &gt; 0: one over their standard
    /// deviation.</summary>
    public double ScalingFactor
    {
        get;
        init
        {
            Guard.Positive(value, nameof(ScalingFactor));
            field = value;
        }
    } = 0.18215;

    /// <summary>How many times larger an image is than its latents: 8 for Stable Diffusion.</summary>
    public long Reduction => 1L << (BlockChannels.Count - 1);

    /// <summary>The number of weights, counted without allocating them; 83,653,863 for Stable Diffusion v1.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public long ParameterCount => WeightSources.Count(weights => new LatentAutoencoder(this, weights));

    /// <summary>Reads the <c>config.json</c> of a diffusers folder <c>vae</c>.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDataException">It is no config of an autoencoder in the layout of Stable Diffusion v1;
    /// the message says why.</exception>
    public static LatentAutoencoderOptions FromConfig(string json) =>
        ModelConfig.Read(
            json,
            What,
            Required,
            config =>
            {
                config.Only("act_fn", "\"silu\"");
                config.Only("use_quant_conv", "true");
                config.Only("use_post_quant_conv", "true");
                config.Only("mid_block_add_attention", "true");
                config.Only("out_channels", $"{config.Whole("in_channels")}");
                foreach (
                    var (key, name) in new[]
                    {
                        ("down_block_types", "DownEncoderBlock2D"),
                        ("up_block_types", "UpDecoderBlock2D"),
                    }
                )
                {
                    var types = config.Words(key);
                    if (types.Count != config.Wholes("block_out_channels").Count || types.Any(type => type != name))
                        throw config.Refusal(
                            $"'{key}' must name {name} once for each level of 'block_out_channels', was "
                                + $"{string.Join(", ", types)}"
                        );
                }
                var options = new LatentAutoencoderOptions
                {
                    SampleSize = config.Whole("sample_size", 512),
                    Channels = config.Whole("in_channels"),
                    LatentChannels = config.Whole("latent_channels"),
                    BlockChannels = config.Wholes("block_out_channels"),
                    LayersPerBlock = config.Whole("layers_per_block"),
                    Groups = config.Whole("norm_num_groups", 32),
                    ScalingFactor = config.Number("scaling_factor", 0.18215),
                };
                options.Check();
                return options;
            }
        );

    /// <summary>Reads the same config from the metadata of a safetensors file, where it stands under
    /// <c>config</c>.</summary>
    /// <param name="metadata">The metadata.</param>
    /// <exception cref="InvalidDataException">As for <see cref="FromConfig"/>; also where there is none.</exception>
    public static LatentAutoencoderOptions FromMetadata(IReadOnlyDictionary<string, string> metadata) =>
        FromConfig(ModelConfig.Of(metadata, What));

    /// <summary>The config that <see cref="FromConfig"/> reads back.</summary>
    public string ToConfig()
    {
        JsonArray Each(string name) => new([.. BlockChannels.Select(_ => (JsonNode)name)]);
        return new JsonObject
        {
            ["sample_size"] = SampleSize,
            ["in_channels"] = Channels,
            ["out_channels"] = Channels,
            ["latent_channels"] = LatentChannels,
            ["block_out_channels"] = new JsonArray([.. BlockChannels.Select(n => (JsonNode)n)]),
            ["down_block_types"] = Each("DownEncoderBlock2D"),
            ["up_block_types"] = Each("UpDecoderBlock2D"),
            ["layers_per_block"] = LayersPerBlock,
            ["norm_num_groups"] = Groups,
            ["scaling_factor"] = ScalingFactor,
        }.ToJsonString();
    }

    /// <summary>Whether all values are the same.</summary>
    public bool Equals(LatentAutoencoderOptions? other) => other is not null && ToConfig() == other.ToConfig();

    /// <inheritdoc/>
    public override int GetHashCode() => ToConfig().GetHashCode();

    /// <summary>The sizes must fit together.</summary>
    internal void Check()
    {
        foreach (var channels in BlockChannels)
            if (channels % Groups != 0)
                throw new ArgumentException($"BlockChannels must be multiples of Groups = {Groups}, was {channels}");
    }
}
