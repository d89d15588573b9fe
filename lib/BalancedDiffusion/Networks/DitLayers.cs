using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks;

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

    /// <summary>The condition turned into <paramref name="parts"/> vectors that shift, scale or gate.</summary>
    public static DitSequence Modulation(WeightSource weights, string name, long width, int parts) =>
        new(new DitSiLU(), new UNetLinear(weights, $"{name}.adaLN_modulation.1", width, parts * width));

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

    public DitPatches(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitPatches))
    {
        proj = new DitPatchMap(weights, $"{name}.proj", options);
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

    public DitPatchMap(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitPatchMap))
    {
        weight = new Parameter(
            weights($"{name}.weight", options.HiddenSize, options.Channels, options.PatchSize, options.PatchSize)
        );
        bias = new Parameter(weights($"{name}.bias", options.HiddenSize));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor images) =>
        Convolution.Apply(images, weight, bias, stride: weight.shape[^1]);
}

/// <summary>Turns times (batch), whole or not, into vectors (batch, width): cosines, then sines, of the time at rates
/// from 1 down to 1/10000, and two layers.</summary>
internal sealed class DitTimes : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    /// <summary>The length of the sinusoids that a timestep is turned into.</summary>
    private const long Frequencies = 256;

    private readonly DitSequence mlp;

    public DitTimes(WeightSource weights, string name, long width)
        : base(nameof(DitTimes))
    {
        mlp = new DitSequence(
            new UNetLinear(weights, $"{name}.mlp.0", Frequencies, width),
            new DitSiLU(),
            new UNetLinear(weights, $"{name}.mlp.2", width, width)
        );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor times)
    {
        using var scope = torch.NewDisposeScope();
        return mlp.call(Waves(times, Frequencies)).MoveToOuterDisposeScope();
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

/// <summary>Turns labels (batch), int64, into vectors (batch, width).</summary>
internal sealed class DitLabels : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly VectorTable embedding_table;

    public DitLabels(WeightSource weights, string name, DitOptions options)
        : base(nameof(DitLabels))
    {
        embedding_table = new VectorTable(
            weights,
            $"{name}.embedding_table",
            options.HasEmptyLabel ? options.Classes + 1 : options.Classes,
            options.HiddenSize
        );
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor labels) => embedding_table.call(labels);
}
