using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>
/// CLIP's text transformer (Radford et al. 2021) as Stable Diffusion v1 uses it: every token's vector behind the last
/// layer and the final normalization. Its names are those of transformers, <c>text_model.{embeddings, encoder.layers.i,
/// final_layer_norm}</c>.
/// </summary>
public sealed class ClipTextEncoder : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    /// <summary>Older checkpoints also hold the whole numbers from 0 to the greatest length, under this name.</summary>
    internal const string Ignored = "text_model.embeddings.position_ids";
    private readonly ClipTextModel text_model;

    /// <summary>A network of random weights, for tests and a notebook without the published ones. Its numbers mean
    /// nothing.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public ClipTextEncoder(ClipTextOptions options, long seed)
        : this(options, WeightSources.Drawn(seed)) { }

    /// <summary>A network of the tensors of a checkpoint. Those of the type and on the device wanted are shared, not
    /// copied.</summary>
    /// <param name="options">Its sizes.</param>
    /// <param name="tensors">Tensors by published name, exactly those of the network.</param>
    /// <param name="type">float32 on the CPU; float16 or bfloat16 for CUDA; float64 for tests.</param>
    /// <param name="device">Where it lies, the CPU where null.</param>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    /// <exception cref="InvalidDataException">The message lists every missing, unexpected and mis-shaped
    /// tensor.</exception>
    public ClipTextEncoder(
        ClipTextOptions options,
        IReadOnlyDictionary<string, torch.Tensor> tensors,
        torch.ScalarType type = torch.ScalarType.Float32,
        torch.Device? device = null
    )
        : this(
            options,
            WeightSources.From(
                tensors,
                "CLIP's text encoder",
                weights => new ClipTextEncoder(options, weights),
                type,
                device,
                Ignored
            )
        ) { }

    internal ClipTextEncoder(ClipTextOptions options, WeightSource weights)
        : base(nameof(ClipTextEncoder))
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        Options = options;
        using var scope = torch.NewDisposeScope();
        text_model = new ClipTextModel(options, weights, "text_model");
        RegisterComponents();
        WeightSources.Keep(this);
    }

    /// <summary>The sizes.</summary>
    public ClipTextOptions Options { get; }

    /// <summary>The type of the weights.</summary>
    public torch.ScalarType Type => parameters().First().dtype;

    /// <summary>Where the weights lie.</summary>
    public torch.Device Device => parameters().First().device;

    /// <summary>A vector for every token, which depends on it and those before it.</summary>
    /// <param name="tokens">Tokens (batch, length), int64, from 0 to Vocabulary - 1, at most Positions in a text; on
    /// any device.</param>
    /// <returns>(batch, length, Width), of the weights' type and on their device. The caller owns it.</returns>
    /// <exception cref="ArgumentException">The shape or type does not fit, or the text is too long.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such token.</exception>
    public override torch.Tensor forward(torch.Tensor tokens)
    {
        Guard.Shape(tokens, [-1, -1]);
        if (tokens.dtype != torch.int64)
            throw new ArgumentException(
                $"tokens must be Int64, were {tokens.dtype}; convert them with tokens.to_type",
                nameof(tokens)
            );
        if (tokens.shape[1] < 1 || tokens.shape[1] > Options.Positions)
            throw new ArgumentException(
                $"tokens must be 1 to {Options.Positions} a text, were {tokens.shape[1]}; let the tokenizer "
                    + "cut the text",
                nameof(tokens)
            );
        using var scope = torch.NewDisposeScope();
        foreach (var token in tokens.cpu().contiguous().data<long>())
            if (token < 0 || token >= Options.Vocabulary)
                throw new ArgumentOutOfRangeException(
                    nameof(tokens),
                    $"a token must be 0 to {Options.Vocabulary - 1}, was {token}"
                );
        return text_model.call(tokens.to(Device)).MoveToOuterDisposeScope();
    }
}
