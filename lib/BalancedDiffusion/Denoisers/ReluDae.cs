using BalancedDiffusion.Runtime;
using TorchSharp;
using TorchSharp.Modules;

namespace BalancedDiffusion.Denoisers;

/// <summary>
/// The two-layer ReLU denoising autoencoder of the paper, <c>f(y) = W2 relu(W1ᵀ y)</c> with W1, W2 of shape (d, p):
/// no bias, no skip connection, no noise-level input. Tied when W2 is W1. It is positively homogeneous: f(c y) = c f(y)
/// for c ≥ 0.
/// </summary>
public sealed class ReluDae : torch.nn.Module<torch.Tensor, torch.Tensor>, IDenoiser
{
    private readonly Parameter encoder;
    private readonly Parameter? decoder;

    // A module of its own, so that a hook can read and change h.
    private readonly ReLU relu = torch.nn.ReLU();

    /// <summary>A model with weights drawn uniformly in ±1/sqrt(d), as torch's Linear draws them.</summary>
    /// <param name="dimension">d, the length of a sample, ≥ 1.</param>
    /// <param name="units">p, the number of hidden units, ≥ 1.</param>
    /// <param name="seed">The seed of the draw.</param>
    /// <param name="tied">Whether the decoder is the encoder's transpose (one parameter).</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public ReluDae(
        long dimension,
        long units,
        long seed,
        bool tied = true,
        torch.ScalarType dtype = torch.ScalarType.Float32
    )
        : this(
            Draw(dimension, units, Seeds.Derive(seed, "encoder"), dtype),
            tied ? null : Draw(dimension, units, Seeds.Derive(seed, "decoder"), dtype)
        ) { }

    /// <summary>A model with given weights, which it takes over.</summary>
    /// <param name="encoder">W1ᵀ, shape (p, d): one row a unit.</param>
    /// <param name="decoder">W2ᵀ, shape (p, d), or null for a tied model.</param>
    /// <exception cref="ArgumentException">A shape is wrong, or a weight is not finite.</exception>
    public ReluDae(torch.Tensor encoder, torch.Tensor? decoder = null)
        : base(nameof(ReluDae))
    {
        Guard.Shape(encoder, [-1, -1]);
        Guard.Finite(encoder);
        this.encoder = new Parameter(encoder.detach());
        if (decoder is not null)
        {
            Guard.Shape(decoder, encoder.shape);
            Guard.Finite(decoder);
            this.decoder = new Parameter(decoder.detach());
        }
        RegisterComponents();
        // A module owns its parameters: they outlive the dispose scope it was made in.
        foreach (var parameter in parameters())
            parameter.DetachFromDisposeScope();
    }

    private static torch.Tensor Draw(long dimension, long units, long seed, torch.ScalarType dtype)
    {
        Guard.AtLeast(dimension, 1);
        Guard.AtLeast(units, 1);
        using var generator = Seeds.Generator(seed);
        var bound = 1 / Math.Sqrt(dimension);
        return torch.rand([units, dimension], dtype: dtype, generator: generator).mul_(2 * bound).sub_(bound);
    }

    /// <summary>d, the length of a sample.</summary>
    public long Dimension => encoder.shape[1];

    /// <summary>p, the number of hidden units.</summary>
    public long Units => encoder.shape[0];

    /// <summary>Whether decoder and encoder share one parameter.</summary>
    public bool IsTied => decoder is null;

    /// <summary>W1ᵀ, shape (p, d): row j is the column w_j of the paper's W1. The live parameter.</summary>
    public Parameter Encoder => encoder;

    /// <summary>W2ᵀ, shape (p, d); the encoder itself in a tied model. The live parameter.</summary>
    public Parameter Decoder => decoder ?? encoder;

    /// <inheritdoc/>
    public IReadOnlyList<long> SampleShape => [Dimension];

    /// <summary>The representation <c>h = relu(W1ᵀ y)</c>, the output of the module <c>relu</c>.</summary>
    /// <param name="noisy">Samples, (batch, d).</param>
    /// <returns>Representations, (batch, p), ≥ 0.</returns>
    public torch.Tensor Encode(torch.Tensor noisy) => Hidden(relu, encoder, noisy);

    /// <summary>The hidden layer of a ReLU network, <c>relu(W y)</c>, of checked samples.</summary>
    internal static torch.Tensor Hidden(ReLU relu, torch.Tensor encoder, torch.Tensor noisy)
    {
        Guard.Shape(noisy, [-1, encoder.shape[1]]);
        Guard.TypeOf(encoder, noisy);
        using var scope = torch.NewDisposeScope();
        return relu.call(torch.matmul(noisy, encoder.t())).MoveToOuterDisposeScope();
    }

    /// <summary>The reconstruction <c>W2 h</c> of representations, which is what steering edits.</summary>
    /// <param name="representation">Representations, (batch, p).</param>
    /// <returns>Samples, (batch, d).</returns>
    public torch.Tensor Decode(torch.Tensor representation)
    {
        Guard.Shape(representation, [-1, Units]);
        Guard.TypeOf(Encoder, representation);
        return torch.matmul(representation, Decoder);
    }

    /// <inheritdoc/>
    public override torch.Tensor forward(torch.Tensor noisy)
    {
        using var scope = torch.NewDisposeScope();
        return Decode(Encode(noisy)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => call(noisy);

    /// <inheritdoc/>
    public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
    {
        Guard.Sigma(sigma);
        using var noGrad = torch.no_grad();
        return call(noisy);
    }
}
