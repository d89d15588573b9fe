using BalancedDiffusion.Runtime;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// The ReLU-DAE for all noise levels at once, the paper's ReLU diffusion: <c>h = relu(W y)</c>, gains <c>g =
/// exp(MLP(log sigma))</c> with an MLP 1 → width → p whose last layer starts at zero (so that g starts at one), and
/// <c>f(y, sigma) = Wᵀ(h ∘ g) + s y</c> with a learned scalar s that starts at zero. One weight matrix serves every
/// level; only the gains and the skip know the noise. Parameter names are the authors': <c>encoder.weight</c> (p, d),
/// <c>skip</c>, <c>time_mlp.0.*</c>, <c>time_mlp.2.*</c>.
/// </summary>
public sealed class ReluDiffusion : torch.nn.Module, IDenoiser
{
    private readonly WeightOnly encoder;
    private readonly Parameter skip;
    private readonly GainNetwork time_mlp;

    // A module of its own, so that a hook can read and change h.
    private readonly ReLU relu = torch.nn.ReLU();

    /// <summary>A model with W drawn uniformly in ±sqrt(6/d), as torch's kaiming_uniform_ draws, and gains of
    /// one.</summary>
    /// <param name="dimension">d, the length of a sample, ≥ 1.</param>
    /// <param name="units">p, the number of hidden units, ≥ 1; the authors take 256.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <param name="width">The width of the gain network, ≥ 1; the authors take 256.</param>
    /// <param name="activation">The gain network's nonlinearity.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public ReluDiffusion(
        long dimension,
        long units,
        long seed,
        long width = 256,
        GainActivation activation = GainActivation.SiLU,
        torch.ScalarType dtype = torch.ScalarType.Float32
    )
        : base(nameof(ReluDiffusion))
    {
        Guard.AtLeast(dimension, 1);
        Guard.AtLeast(units, 1);
        Guard.AtLeast(width, 1);
        using var scope = torch.NewDisposeScope();
        torch.Tensor Uniform(double bound, string what, params long[] shape)
        {
            using var generator = Seeds.Generator(Seeds.Derive(seed, what));
            return torch.rand(shape, dtype: dtype, generator: generator).mul_(2 * bound).sub_(bound);
        }
        encoder = new WeightOnly(Uniform(Math.Sqrt(6.0 / dimension), "encoder", units, dimension));
        skip = new Parameter(torch.zeros([], dtype: dtype));
        // The first layer as torch's Linear draws it with one input: weight and bias in ±1.
        time_mlp = new GainNetwork(
            Uniform(1, "time_mlp.0.weight", width, 1),
            Uniform(1, "time_mlp.0.bias", width),
            torch.zeros([units, width], dtype: dtype),
            torch.zeros([units], dtype: dtype),
            activation
        );
        RegisterComponents();
        // A module owns its parameters: they outlive the dispose scope it was made in.
        foreach (var parameter in parameters())
            parameter.DetachFromDisposeScope();
    }

    /// <summary>d, the length of a sample.</summary>
    public long Dimension => Encoder.shape[1];

    /// <summary>p, the number of hidden units.</summary>
    public long Units => Encoder.shape[0];

    /// <summary>The width of the gain network.</summary>
    public long Width => time_mlp.Width;

    /// <summary>The gain network's nonlinearity.</summary>
    public GainActivation Activation => time_mlp.Activation;

    /// <summary>W, shape (p, d): row j is the weight of unit j, for encoding and decoding alike. The live
    /// parameter.</summary>
    public Parameter Encoder => encoder.Weight;

    /// <summary>s, the weight of the skip connection, a scalar. The live parameter.</summary>
    public Parameter Skip => skip;

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => [Dimension];

    /// <summary>The representation <c>h = relu(W y)</c>, before the gains: the output of the module
    /// <c>relu</c>.</summary>
    /// <param name="noisy">Samples, (batch, d).</param>
    /// <returns>Representations, (batch, p), ≥ 0.</returns>
    public torch.Tensor Encode(torch.Tensor noisy) => ReluDae.Hidden(relu, Encoder, noisy);

    /// <summary>The gains <c>g = exp(MLP(log sigma))</c>.</summary>
    /// <param name="sigma">Noise levels, &gt; 0: a scalar tensor or shape (batch).</param>
    /// <returns>Gains &gt; 0, (1, p) for a scalar, else (batch, p).</returns>
    public torch.Tensor Gains(torch.Tensor sigma)
    {
        ArgumentNullException.ThrowIfNull(sigma);
        if (sigma.dim() > 1)
            throw new ArgumentException(
                $"sigma must be a scalar or have shape (batch), was ({string.Join(", ", sigma.shape)})",
                nameof(sigma)
            );
        using var scope = torch.NewDisposeScope();
        return time_mlp.call(sigma.to_type(Encoder.dtype).reshape(-1, 1).log()).exp().MoveToOuterDisposeScope();
    }

    /// <summary>The output for given representations, <c>Wᵀ(h ∘ g(sigma)) + s y</c>, which is what steering
    /// edits.</summary>
    /// <param name="representation">h, (batch, p).</param>
    /// <param name="noisy">The noisy samples that the skip connection passes on, (batch, d).</param>
    /// <param name="sigma">Noise levels, a scalar tensor or shape (batch).</param>
    /// <returns>Samples, (batch, d).</returns>
    public torch.Tensor Decode(torch.Tensor representation, torch.Tensor noisy, torch.Tensor sigma)
    {
        Guard.Shape(representation, [-1, Units]);
        Guard.TypeOf(Encoder, representation);
        Guard.Shape(noisy, [representation.shape[0], Dimension]);
        Guard.TypeOf(Encoder, noisy);
        using var scope = torch.NewDisposeScope();
        var gains = Gains(sigma);
        if (gains.shape[0] != 1 && gains.shape[0] != noisy.shape[0])
            throw new ArgumentException(
                $"sigma must be a scalar or have one level for each of the {noisy.shape[0]} samples, had "
                    + $"{gains.shape[0]}",
                nameof(sigma)
            );
        return torch.matmul(representation * gains, Encoder).add(skip * noisy).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
    {
        using var scope = torch.NewDisposeScope();
        return Decode(Encode(noisy), noisy, sigma).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var level = torch.full([], sigma, dtype: Encoder.dtype, device: Encoder.device);
        return Decode(Encode(noisy), noisy, level).MoveToOuterDisposeScope();
    }

    // Parameters lie in fields of their own names: a move to another type or device replaces them there.
    private sealed class WeightOnly : torch.nn.Module
    {
        private readonly Parameter weight;

        public WeightOnly(torch.Tensor weight)
            : base("encoder")
        {
            this.weight = new Parameter(weight);
            register_parameter("weight", this.weight);
        }

        public Parameter Weight => weight;
    }

    private sealed class GainNetwork : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        // In an array, so that they are registered by number only and not under the names of fields as well.
        private readonly Affine[] layers;

        public GainNetwork(
            torch.Tensor firstWeight,
            torch.Tensor firstBias,
            torch.Tensor lastWeight,
            torch.Tensor lastBias,
            GainActivation activation
        )
            : base("time_mlp")
        {
            layers = [new Affine(firstWeight, firstBias), new Affine(lastWeight, lastBias)];
            if (!Enum.IsDefined(activation))
                throw new ArgumentOutOfRangeException(
                    nameof(activation),
                    $"activation must be SiLU or ReLU, was {activation}"
                );
            Activation = activation;
            // Number 1 is the nonlinearity between them.
            register_module("0", layers[0]);
            register_module("2", layers[1]);
        }

        public GainActivation Activation { get; }

        public long Width => layers[0].Weight.shape[0];

        public override torch.Tensor forward(torch.Tensor logSigma)
        {
            using var scope = torch.NewDisposeScope();
            var hidden = layers[0].call(logSigma);
            var activated = Activation == GainActivation.SiLU ? torch.nn.functional.silu(hidden) : hidden.relu();
            return layers[1].call(activated).MoveToOuterDisposeScope();
        }
    }

    private sealed class Affine : torch.nn.Module<torch.Tensor, torch.Tensor>
    {
        private readonly Parameter weight,
            bias;

        public Affine(torch.Tensor weight, torch.Tensor bias)
            : base(nameof(Affine))
        {
            (this.weight, this.bias) = (new Parameter(weight), new Parameter(bias));
            register_parameter("weight", this.weight);
            register_parameter("bias", this.bias);
        }

        public Parameter Weight => weight;

        public override torch.Tensor forward(torch.Tensor input) => torch.nn.functional.linear(input, weight, bias);
    }
}
