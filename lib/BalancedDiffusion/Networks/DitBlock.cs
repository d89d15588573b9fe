using TorchSharp;

namespace BalancedDiffusion.Networks;

/// <summary>Self-attention over the tokens.</summary>
internal sealed class DitAttention : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear qkv,
        proj;
    private readonly long heads;

    public DitAttention(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitAttention))
    {
        heads = options.Heads;
        qkv = new UNetLinear(weights, $"{name}.qkv", options.HiddenSize, 3 * options.HiddenSize);
        proj = new UNetLinear(weights, $"{name}.proj", options.HiddenSize, options.HiddenSize);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        var (batch, count, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2]);
        // (3, batch, heads, tokens, width of a head)
        var parts = qkv.call(tokens).reshape(batch, count, 3, heads, width / heads).permute(2, 0, 3, 1, 4);
        var mixed = torch.nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2]);
        return proj.call(mixed.transpose(1, 2).reshape(batch, count, width)).MoveToOuterDisposeScope();
    }
}

/// <summary>The two layers that each token passes by itself; <c>act</c> gives the representation between
/// them.</summary>
internal sealed class DitMlp : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly UNetLinear fc1,
        fc2;
    private readonly DitGelu act = new();

    public DitMlp(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitMlp))
    {
        fc1 = new UNetLinear(weights, $"{name}.fc1", options.HiddenSize, options.MlpSize);
        fc2 = new UNetLinear(weights, $"{name}.fc2", options.MlpSize, options.HiddenSize);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens)
    {
        using var scope = torch.NewDisposeScope();
        return fc2.call(act.call(fc1.call(tokens))).MoveToOuterDisposeScope();
    }
}

/// <summary>A block with adaLN-Zero: the condition (batch, width) shifts and scales what attention and MLP are given,
/// and gates what they add.</summary>
internal sealed class DitBlock : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly DitNorm norm1 = new(),
        norm2 = new();
    private readonly DitAttention attn;
    private readonly DitMlp mlp;
    private readonly DitSequence adaLN_modulation;

    public DitBlock(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitBlock))
    {
        attn = new DitAttention(weights, $"{name}.attn", options);
        mlp = new DitMlp(weights, $"{name}.mlp", options);
        adaLN_modulation = DitSequence.Modulation(weights, name, options.HiddenSize, 6);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens, torch.Tensor condition)
    {
        using var scope = torch.NewDisposeScope();
        // Each (batch, 1, width): shift, scale and gate of the attention, then of the MLP.
        var m = adaLN_modulation.call(condition).unsqueeze(1).chunk(6, 2);
        var attended = tokens + m[2] * attn.call(Modulate(norm1.call(tokens), m[0], m[1]));
        return (attended + m[5] * mlp.call(Modulate(norm2.call(attended), m[3], m[4]))).MoveToOuterDisposeScope();
    }

    /// <summary><c>tokens · (1 + scale) + shift</c>.</summary>
    public static torch.Tensor Modulate(torch.Tensor tokens, torch.Tensor shift, torch.Tensor scale) =>
        tokens * (scale + 1) + shift;
}

/// <summary>Blocks named by number; they are called one by one.</summary>
internal sealed class DitBlocks : torch.nn.Module
{
    private readonly DitBlock[] blocks;

    public DitBlocks(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitBlocks))
    {
        blocks = new DitBlock[options.Depth];
        for (var i = 0; i < blocks.Length; i++)
            register_module($"{i}", blocks[i] = new DitBlock(weights, $"{name}.{i}", options));
    }

    public IReadOnlyList<DitBlock> Items => blocks;
}

/// <summary>The last layer: tokens to the numbers of their patches, (batch, tokens, patch · patch ·
/// channels).</summary>
internal sealed class DitFinal : torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>
{
    private readonly DitNorm norm_final = new();
    private readonly UNetLinear linear;
    private readonly DitSequence adaLN_modulation;

    public DitFinal(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitFinal))
    {
        linear = new UNetLinear(
            weights,
            $"{name}.linear",
            options.HiddenSize,
            options.PatchSize * options.PatchSize * options.OutputChannels
        );
        adaLN_modulation = DitSequence.Modulation(weights, name, options.HiddenSize, 2);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens, torch.Tensor condition)
    {
        using var scope = torch.NewDisposeScope();
        var m = adaLN_modulation.call(condition).unsqueeze(1).chunk(2, 2);
        return linear.call(DitBlock.Modulate(norm_final.call(tokens), m[0], m[1])).MoveToOuterDisposeScope();
    }
}
