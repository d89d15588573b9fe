using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Networks;

/// <summary>Which way a <see cref="UNetConvolution"/> changes the resolution.</summary>
internal enum UNetResampling
{
    None,
    Down,
    Up,
}

// The fields below have the names of the published state dict: TorchSharp registers fields by their names and replaces
// them when a module moves.

/// <summary>A fully connected layer.</summary>
internal sealed class UNetLinear : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight;
    private readonly Parameter? bias;

    public UNetLinear(WeightSource weights, string name, long inputs, long outputs, bool hasBias = true)
        : base(nameof(UNetLinear))
    {
        weight = new Parameter(weights($"{name}.weight", outputs, inputs));
        if (hasBias)
            bias = new Parameter(weights($"{name}.bias", outputs));
        RegisterComponents();
    }

    public long Inputs => weight.shape[1];

    public torch.ScalarType Type => weight.dtype;

    public torch.Device Device => weight.device;

    public override torch.Tensor forward(torch.Tensor input) => torch.nn.functional.linear(input, weight, bias);
}

/// <summary>A convolution that may first halve or double the resolution through a fixed low-pass filter; with a kernel
/// of 0 the filter is all there is.</summary>
internal sealed class UNetConvolution : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter? weight,
        bias;
    private readonly torch.Tensor? resample_filter;
    private readonly UNetResampling resampling;
    private readonly bool kernelFirst;

    /// <param name="weights">Where its tensors come from.</param>
    /// <param name="name">What it is called in the network.</param>
    /// <param name="inputs">The channels of its input, ≥ 1.</param>
    /// <param name="outputs">The channels of its output, ≥ 1.</param>
    /// <param name="kernel">The side of its kernel in pixels, odd, or 0 for none.</param>
    /// <param name="resampling">Whether it halves or doubles the resolution.</param>
    /// <param name="filterSide">The side of the low-pass filter in pixels; it is there where the resolution
    /// changes.</param>
    /// <param name="kernelFirst">Whether a halving convolution applies its kernel at the full resolution and then the
    /// filter, instead of the other way round.</param>
    public UNetConvolution(
        WeightSource weights,
        string name,
        long inputs,
        long outputs,
        int kernel,
        UNetResampling resampling = UNetResampling.None,
        int filterSide = 0,
        bool kernelFirst = false
    )
        : base(nameof(UNetConvolution))
    {
        (this.resampling, this.kernelFirst) = (resampling, kernelFirst);
        if (kernel > 0)
        {
            weight = new Parameter(weights($"{name}.weight", outputs, inputs, kernel, kernel));
            bias = new Parameter(weights($"{name}.bias", outputs));
        }
        if (resampling != UNetResampling.None)
            resample_filter = weights($"{name}{SongUNetInitialization.FilterName}", 1, 1, filterSide, filterSide);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input)
    {
        using var scope = torch.NewDisposeScope();
        var margin = weight is null ? 0 : weight.shape[^1] / 2;
        var filterMargin = resample_filter is null ? 0 : (resample_filter.shape[^1] - 1) / 2;
        if (resampling == UNetResampling.Down && kernelFirst)
        {
            var full = Convolution.Apply(input, weight!, padding: margin + filterMargin);
            return Convolution.PerChannel(full, resample_filter!, bias, stride: 2).MoveToOuterDisposeScope();
        }
        var x = resampling switch
        {
            UNetResampling.Down => Convolution.PerChannel(input, resample_filter!, stride: 2, padding: filterMargin),
            UNetResampling.Up => Convolution.TransposedPerChannel(input, resample_filter! * 4, 2, filterMargin),
            _ => input,
        };
        if (weight is not null)
            x = Convolution.Apply(x, weight, bias, padding: margin);
        return x.MoveToOuterDisposeScope();
    }
}

/// <summary>Group normalization.</summary>
internal sealed class UNetGroupNorm : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    private readonly Parameter weight,
        bias;
    private readonly long groups;
    private readonly double epsilon;

    /// <summary>At most 32 groups of at least four channels.</summary>
    public UNetGroupNorm(WeightSource weights, string name, long channels)
        : this(weights, name, channels, Groups(channels), 1e-6) { }

    public UNetGroupNorm(WeightSource weights, string name, long channels, long groups, double epsilon)
        : base(nameof(UNetGroupNorm))
    {
        (this.groups, this.epsilon) = (groups, epsilon);
        weight = new Parameter(weights($"{name}.weight", channels));
        bias = new Parameter(weights($"{name}.bias", channels));
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor input) =>
        torch.nn.functional.group_norm(input, groups, weight, bias, epsilon);

    private static long Groups(long channels)
    {
        var groups = Math.Min(32, channels / 4);
        return channels % groups == 0
            ? groups
            : throw new ArgumentException(
                $"a layer of {channels} channels cannot be normalized in {groups} equal groups; take a "
                    + "multiple of 32 as ModelChannels, or fewer"
            );
    }
}

/// <summary>The SiLU inside a block as a module of its own, so that what follows the nonlinearity can be read and
/// changed. It has no weights.</summary>
internal sealed class UNetSilu() : torch.nn.Module<torch.Tensor, torch.Tensor>(nameof(UNetSilu))
{
    public override torch.Tensor forward(torch.Tensor input) => torch.nn.functional.silu(input);
}

/// <summary>Cosines, then sines, of a number at several frequencies.</summary>
internal sealed class UNetNoiseEmbedding : torch.nn.Module<torch.Tensor, torch.Tensor>
{
    // The published state dict has a buffer of this name for the random frequencies only.
    private readonly torch.Tensor? freqs;
    private readonly long half;

    public UNetNoiseEmbedding(WeightSource weights, string name, long length, bool isRandom)
        : base(nameof(UNetNoiseEmbedding))
    {
        half = length / 2;
        if (isRandom)
            freqs = weights($"{name}.freqs", half);
        RegisterComponents();
    }

    public override torch.Tensor forward(torch.Tensor noise)
    {
        using var scope = torch.NewDisposeScope();
        var rates = freqs is not null
            ? freqs * (2 * Math.PI)
            : torch.tensor(
                Enumerable.Range(0, (int)half).Select(i => Math.Pow(1e-4, i / (half - 1.0))).ToArray(),
                dtype: noise.dtype,
                device: noise.device
            );
        var angles = torch.outer(noise, rates);
        return torch.cat([angles.cos(), angles.sin()], 1).MoveToOuterDisposeScope();
    }
}
