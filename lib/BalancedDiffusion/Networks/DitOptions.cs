using System.Globalization;
using System.Text;
using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Networks;

/// <summary>
/// The sizes of a <see cref="Dit"/>. The defaults are the published DiT-XL/2 for latents of 32×32; every value is
/// checked when it is set, and their fit (patches that tile the input, heads that divide the width) when a network is
/// made of them.
/// </summary>
public sealed record DitOptions
{
    private const string Key = "config";

    /// <summary>Height and width of the input, ≥ 1, a multiple of <see cref="PatchSize"/>.</summary>
    public long InputSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(InputSize));
            field = value;
        }
    } = 32;

    /// <summary>Height and width of a patch, ≥ 1: one token a patch.</summary>
    public long PatchSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(PatchSize));
            field = value;
        }
    } = 2;

    /// <summary>Channels of the input, ≥ 1: 4 for latents, 3 for colours.</summary>
    public long Channels
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Channels));
            field = value;
        }
    } = 4;

    /// <summary>The width of a token, ≥ 4, a multiple of 4 (the position embedding) and of
    /// <see cref="Heads"/>.</summary>
    public long HiddenSize
    {
        get;
        init
        {
            Guard.AtLeast(value, 4, nameof(HiddenSize));
            field = value;
        }
    } = 1152;

    /// <summary>The number of blocks, ≥ 1.</summary>
    public long Depth
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Depth));
            field = value;
        }
    } = 28;

    /// <summary>The number of attention heads, ≥ 1.</summary>
    public long Heads
    {
        get;
        init
        {
            Guard.AtLeast(value, 1, nameof(Heads));
            field = value;
        }
    } = 16;

    /// <summary>The width of a block's hidden layer over the width of a token, &gt; 0.</summary>
    public double MlpRatio
    {
        get;
        init
        {
            Guard.Positive(value, nameof(MlpRatio));
            field = value;
        }
    } = 4;

    /// <summary>The share of labels that training replaces by the empty one, in [0, 1); where it is 0, there is no
    /// empty label.</summary>
    public double ClassDropout
    {
        get;
        init
        {
            if (!(value >= 0 && value < 1))
                throw new ArgumentOutOfRangeException(
                    nameof(ClassDropout),
                    $"ClassDropout must be at least 0 and below 1, was {value}"
                );
            field = value;
        }
    } = 0.1;

    /// <summary>The number of classes, ≥ 0; 0 for a network without a class condition.</summary>
    public long Classes
    {
        get;
        init
        {
            Guard.AtLeast(value, 0, nameof(Classes));
            field = value;
        }
    } = 1000;

    /// <summary>Whether the output has a second half, for the variance.</summary>
    public bool LearnSigma { get; init; } = true;

    /// <summary>About half a million parameters, for pictures of 32×32 in three colours (others by <c>with { Channels
    /// = 1 }</c>), without classes and variance.</summary>
    public static DitOptions Tiny { get; } =
        new()
        {
            PatchSize = 4,
            Channels = 3,
            HiddenSize = 64,
            Depth = 6,
            Heads = 4,
            Classes = 0,
            ClassDropout = 0,
            LearnSigma = false,
        };

    /// <summary>About four million parameters, for pictures of 32×32 in three colours, without classes and
    /// variance.</summary>
    public static DitOptions Small { get; } = Tiny with { HiddenSize = 192, Heads = 6 };

    /// <summary>A published size (Peebles and Xie 2023, table 1).</summary>
    /// <param name="size">S, B, L or XL.</param>
    /// <param name="patchSize">2, 4 or 8.</param>
    /// <param name="inputSize">Height and width of the latents: 32 for images of 256×256, 64 for 512×512.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such size.</exception>
    public static DitOptions Published(string size, long patchSize, long inputSize = 32)
    {
        ArgumentNullException.ThrowIfNull(size);
        if (patchSize is not (2 or 4 or 8))
            throw new ArgumentOutOfRangeException(
                nameof(patchSize),
                $"patchSize must be 2, 4 or 8 in a published DiT, was {patchSize}"
            );
        var (depth, width, heads) = size switch
        {
            "S" => (12, 384, 6),
            "B" => (12, 768, 12),
            "L" => (24, 1024, 16),
            "XL" => (28, 1152, 16),
            _ => throw new ArgumentOutOfRangeException(
                nameof(size),
                $"size must be S, B, L or XL, was {Listing.Quoted(size)}"
            ),
        };
        return new DitOptions
        {
            Depth = depth,
            HiddenSize = width,
            Heads = heads,
            PatchSize = patchSize,
            InputSize = inputSize,
        };
    }

    /// <summary>Channels of the output: twice those of the input where the variance is learned.</summary>
    public long OutputChannels => LearnSigma ? 2 * Channels : Channels;

    /// <summary>The number of tokens, one a patch.</summary>
    public long Tokens => InputSize / PatchSize * (InputSize / PatchSize);

    /// <summary>The width of a block's hidden layer.</summary>
    public long MlpSize => (long)(HiddenSize * MlpRatio);

    /// <summary>Whether there is an empty label, which guidance needs: its number is <see cref="Classes"/>.</summary>
    public bool HasEmptyLabel => Classes > 0 && ClassDropout > 0;

    /// <summary>The number of weights, the fixed position embedding included, as published counts have it.</summary>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public long ParameterCount => WeightSources.Count(weights => new Dit(this, weights));

    /// <summary>Reads options from a checkpoint's metadata, where <see cref="ToMetadata"/> put them.</summary>
    /// <param name="metadata">Text by key.</param>
    /// <exception cref="InvalidDataException">The key <c>config</c> is missing or does not describe a DiT.</exception>
    public static DitOptions From(IReadOnlyDictionary<string, string> metadata)
    {
        ArgumentNullException.ThrowIfNull(metadata);
        if (!metadata.TryGetValue(Key, out var text))
            throw new InvalidDataException($"the metadata has no '{Key}', so it does not describe a DiT");
        try
        {
            using var json = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            if (json.RootElement.ValueKind != JsonValueKind.Object)
                throw new InvalidDataException($"the metadata's '{Key}' does not describe a DiT: it is no JSON object");
            var names = json.RootElement.EnumerateObject().Select(p => p.Name).ToList();
            var known = Names(new DitOptions()).Select(n => n.Key).ToList();
            var faults = new List<string>();
            if (known.Except(names).ToList() is { Count: > 0 } missing)
                faults.Add($"missing {Listing.Of(missing)}");
            if (names.Except(known).ToList() is { Count: > 0 } unexpected)
                faults.Add($"unexpected {Listing.Of(unexpected)}");
            if (faults.Count > 0)
                throw new InvalidDataException(
                    $"the metadata's '{Key}' does not describe a DiT: {string.Join("; ", faults)}"
                );
            JsonElement At(string name) => json.RootElement.GetProperty(name);
            var options = new DitOptions
            {
                InputSize = At("input_size").GetInt64(),
                PatchSize = At("patch_size").GetInt64(),
                Channels = At("in_channels").GetInt64(),
                HiddenSize = At("hidden_size").GetInt64(),
                Depth = At("depth").GetInt64(),
                Heads = At("num_heads").GetInt64(),
                MlpRatio = At("mlp_ratio").GetDouble(),
                ClassDropout = At("class_dropout_prob").GetDouble(),
                Classes = At("num_classes").GetInt64(),
                LearnSigma = At("learn_sigma").GetBoolean(),
            };
            options.Check();
            return options;
        }
        catch (Exception e)
            when (e is JsonException or InvalidOperationException or FormatException or ArgumentException)
        {
            throw new InvalidDataException(
                $"the metadata's '{Key}' does not describe a DiT: "
                    + $"{Listing.Printable(Sentence.First(e.Message.Split(" (Parameter")[0]))}",
                e
            );
        }
    }

    /// <summary>The options as a checkpoint's metadata: one text, JSON under the published names (<c>input_size</c>,
    /// <c>patch_size</c>, …).</summary>
    public IReadOnlyDictionary<string, string> ToMetadata()
    {
        var text = new StringBuilder("{");
        foreach (var (name, value) in Names(this))
            text.Append(text.Length > 1 ? ", " : "").Append(CultureInfo.InvariantCulture, $"\"{name}\": {value}");
        return new Dictionary<string, string> { [Key] = text.Append('}').ToString() };
    }

    /// <summary>The sizes must fit together.</summary>
    internal void Check()
    {
        if (InputSize % PatchSize != 0)
            throw new ArgumentException($"InputSize must be a multiple of PatchSize = {PatchSize}, was {InputSize}");
        if (HiddenSize % 4 != 0)
            throw new ArgumentException(
                $"HiddenSize must be a multiple of 4 for its position embedding, was {HiddenSize}"
            );
        if (HiddenSize % Heads != 0)
            throw new ArgumentException($"HiddenSize must be a multiple of Heads = {Heads}, was {HiddenSize}");
        if (MlpSize < 1)
            throw new ArgumentException(
                $"MlpRatio must leave at least one hidden unit at HiddenSize = {HiddenSize}, was {MlpRatio}"
            );
    }

    private static IEnumerable<KeyValuePair<string, string>> Names(DitOptions o)
    {
        string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
        yield return new("input_size", Text(o.InputSize));
        yield return new("patch_size", Text(o.PatchSize));
        yield return new("in_channels", Text(o.Channels));
        yield return new("hidden_size", Text(o.HiddenSize));
        yield return new("depth", Text(o.Depth));
        yield return new("num_heads", Text(o.Heads));
        yield return new("mlp_ratio", Text(o.MlpRatio));
        yield return new("class_dropout_prob", Text(o.ClassDropout));
        yield return new("num_classes", Text(o.Classes));
        yield return new("learn_sigma", o.LearnSigma ? "true" : "false");
    }
}
