using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>The transformer between tokens (batch, length) and their vectors (batch, length, width).</summary>
internal sealed class ClipTextModel : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly ClipEmbeddings embeddings;
    private readonly ClipLayers encoder;
    private readonly LatentLayerNorm final_layer_norm;

    public ClipTextModel(ClipTextOptions options, WeightSource weights, string name)
        : base(nameof(ClipTextModel))
    {
        embeddings = new ClipEmbeddings(options, weights, $"{name}.embeddings");
        encoder = new ClipLayers(options, weights, $"{name}.encoder");
        final_layer_norm = new LatentLayerNorm(weights, $"{name}.final_layer_norm", options.Width, options.NormEpsilon);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        return final_layer_norm.call(encoder.call(embeddings.call(tokens))).MoveToOuterDisposeScope();
    }
}

/// <summary>The sum of a token's vector and its position's.</summary>
internal sealed class ClipEmbeddings : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly VectorTable token_embedding,
        position_embedding;

    public ClipEmbeddings(ClipTextOptions options, WeightSource weights, string name)
        : base(nameof(ClipEmbeddings))
    {
        token_embedding = new VectorTable(weights, $"{name}.token_embedding", options.Vocabulary, options.Width);
        position_embedding = new VectorTable(weights, $"{name}.position_embedding", options.Positions, options.Width);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        return (
            token_embedding.call(tokens)
            + position_embedding.call(torch.arange(tokens.shape[1], dtype: torch.int64, device: tokens.device))
        ).MoveToOuterDisposeScope();
    }
}

/// <summary>Layers one after another.</summary>
internal sealed class ClipLayers : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly ModuleList<ClipLayer> layers = torch.nn.ModuleList<ClipLayer>();

    public ClipLayers(ClipTextOptions options, WeightSource weights, string name)
        : base(nameof(ClipLayers))
    {
        for (var i = 0; i < options.Layers; i++)
            layers.Add(new ClipLayer(options, weights, $"{name}.layers.{i}"));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        return layers.Aggregate(tokens, (value, layer) => layer.call(value)).MoveToOuterDisposeScope();
    }
}

/// <summary>Attention, then the layers of each token; both add to their input.</summary>
internal sealed class ClipLayer : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly LatentLayerNorm layer_norm1,
        layer_norm2;
    private readonly ClipAttention self_attn;
    private readonly ClipMlp mlp;

    public ClipLayer(ClipTextOptions options, WeightSource weights, string name)
        : base(nameof(ClipLayer))
    {
        self_attn = new ClipAttention(options, weights, $"{name}.self_attn");
        layer_norm1 = new LatentLayerNorm(weights, $"{name}.layer_norm1", options.Width, options.NormEpsilon);
        mlp = new ClipMlp(options, weights, $"{name}.mlp");
        layer_norm2 = new LatentLayerNorm(weights, $"{name}.layer_norm2", options.Width, options.NormEpsilon);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        var attended = tokens + self_attn.call(layer_norm1.call(tokens));
        return (attended + mlp.call(layer_norm2.call(attended))).MoveToOuterDisposeScope();
    }
}

/// <summary>Attention of each token to itself and those before it.</summary>
internal sealed class ClipAttention : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear q_proj,
        k_proj,
        v_proj,
        out_proj;
    private readonly long heads;

    public ClipAttention(ClipTextOptions options, WeightSource weights, string name)
        : base(nameof(ClipAttention))
    {
        heads = options.Heads;
        UNetLinear Square(string part) => new(weights, $"{name}.{part}", options.Width, options.Width);
        (q_proj, k_proj, v_proj, out_proj) = (Square("q_proj"), Square("k_proj"), Square("v_proj"), Square("out_proj"));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        return out_proj
            .call(
                LatentAttention.Attend(
                    q_proj.call(tokens),
                    k_proj.call(tokens),
                    v_proj.call(tokens),
                    heads,
                    causal: true
                )
            )
            .MoveToOuterDisposeScope();
    }
}

/// <summary>The two layers that each token passes by itself; <c>activation_fn</c> gives the representation between
/// them.</summary>
internal sealed class ClipMlp : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear fc1,
        fc2;
    private readonly ClipQuickGelu activation_fn = new();

    public ClipMlp(ClipTextOptions options, WeightSource weights, string name)
        : base(nameof(ClipMlp))
    {
        fc1 = new UNetLinear(weights, $"{name}.fc1", options.Width, options.HiddenUnits);
        fc2 = new UNetLinear(weights, $"{name}.fc2", options.HiddenUnits, options.Width);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        return fc2.call(activation_fn.call(fc1.call(tokens))).MoveToOuterDisposeScope();
    }
}

/// <summary>x · sigmoid(1.702 x).</summary>
internal sealed class ClipQuickGelu() : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(ClipQuickGelu))
{
    public override torch.Tensor forward(torch.Tensor input)
    {
        using var scope = torch.NewDisposeScope();
        return (input * torch.sigmoid(input * 1.702)).MoveToOuterDisposeScope();
    }
}
