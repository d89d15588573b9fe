using System.Text.Json;
using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The shape of a <see cref="SongUNet"/>: DDPM++ and NCSN++ (Song et al. 2021) in the parametrization of EDM (Karras et
/// al. 2022). Every value is checked when it is set, and whether they go together when a network is made. Two options
/// are equal where all their values are.
/// </summary>
public sealed record SongUNetOptions
{
    private const string ConfigKey = "config";

    // What else stands in the configs of published networks and does not change what a network computes here.
    private static readonly HashSet<string> Ignored =
    [
        "class_name",
        "use_fp16",
        "sigma_min",
        "sigma_max",
        "sigma_data",
    ];

    /// <summary>Height and width of an image, ≥ 1 and divisible by 2 as often as there are levels below the
    /// first.</summary>
    public int Resolution
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Resolution));
            field = value;
        }
    } = 32;

    /// <summary>Channels of an image, ≥ 1.</summary>
    public int Channels
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Channels));
            field = value;
        }
    } = 3;

    /// <summary>Channels of the first layer, a multiple of 4. Above 128 channels, which layers that join two others
    /// reach first, the groups of the normalization ask for a multiple of 32.</summary>
    public int ModelChannels
    {
        get;
        init
        {
            Guard.AtLeast(value, 4, nameof(ModelChannels));
            if (value % 4 != 0)
                throw new ArgumentOutOfRangeException(
                    nameof(ModelChannels),
                    $"ModelChannels must be a multiple of 4, was {value}"
                );
            field = value;
        }
    } = 128;

    /// <summary>For every level, halving the resolution from one to the next, its channels as a multiple of
    /// <see cref="ModelChannels"/>; at least one level.</summary>
    public IReadOnlyList<int> ChannelMultipliers
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(ChannelMultipliers));
            if (value.Count == 0)
                throw new ArgumentException(
                    "ChannelMultipliers must name at least one level, was empty",
                    nameof(ChannelMultipliers)
                );
            foreach (var multiplier in value)
                Guard.AtLeast(multiplier, 1, nameof(ChannelMultipliers));
            field = [.. value];
        }
    } = [2, 2, 2];

    /// <summary>Residual blocks a level on the way down, ≥ 1; one more on the way up.</summary>
    public int Blocks
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Blocks));
            field = value;
        }
    } = 4;

    /// <summary>The resolutions whose blocks attend, each that of a level. (The first block of the way up always
    /// does.)</summary>
    public IReadOnlyList<int> AttentionResolutions
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(AttentionResolutions));
            field = [.. value];
        }
    } = [16];

    /// <summary>The share of activations that training drops in every block, in [0, 1).</summary>
    public double Dropout
    {
        get;
        init
        {
            Share(value, nameof(Dropout));
            field = value;
        }
    }

    /// <summary>The number of classes, or 0 for an unconditional network.</summary>
    public int LabelDim
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(LabelDim));
            field = value;
        }
    }

    /// <summary>The share of labels that training replaces by none, for guidance, in [0, 1).</summary>
    public double LabelDropout
    {
        get;
        init
        {
            Share(value, nameof(LabelDropout));
            field = value;
        }
    }

    /// <summary>The width of EDM's augmentation label, or 0 for none. Augmentation is off here, so that its layer is
    /// kept for the published weights but never used.</summary>
    public int AugmentDim
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(AugmentDim));
            field = value;
        }
    }

    /// <summary>The embedding of the noise level.</summary>
    public SongUNetEmbedding Embedding
    {
        get;
        init
        {
            Defined(value, nameof(Embedding));
            field = value;
        }
    }

    /// <summary>The width of that embedding as a multiple of <see cref="ModelChannels"/>, ≥ 1; 2 for
    /// NCSN++.</summary>
    public int NoiseMultiplier
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(NoiseMultiplier));
            field = value;
        }
    } = 1;

    /// <summary>The width of the embedding of noise and class, as a multiple of
    /// <see cref="ModelChannels"/>, ≥ 1.</summary>
    public int EmbeddingMultiplier
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(EmbeddingMultiplier));
            field = value;
        }
    } = 4;

    /// <summary>The width of the noise embedding.</summary>
    internal long NoiseWidth => (long)ModelChannels * NoiseMultiplier;

    /// <summary>The width of the embedding of noise and class.</summary>
    internal long EmbeddingWidth => (long)ModelChannels * EmbeddingMultiplier;

    /// <summary>How the way down sees the input.</summary>
    public SongUNetEncoder Encoder
    {
        get;
        init
        {
            Defined(value, nameof(Encoder));
            field = value;
        }
    }

    /// <summary>How the way up makes the output.</summary>
    public SongUNetDecoder Decoder
    {
        get;
        init
        {
            Defined(value, nameof(Decoder));
            field = value;
        }
    }

    /// <summary>The row of the separable filter that halves and doubles the resolution: an even number of finite values
    /// with a sum other than zero. [1, 1] for DDPM++, [1, 3, 3, 1] for NCSN++.</summary>
    public IReadOnlyList<double> ResampleFilter
    {
        get;
        init
        {
            ArgumentNullException.ThrowIfNull(value, nameof(ResampleFilter));
            if (value.Count == 0 || value.Count % 2 != 0)
                throw new ArgumentException(
                    $"ResampleFilter must have an even number of values, had {value.Count}",
                    nameof(ResampleFilter)
                );
            if (!value.All(double.IsFinite) || value.Sum() == 0)
                throw new ArgumentException(
                    $"ResampleFilter must be finite with a sum other than zero, was [{string.Join(", ", value)}]",
                    nameof(ResampleFilter)
                );
            field = [.. value];
        }
    } = [1, 1];

    /// <summary>449,091 parameters, for a machine without an accelerator.</summary>
    public static SongUNetOptions Tiny { get; } =
        new()
        {
            ModelChannels = 32,
            ChannelMultipliers = [1, 1, 1],
            Blocks = 1,
            AttentionResolutions = [8],
        };

    /// <summary>About half a million parameters, few of them at the full resolution: the fastest on a CPU.</summary>
    public static SongUNetOptions Slim { get; } = Tiny with { ModelChannels = 16, ChannelMultipliers = [1, 2, 3] };

    /// <summary>1,754,147 parameters.</summary>
    public static SongUNetOptions Small { get; } =
        new()
        {
            ModelChannels = 32,
            ChannelMultipliers = [1, 2, 2],
            Blocks = 2,
            AttentionResolutions = [16],
        };

    /// <summary>The published unconditional DDPM++ of EDM for CIFAR-10: 55,733,891 parameters, 1,152 of them in the
    /// augmentation layer.</summary>
    public static SongUNetOptions DdpmPlusPlus { get; } = new() { Dropout = 0.13, AugmentDim = 9 };

    /// <summary>The published unconditional NCSN++ of EDM for CIFAR-10: 56,397,827 parameters.</summary>
    public static SongUNetOptions NcsnPlusPlus { get; } =
        DdpmPlusPlus with
        {
            Embedding = SongUNetEmbedding.Fourier,
            NoiseMultiplier = 2,
            Encoder = SongUNetEncoder.Residual,
            ResampleFilter = [1, 3, 3, 1],
        };

    /// <summary>Reads the options from a checkpoint's metadata, where they stand as JSON under <c>config</c> in the
    /// words of EDM's published code.</summary>
    /// <param name="metadata">The metadata.</param>
    /// <returns>The options; what the JSON does not name has EDM's default.</returns>
    /// <exception cref="InvalidDataException">There is no config, or it is no JSON object of known names and fitting
    /// values.</exception>
    public static SongUNetOptions FromMetadata(IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        if (!metadata.TryGetValue(ConfigKey, out var json))
            throw new InvalidDataException("the metadata holds no 'config'; give the options of the network");
        var name = "";
        try
        {
            // EDM's defaults where they are not ours: its blocks drop a tenth, and it has one level more.
            var options = new SongUNetOptions { ChannelMultipliers = [1, 2, 2, 2], Dropout = 0.1 };
            using var document = JsonDocument.Parse(
                json,
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 }
            );
            foreach (var property in document.RootElement.EnumerateObject())
            {
                name = property.Name;
                var value = property.Value;
                options = name switch
                {
                    "img_resolution" => options with { Resolution = value.GetInt32() },
                    "img_channels" => options with { Channels = value.GetInt32() },
                    "model_channels" => options with { ModelChannels = value.GetInt32() },
                    "channel_mult" => options with
                    {
                        ChannelMultipliers = [.. value.EnumerateArray().Select(n => n.GetInt32())],
                    },
                    "num_blocks" => options with { Blocks = value.GetInt32() },
                    "attn_resolutions" => options with
                    {
                        AttentionResolutions = [.. value.EnumerateArray().Select(n => n.GetInt32())],
                    },
                    "dropout" => options with { Dropout = value.GetDouble() },
                    "label_dim" => options with { LabelDim = value.GetInt32() },
                    "label_dropout" => options with { LabelDropout = value.GetDouble() },
                    "augment_dim" => options with { AugmentDim = value.GetInt32() },
                    "embedding_type" => options with { Embedding = Word<SongUNetEmbedding>(value) },
                    "channel_mult_noise" => options with { NoiseMultiplier = value.GetInt32() },
                    "channel_mult_emb" => options with { EmbeddingMultiplier = value.GetInt32() },
                    "encoder_type" => options with { Encoder = Word<SongUNetEncoder>(value) },
                    "decoder_type" => options with { Decoder = Word<SongUNetDecoder>(value) },
                    "resample_filter" => options with
                    {
                        ResampleFilter = [.. value.EnumerateArray().Select(n => n.GetDouble())],
                    },
                    "model_type" => value.GetString() == "SongUNet"
                        ? options
                        : throw new FormatException($"must be 'SongUNet', was {value}"),
                    _ => Ignored.Contains(name) ? options : throw new FormatException("is not known"),
                };
            }
            name = "";
            options.Check();
            return options;
        }
        catch (Exception e)
            when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InvalidDataException(
                "the metadata's 'config' does not describe a SongUNet: "
                    + $"{(name.Length > 0 ? $"'{name}' " : "")}{Words(e)}",
                e
            );
        }
    }

    /// <summary>The options as metadata that <see cref="FromMetadata"/> reads back.</summary>
    public IReadOnlyDictionary<string, string> ToMetadata() =>
        new Dictionary<string, string> { [ConfigKey] = Config() };

    /// <summary>Whether all values are the same.</summary>
    public bool Equals(SongUNetOptions? other) => other is not null && Config() == other.Config();

    /// <inheritdoc/>
    public override int GetHashCode() => Config().GetHashCode();

    /// <summary>Throws unless the values go together.</summary>
    internal void Check()
    {
        var halvings = ChannelMultipliers.Count - 1;
        if (halvings > 30 || Resolution % (1 << halvings) != 0)
            throw new ArgumentException(
                $"Resolution must be divisible by 2 once for each of the {halvings} levels below the first, "
                    + $"was {Resolution}"
            );
        var resolutions = Enumerable.Range(0, halvings + 1).Select(level => Resolution >> level).ToList();
        foreach (var resolution in AttentionResolutions)
            if (!resolutions.Contains(resolution))
                throw new ArgumentException(
                    "AttentionResolutions must name resolutions of levels "
                        + $"({string.Join(", ", resolutions)}), named {resolution}"
                );
        if (LabelDropout > 0 && LabelDim == 0)
            throw new ArgumentException(
                $"LabelDropout is for a network with classes, was {LabelDropout} with LabelDim 0"
            );
    }

    private string Config() =>
        new JsonObject
        {
            ["img_resolution"] = Resolution,
            ["img_channels"] = Channels,
            ["label_dim"] = LabelDim,
            ["model_type"] = "SongUNet",
            ["model_channels"] = ModelChannels,
            ["channel_mult"] = new JsonArray([.. ChannelMultipliers.Select(n => (JsonNode)n)]),
            ["channel_mult_emb"] = EmbeddingMultiplier,
            ["num_blocks"] = Blocks,
            ["attn_resolutions"] = new JsonArray([.. AttentionResolutions.Select(n => (JsonNode)n)]),
            ["dropout"] = Dropout,
            ["label_dropout"] = LabelDropout,
            ["embedding_type"] = Lower(Embedding),
            ["channel_mult_noise"] = NoiseMultiplier,
            ["encoder_type"] = Lower(Encoder),
            ["decoder_type"] = Lower(Decoder),
            ["resample_filter"] = new JsonArray([.. ResampleFilter.Select(n => (JsonNode)n)]),
            ["augment_dim"] = AugmentDim,
        }.ToJsonString();

    private static string Lower<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();

    private static T Word<T>(JsonElement value)
        where T : struct, Enum
    {
        foreach (var known in Enum.GetValues<T>())
            if (value.ValueKind == JsonValueKind.String && value.GetString() == Lower(known))
                return known;
        throw new FormatException($"must be {string.Join(" or ", Enum.GetValues<T>().Select(Lower))}, was {value}");
    }

    private static string Words(Exception e) =>
        e is FormatException && e.Message.StartsWith("must", StringComparison.Ordinal) || e.Message == "is not known"
            ? e.Message
        : e is ArgumentException ? $"is refused ({Sentence.First(e.Message).Split(" (Parameter")[0]})"
        : e is JsonException ? "it is not valid JSON"
        : "has a value of the wrong kind";

    private static void Share(double value, string name)
    {
        if (!(value >= 0 && value < 1))
            throw new ArgumentOutOfRangeException(name, $"{name} must be at least 0 and below 1, was {value}");
    }

    private static void Defined<T>(T value, string name)
        where T : struct, Enum
    {
        if (!Enum.IsDefined(value))
            throw new ArgumentOutOfRangeException(
                name,
                $"{name} must be {string.Join(" or ", Enum.GetNames<T>())}, was {value}"
            );
    }
}
