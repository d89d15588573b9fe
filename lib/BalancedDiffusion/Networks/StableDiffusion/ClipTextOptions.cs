using System.Globalization;
using System.Text.Json.Nodes;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>The sizes of a <see cref="ClipTextEncoder"/>; the defaults are those of CLIP ViT-L/14 (Radford et al.
/// 2021), which Stable Diffusion v1 uses. Every value is checked when it is set, and their fit when a network is made
/// of them.</summary>
public sealed record ClipTextOptions
{
    private const string What = "CLIP's text encoder as Stable Diffusion v1 uses it";
    private static readonly string[] Required =
    [
        "hidden_size",
        "num_attention_heads",
        "num_hidden_layers",
        "intermediate_size",
    ];

    // A file without a config may name the sizes one by one.
    private static readonly (string Short, string Key)[] Names =
    [
        ("hidden", "hidden_size"),
        ("heads", "num_attention_heads"),
        ("layers", "num_hidden_layers"),
        ("intermediate", "intermediate_size"),
    ];

    /// <summary>The width of a token, ≥ 1, a multiple of <see cref="Heads"/>.</summary>
    public long Width
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Width));
            field = value;
        }
    } = 768;

    /// <summary>The number of attention heads, ≥ 1.</summary>
    public long Heads
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Heads));
            field = value;
        }
    } = 12;

    /// <summary>The number of layers, ≥ 1.</summary>
    public long Layers
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Layers));
            field = value;
        }
    } = 12;

    /// <summary>The width of a layer's hidden units, ≥ 1.</summary>
    public long HiddenUnits
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(HiddenUnits));
            field = value;
        }
    } = 3072;

    /// <summary>The number of tokens there are, ≥ 1.</summary>
    public long Vocabulary
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Vocabulary));
            field = value;
        }
    } = 49408;

    /// <summary>The greatest length of a text in tokens, ≥ 1.</summary>
    public long Positions
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Positions));
            field = value;
        }
    } = 77;

    /// <summary>What the normalizations add to a variance, &gt; 0.</summary>
    public double NormEpsilon
    {
        get;
        init
        {
            Guard.Positive(value, nameof(NormEpsilon));
            field = value;
        }
    } = 1e-5;

    /// <summary>The number of weights, counted without allocating them; 123,060,480 for Stable Diffusion v1.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public long ParameterCount => WeightSources.Count(weights => new ClipTextEncoder(this, weights));

    /// <summary>Reads the <c>config.json</c> of a diffusers folder <c>text_encoder</c>.</summary>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDataException">It is no config of a text encoder in the layout of Stable Diffusion v1;
    /// the message says why.</exception>
    public static ClipTextOptions FromConfig(string json) =>
        ModelConfig.Read(
            json,
            What,
            Required,
            config =>
            {
                // Stable Diffusion v2 has an encoder of width 1024 with another activation.
                config.Only("hidden_act", "\"quick_gelu\"");
                var options = new ClipTextOptions
                {
                    Width = config.Whole("hidden_size"),
                    Heads = config.Whole("num_attention_heads"),
                    Layers = config.Whole("num_hidden_layers"),
                    HiddenUnits = config.Whole("intermediate_size"),
                    Vocabulary = config.Whole("vocab_size", 49408),
                    Positions = config.Whole("max_position_embeddings", 77),
                    NormEpsilon = config.Number("layer_norm_eps", 1e-5),
                };
                options.Check();
                return options;
            }
        );

    /// <summary>Reads the options from the metadata of a safetensors file: a config under <c>config</c>, or
    /// <c>hidden</c>, <c>heads</c>, <c>layers</c>, <c>intermediate</c> and <c>activation</c> one by one.</summary>
    /// <param name="metadata">The metadata.</param>
    /// <exception cref="InvalidDataException">As for <see cref="FromConfig"/>; also where neither is there.</exception>
    public static ClipTextOptions FromMetadata(IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        if (metadata.ContainsKey("config") || !Names.Any(name => metadata.ContainsKey(name.Short)))
            return FromConfig(ModelConfig.Of(metadata, What));
        var config = new JsonObject();
        foreach (var (name, key) in Names)
            if (metadata.TryGetValue(name, out var text))
                config[key] = long.TryParse(text, CultureInfo.InvariantCulture, out var number) ? number : text;
        if (metadata.TryGetValue("activation", out var activation))
            config["hidden_act"] = activation;
        return FromConfig(config.ToJsonString());
    }

    /// <summary>The config that <see cref="FromConfig"/> reads back.</summary>
    public string ToConfig() =>
        new JsonObject
        {
            ["hidden_size"] = Width,
            ["num_attention_heads"] = Heads,
            ["num_hidden_layers"] = Layers,
            ["intermediate_size"] = HiddenUnits,
            ["vocab_size"] = Vocabulary,
            ["max_position_embeddings"] = Positions,
            ["layer_norm_eps"] = NormEpsilon,
            ["hidden_act"] = "quick_gelu",
        }.ToJsonString();

    /// <summary>The sizes must fit together.</summary>
    internal void Check()
    {
        if (Width % Heads != 0)
            throw new ArgumentException($"Width must be a multiple of Heads = {Heads}, was {Width}");
    }
}
