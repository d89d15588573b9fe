using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks.StableDiffusion;

/// <summary>Attention of tokens (batch, tokens, width) to the same tokens, or to those of a text.</summary>
internal sealed class LatentAttention : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear to_q,
        to_k,
        to_v;
    private readonly DitSequence to_out;
    private readonly long heads;

    public LatentAttention(WeightSource weights, string name, long width, long contextWidth, long heads)
        : base(nameof(LatentAttention))
    {
        this.heads = heads;
        to_q = new UNetLinear(weights, $"{name}.to_q", width, width, hasBias: false);
        to_k = new UNetLinear(weights, $"{name}.to_k", contextWidth, width, hasBias: false);
        to_v = new UNetLinear(weights, $"{name}.to_v", contextWidth, width, hasBias: false);
        to_out = new DitSequence(new UNetLinear(weights, $"{name}.to_out.0", width, width), new LatentNothing());
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens, torch.Tensor context)
    {
        using var scope = torch.NewDisposeScope();
        return to_out
            .call(Attend(to_q.call(tokens), to_k.call(context), to_v.call(context), heads))
            .MoveToOuterDisposeScope();
    }

    /// <summary>softmax(q kᵀ/√d) v in heads of width d, side by side in the width: (batch, tokens,
    /// width).</summary>
    public static torch.Tensor Attend(
        torch.Tensor query,
        torch.Tensor key,
        torch.Tensor value,
        long heads,
        bool causal = false
    )
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor Split(torch.Tensor tokens) => tokens.unflatten(2, heads, tokens.shape[2] / heads).transpose(1, 2);
        var mixed = torch.nn.functional.scaled_dot_product_attention(
            Split(query),
            Split(key),
            Split(value),
            is_casual: causal
        );
        return mixed.transpose(1, 2).flatten(2).MoveToOuterDisposeScope();
    }
}

/// <summary>One half of a linear layer, gated by the GELU of the other.</summary>
internal sealed class LatentGeglu : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear proj;

    public LatentGeglu(WeightSource weights, string name, long inputs, long outputs)
        : base(nameof(LatentGeglu))
    {
        proj = new UNetLinear(weights, $"{name}.proj", inputs, 2 * outputs);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        var halves = proj.call(tokens).chunk(2, -1);
        return (halves[0] * torch.nn.functional.gelu(halves[1])).MoveToOuterDisposeScope();
    }
}

/// <summary>The two layers that each token passes by itself.</summary>
internal sealed class LatentFeedForward : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly DitSequence net;

    public LatentFeedForward(WeightSource weights, string name, long width)
        : base(nameof(LatentFeedForward))
    {
        net = new DitSequence(
            new LatentGeglu(weights, $"{name}.net.0", width, 4 * width),
            new LatentNothing(),
            new UNetLinear(weights, $"{name}.net.2", 4 * width, width)
        );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens) => net.call(tokens);
}

/// <summary>Attention of the places to each other, then to the text, then the layers of each place.</summary>
internal sealed class LatentTransformerBlock : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
{
    private const double Epsilon = 1e-5;
    private readonly LatentLayerNorm norm1,
        norm2,
        norm3;
    private readonly LatentAttention attn1,
        attn2;
    private readonly LatentFeedForward ff;

    public LatentTransformerBlock(WeightSource weights, string name, long width, long textWidth, long heads)
        : base(nameof(LatentTransformerBlock))
    {
        norm1 = new LatentLayerNorm(weights, $"{name}.norm1", width, Epsilon);
        attn1 = new LatentAttention(weights, $"{name}.attn1", width, width, heads);
        norm2 = new LatentLayerNorm(weights, $"{name}.norm2", width, Epsilon);
        attn2 = new LatentAttention(weights, $"{name}.attn2", width, textWidth, heads);
        norm3 = new LatentLayerNorm(weights, $"{name}.norm3", width, Epsilon);
        ff = new LatentFeedForward(weights, $"{name}.ff", width);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens, torch.Tensor text)
    {
        using var scope = torch.NewDisposeScope();
        var own = norm1.call(tokens);
        var mixed = tokens + attn1.call(own, own);
        mixed = mixed + attn2.call(norm2.call(mixed), text);
        return (mixed + ff.call(norm3.call(mixed))).MoveToOuterDisposeScope();
    }
}

/// <summary>A transformer over the places of an image (batch, channels, height, width), conditioned on a text; it adds
/// to its input.</summary>
internal sealed class LatentTransformer : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
{
    private const double Epsilon = 1e-6;
    private readonly UNetGroupNorm norm;
    private readonly LatentConvolution proj_in,
        proj_out;
    private readonly ModuleList<LatentTransformerBlock> transformer_blocks;

    public LatentTransformer(WeightSource weights, string name, long channels, long textWidth, long heads, long groups)
        : base(nameof(LatentTransformer))
    {
        norm = new UNetGroupNorm(weights, $"{name}.norm", channels, groups, Epsilon);
        proj_in = new LatentConvolution(weights, $"{name}.proj_in", channels, channels, 1);
        transformer_blocks = torch.nn.ModuleList(
            new LatentTransformerBlock(weights, $"{name}.transformer_blocks.0", channels, textWidth, heads)
        );
        proj_out = new LatentConvolution(weights, $"{name}.proj_out", channels, channels, 1);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor images, torch.Tensor text)
    {
        using var scope = torch.NewDisposeScope();
        var inside = proj_in.call(norm.call(images));
        var tokens = transformer_blocks.Aggregate(
            inside.flatten(2).transpose(1, 2),
            (value, block) => block.call(value, text)
        );
        return (images + proj_out.call(tokens.transpose(1, 2).reshape(images.shape))).MoveToOuterDisposeScope();
    }
}
