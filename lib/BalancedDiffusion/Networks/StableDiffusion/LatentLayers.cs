using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks.StableDiffusion;

// What U-Net, autoencoder and text encoder share. The fields below have the names of the published state dicts:
// TorchSharp registers fields by their names.

/// <summary>A convolution with an odd kernel that keeps the size, or halves it at stride 2.</summary>
internal sealed class LatentConvolution : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight,
        bias;
    private readonly long stride,
        padding;

    public LatentConvolution(
        WeightSource weights,
        string name,
        long inputs,
        long outputs,
        int kernel,
        int stride = 1,
        int? padding = null
    )
        : base(nameof(LatentConvolution))
    {
        (this.stride, this.padding) = (stride, padding ?? kernel / 2);
        weight = new Parameter(weights($"{name}.weight", outputs, inputs, kernel, kernel));
        bias = new Parameter(weights($"{name}.bias", outputs));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input) => Convolution.Apply(input, weight, bias, stride, padding);
}

/// <summary>Normalizes each token, then scales and shifts its units.</summary>
internal sealed class LatentLayerNorm : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight,
        bias;
    private readonly double epsilon;

    public LatentLayerNorm(WeightSource weights, string name, long width, double epsilon)
        : base(nameof(LatentLayerNorm))
    {
        this.epsilon = epsilon;
        weight = new Parameter(weights($"{name}.weight", width));
        bias = new Parameter(weights($"{name}.bias", width));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor tokens) =>
        torch.nn.functional.layer_norm(tokens, [tokens.shape[^1]], weight, bias, epsilon);
}

/// <summary>What stands in a published sequence at a place that does nothing here: dropout.</summary>
internal sealed class LatentNothing() : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(LatentNothing))
{
    public override torch.Tensor forward(torch.Tensor input) => input.alias();
}

/// <summary>
/// A residual block, <c>y = skip(x) + conv2(silu(norm2(conv1(silu(norm1(x))) + time_emb_proj(silu(e)))))</c>. The
/// published code runs one module for the three SiLUs; here <c>nonlinearity</c> is the last of them only,
/// so that one name means one representation (batch, channels, height, width), to be read, summed up and steered.
/// </summary>
internal sealed class LatentResidual : torch.nn.Module<torch.Tensor, torch.Tensor?, torch.Tensor>
{
    private readonly UNetGroupNorm norm1,
        norm2;
    private readonly UNetSilu nonlinearity = new();
    private readonly LatentConvolution conv1,
        conv2;
    private readonly LatentConvolution? conv_shortcut;
    private readonly UNetLinear? time_emb_proj;

    /// <param name="weights">Where its weights come from.</param>
    /// <param name="name">Its name among them.</param>
    /// <param name="inputs">The channels of its input, ≥ 1.</param>
    /// <param name="outputs">The channels of its output, ≥ 1.</param>
    /// <param name="embedding">The width of the time's embedding e, or 0 for a block that is told none.</param>
    /// <param name="groups">The groups of its normalizations, a divisor of both channel counts.</param>
    /// <param name="epsilon">What is added to a variance before its root, &gt; 0.</param>
    public LatentResidual(
        WeightSource weights,
        string name,
        long inputs,
        long outputs,
        long embedding,
        long groups,
        double epsilon
    )
        : base(nameof(LatentResidual))
    {
        norm1 = new UNetGroupNorm(weights, $"{name}.norm1", inputs, groups, epsilon);
        conv1 = new LatentConvolution(weights, $"{name}.conv1", inputs, outputs, 3);
        if (embedding > 0)
            time_emb_proj = new UNetLinear(weights, $"{name}.time_emb_proj", embedding, outputs);
        norm2 = new UNetGroupNorm(weights, $"{name}.norm2", outputs, groups, epsilon);
        conv2 = new LatentConvolution(weights, $"{name}.conv2", outputs, outputs, 3);
        if (inputs != outputs)
            conv_shortcut = new LatentConvolution(weights, $"{name}.conv_shortcut", inputs, outputs, 1);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input, torch.Tensor? embedding)
    {
        using var scope = torch.NewDisposeScope();
        var hidden = conv1.call(torch.nn.functional.silu(norm1.call(input)));
        if (time_emb_proj is not null)
            hidden = hidden + time_emb_proj.call(torch.nn.functional.silu(embedding!)).unsqueeze(-1).unsqueeze(-1);
        hidden = conv2.call(nonlinearity.call(norm2.call(hidden)));
        return ((conv_shortcut is null ? input : conv_shortcut.call(input)) + hidden).MoveToOuterDisposeScope();
    }
}

/// <summary>Halves the resolution.</summary>
internal sealed class LatentDownsampling : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly LatentConvolution conv;
    private readonly bool padsEndsOnly;

    /// <param name="weights">Where its weights come from.</param>
    /// <param name="name">Its name among them.</param>
    /// <param name="channels">The channels of its input and output, ≥ 1.</param>
    /// <param name="padsEndsOnly">Whether zeros are put at the right and the lower end only, as in the autoencoder, or
    /// at all four.</param>
    public LatentDownsampling(WeightSource weights, string name, long channels, bool padsEndsOnly)
        : base(nameof(LatentDownsampling))
    {
        this.padsEndsOnly = padsEndsOnly;
        conv = new LatentConvolution(
            weights,
            $"{name}.conv",
            channels,
            channels,
            3,
            stride: 2,
            padding: padsEndsOnly ? 0 : 1
        );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        using var scope = torch.NewDisposeScope();
        return conv.call(padsEndsOnly ? torch.nn.functional.pad(input, [0, 1, 0, 1]) : input).MoveToOuterDisposeScope();
    }
}

/// <summary>Doubles the resolution by repeating every place, then convolves.</summary>
internal sealed class LatentUpsampling : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly LatentConvolution conv;
    private readonly Stack<torch.Tensor>? skips;

    /// <param name="weights">Where its weights come from.</param>
    /// <param name="name">Its name among them.</param>
    /// <param name="channels">The channels of its input and output, ≥ 1.</param>
    /// <param name="skips">Where given, the next of these has the size wanted, which is one less than the double where
    /// a halving rounded up.</param>
    public LatentUpsampling(WeightSource weights, string name, long channels, Stack<torch.Tensor>? skips = null)
        : base(nameof(LatentUpsampling))
    {
        this.skips = skips;
        conv = new LatentConvolution(weights, $"{name}.conv", channels, channels, 3);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        using var scope = torch.NewDisposeScope();
        var (height, width) = (input.shape[2], input.shape[3]);
        // Several times as fast as torch's nearest interpolation, forward and backward.
        var doubled = input
            .reshape(input.shape[0], input.shape[1], height, 1, width, 1)
            .expand(-1, -1, -1, 2, -1, 2)
            .reshape(input.shape[0], input.shape[1], 2 * height, 2 * width);
        if (skips is not null)
            doubled = doubled.narrow(2, 0, skips.Peek().shape[2]).narrow(3, 0, skips.Peek().shape[3]);
        return conv.call(doubled).MoveToOuterDisposeScope();
    }
}
