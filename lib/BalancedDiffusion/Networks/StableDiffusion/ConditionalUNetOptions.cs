using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// The sizes of a <see cref="ConditionalUNet"/>; the defaults are those of Stable Diffusion v1 (Rombach et al. 2022).
/// Every value is checked when it is set, and their fit when a network is made of them. Two are equal where all values
/// are.
/// </summary>
public sealed record ConditionalUNetOptions
{
    private const string What = "the U-Net of a Stable Diffusion v1";
    private const long V2Width = 1024;
    private static readonly string[] Required =
    [
        "in_channels",
        "out_channels",
        "block_out_channels",
        "down_block_types",
        "up_block_types",
        "layers_per_block",
        "cross_attention_dim",
        "attention_head_dim",
    ];

    /// <summary>Height and width of the latents that it was trained on, ≥ 1: 64 for images of 512×512. It takes
    /// others too.</summary>
    public long SampleSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(SampleSize));
            field = value;
        }
    } = 64;

    /// <summary>Channels of the input, ≥ 1.</summary>
    public long InChannels
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(InChannels));
            field = value;
        }
    } = 4;

    /// <summary>Channels of the output, ≥ 1.</summary>
    public long OutChannels
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(OutChannels));
            field = value;
        }
    } = 4;

    /// <summary>The channels of every level, at least one level, halving the resolution from one to the next; multiples
    /// of <see cref="Groups"/>, of <see cref="Heads"/> where a level attends, the first an even number.</summary>
    public IReadOnlyList<long> BlockChannels
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(BlockChannels));
            if (value.Count == 0)
                throw new ArgumentException(
                    "BlockChannels must name at least one level, was empty",
                    nameof(BlockChannels)
                );
            foreach (var channels in value)
                Guard.AtLeast(channels, 1, nameof(BlockChannels));
            field = [.. value];
        }
    } = [320, 640, 1280, 1280];

    /// <summary>Whether each level attends, to itself and to the text.</summary>
    public IReadOnlyList<bool> Attends
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(Attends));
            field = [.. value];
        }
    } = [true, true, true, false];

    /// <summary>Residual blocks a level on the way down, ≥ 1; one more on the way up.</summary>
    public long LayersPerBlock
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(LayersPerBlock));
            field = value;
        }
    } = 2;

    /// <summary>The width of a text's vectors, ≥ 1.</summary>
    public long TextWidth
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(TextWidth));
            field = value;
        }
    } = 768;

    /// <summary>The number of attention heads at every level, ≥ 1. (The published configs call it
    /// <c>attention_head_dim</c>.)</summary>
    public long Heads
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Heads));
            field = value;
        }
    } = 8;

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

    /// <summary>What the normalizations of the residual blocks add to a variance, &gt; 0.</summary>
    public double NormEpsilon
    {
        get;
        init
        {
            Guard.Positive(value, nameof(NormEpsilon));
            field = value;
        }
    } = 1e-5;

    /// <summary>The width of the time's embedding.</summary>
    public long EmbeddingWidth => 4 * BlockChannels[0];

    /// <summary>The number of weights, counted without allocating them; 859,520,964 for Stable Diffusion v1.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public long ParameterCount => WeightSources.Count(weights => new ConditionalUNet(this, weights));

    /// <summary>Reads the <c>config.json</c> of a diffusers folder <c>unet</c>.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDataException">It is no config of a U-Net in the layout of Stable Diffusion v1; the
    /// message says why, and names a v2 model as one.</exception>
    public static ConditionalUNetOptions FromConfig(string json) =>
        ModelConfig.Read(
            json,
            What,
            Required,
            config =>
            {
                if (config.IsList("attention_head_dim") || config.Whole("cross_attention_dim") >= V2Width)
                    throw new InvalidDataException(
                        "the config is that of a Stable Diffusion v2 or XL model (its attention_head_dim is "
                            + "a list, or its cross_attention_dim 1024 or more), and only v1 is computed here; "
                            + "take a v1 model, such as v1.4"
                    );
                foreach (
                    var (key, value) in new[]
                    {
                        ("act_fn", "\"silu\""),
                        ("center_input_sample", "false"),
                        ("flip_sin_to_cos", "true"),
                        ("freq_shift", "0"),
                        ("downsample_padding", "1"),
                        ("mid_block_scale_factor", "1"),
                        ("use_linear_projection", "false"),
                        ("only_cross_attention", "false"),
                        ("dual_cross_attention", "false"),
                        ("mid_block_type", "\"UNetMidBlock2DCrossAttn\""),
                        ("resnet_time_scale_shift", "\"default\""),
                        ("time_embedding_type", "\"positional\""),
                        ("conv_in_kernel", "3"),
                        ("conv_out_kernel", "3"),
                    }
                )
                    config.Only(key, value);
                var (down, up) = (config.Words("down_block_types"), config.Words("up_block_types"));
                if (down.FirstOrDefault(name => name is not ("CrossAttnDownBlock2D" or "DownBlock2D")) is { } unknown)
                    throw config.Refusal(
                        $"'down_block_types' must name CrossAttnDownBlock2D and DownBlock2D, named {unknown}"
                    );
                var mirrored = down.Reverse()
                    .Select(name => name.Replace("Down", "Up", StringComparison.Ordinal))
                    .ToList();
                if (!up.SequenceEqual(mirrored))
                    throw config.Refusal(
                        $"'up_block_types' must mirror 'down_block_types' ({string.Join(", ", mirrored)}), "
                            + $"was {string.Join(", ", up)}"
                    );
                var options = new ConditionalUNetOptions
                {
                    SampleSize = config.Whole("sample_size", 64),
                    InChannels = config.Whole("in_channels"),
                    OutChannels = config.Whole("out_channels"),
                    BlockChannels = config.Wholes("block_out_channels"),
                    Attends = [.. down.Select(name => name == "CrossAttnDownBlock2D")],
                    LayersPerBlock = config.Whole("layers_per_block"),
                    TextWidth = config.Whole("cross_attention_dim"),
                    Heads = config.Whole("attention_head_dim"),
                    Groups = config.Whole("norm_num_groups", 32),
                    NormEpsilon = config.Number("norm_eps", 1e-5),
                };
                options.Check();
                return options;
            }
        );

    /// <summary>Reads the same config from the metadata of a safetensors file, where it stands under
    /// <c>config</c>.</summary>
    /// <param name="metadata">The metadata.</param>
    /// <exception cref="InvalidDataException">As for <see cref="FromConfig"/>; also where there is none.</exception>
    public static ConditionalUNetOptions FromMetadata(IReadOnlyDictionary<string, string> metadata) =>
        FromConfig(ModelConfig.Of(metadata, What));

    /// <summary>The config that <see cref="FromConfig"/> reads back.</summary>
    public string ToConfig()
    {
        var types = Attends.Select(attends => attends ? "CrossAttnDownBlock2D" : "DownBlock2D").ToList();
        return new JsonObject
        {
            ["sample_size"] = SampleSize,
            ["in_channels"] = InChannels,
            ["out_channels"] = OutChannels,
            ["block_out_channels"] = new JsonArray([.. BlockChannels.Select(n => (JsonNode)n)]),
            ["down_block_types"] = new JsonArray([.. types.Select(t => (JsonNode)t)]),
            ["up_block_types"] = new JsonArray([
                .. types
                    .AsEnumerable()
                    .Reverse()
                    .Select(t => (JsonNode)t.Replace("Down", "Up", StringComparison.Ordinal)),
            ]),
            ["layers_per_block"] = LayersPerBlock,
            ["cross_attention_dim"] = TextWidth,
            ["attention_head_dim"] = Heads,
            ["norm_num_groups"] = Groups,
            ["norm_eps"] = NormEpsilon,
        }.ToJsonString();
    }

    /// <summary>Whether all values are the same.</summary>
    public bool Equals(ConditionalUNetOptions? other) => other is not null && ToConfig() == other.ToConfig();

    /// <inheritdoc/>
    public override int GetHashCode() => ToConfig().GetHashCode();

    /// <summary>The sizes must fit together.</summary>
    internal void Check()
    {
        if (Attends.Count != BlockChannels.Count)
            throw new ArgumentException(
                $"Attends must say for each of the {BlockChannels.Count} levels of BlockChannels whether it "
                    + $"attends, had {Attends.Count} values"
            );
        if (BlockChannels[0] % 2 != 0)
            throw new ArgumentException(
                "BlockChannels must begin with an even number, for sines and cosines of the time, was "
                    + $"{BlockChannels[0]}"
            );
        foreach (var channels in BlockChannels)
            if (channels % Groups != 0)
                throw new ArgumentException($"BlockChannels must be multiples of Groups = {Groups}, was {channels}");
        // The block between the two ways attends too.
        foreach (
            var channels in BlockChannels
                .Zip(Attends)
                .Where(level => level.Second)
                .Select(level => level.First)
                .Append(BlockChannels[^1])
        )
            if (channels % Heads != 0)
                throw new ArgumentException(
                    $"BlockChannels must be multiples of Heads = {Heads} where a level attends, was {channels}"
                );
    }
}
