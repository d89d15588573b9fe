using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks;

/// <summary>An affine map of the last axis; its weights are given, so that nothing is drawn from torch's own
/// generator.</summary>
internal sealed class DitLinear : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight,
        bias;

    public DitLinear(Func<string, torch.Tensor> weights, string name)
        : base(nameof(DitLinear))
    {
        weight = new Parameter(weights($"{name}.weight"));
        bias = new Parameter(weights($"{name}.bias"));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input) => torch.nn.functional.linear(input, weight, bias);
}

/// <summary>Normalizes each token to mean 0 and variance 1, without weights.</summary>
internal sealed class DitNorm() : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(DitNorm))
{
    public override torch.Tensor forward(torch.Tensor tokens) =>
        torch.nn.functional.layer_norm(tokens, [tokens.shape[^1]], null, null, 1e-6);
}

/// <summary>x · sigmoid(x).</summary>
internal sealed class DitSiLU() : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(DitSiLU))
{
    public override torch.Tensor forward(torch.Tensor input) => torch.nn.functional.silu(input);
}

/// <summary>The Gaussian error linear unit in its form with tanh.</summary>
internal sealed class DitGelu() : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(DitGelu))
{
    public override torch.Tensor forward(torch.Tensor input) => torch.nn.functional.gelu(input, GELU.Approximate.tanh);
}

/// <summary>Layers one after another, named by number.</summary>
internal sealed class DitSequence : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    // In an array, so that they are registered by number only.
    private readonly torch.nn.Module<torch.Tensor, torch.Tensor>[] layers;

    public DitSequence(params torch.nn.Module<torch.Tensor, torch.Tensor>[] layers)
        : base(nameof(DitSequence))
    {
        this.layers = layers;
        for (var i = 0; i < layers.Length; i++)
            register_module($"{i}", layers[i]);
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        using var scope = torch.NewDisposeScope();
        return layers.Aggregate(input, (value, layer) => layer.call(value)).MoveToOuterDisposeScope();
    }
}

/// <summary>Cuts images (batch, channels, size, size) into patches and maps each to a token: (batch, tokens,
/// width).</summary>
internal sealed class DitPatches : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly DitPatchMap proj;

    public DitPatches(Func<string, torch.Tensor> weights, string name)
        : base(nameof(DitPatches))
    {
        proj = new DitPatchMap(weights, $"{name}.proj");
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor images)
    {
        using var scope = torch.NewDisposeScope();
        return proj.call(images).flatten(2).transpose(1, 2).MoveToOuterDisposeScope();
    }
}

/// <summary>A convolution whose stride is its width.</summary>
internal sealed class DitPatchMap : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight,
        bias;

    public DitPatchMap(Func<string, torch.Tensor> weights, string name)
        : base(nameof(DitPatchMap))
    {
        weight = new Parameter(weights($"{name}.weight"));
        bias = new Parameter(weights($"{name}.bias"));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor images) =>
        torch.nn.functional.conv2d(images, weight, bias, strides: [weight.shape[2], weight.shape[3]]);
}

/// <summary>Turns times (batch), whole or not, into vectors (batch, width): cosines, then sines, of the time at rates
/// from 1 down to 1/10000, and two layers.</summary>
internal sealed class DitTimes : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly DitSequence mlp;

    public DitTimes(Func<string, torch.Tensor> weights, string name)
        : base(nameof(DitTimes))
    {
        mlp = new DitSequence(
            new DitLinear(weights, $"{name}.mlp.0"),
            new DitSiLU(),
            new DitLinear(weights, $"{name}.mlp.2")
        );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor times)
    {
        using var scope = torch.NewDisposeScope();
        return mlp.call(Waves(times, DitShapes.Frequencies)).MoveToOuterDisposeScope();
    }

    /// <summary>Cosines, then sines, of times (batch) at rates from 1 down to 1/10000: (batch, width).</summary>
    public static torch.Tensor Waves(torch.Tensor times, long width)
    {
        using var scope = torch.NewDisposeScope();
        var half = width / 2;
        var rates = torch
            .arange(half, dtype: times.dtype, device: times.device)
            .mul_(-Math.Log(10000))
            .div_(half)
            .exp_();
        var angles = times.unsqueeze(1) * rates;
        return torch.cat([angles.cos(), angles.sin()], 1).MoveToOuterDisposeScope();
    }
}

/// <summary>A table of vectors, one a label.</summary>
internal sealed class DitTable : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight;

    public DitTable(Func<string, torch.Tensor> weights, string name)
        : base(nameof(DitTable))
    {
        weight = new Parameter(weights($"{name}.weight"));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor labels) => weight.index_select(0, labels);
}

/// <summary>Turns labels (batch), int64, into vectors (batch, width).</summary>
internal sealed class DitLabels : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly DitTable embedding_table;

    public DitLabels(Func<string, torch.Tensor> weights, string name)
        : base(nameof(DitLabels))
    {
        embedding_table = new DitTable(weights, $"{name}.embedding_table");
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor labels) => embedding_table.call(labels);
}
