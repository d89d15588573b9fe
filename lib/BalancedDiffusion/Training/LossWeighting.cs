using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>How much the squared error of a sample counts by its noise level: training minimizes <c>E λ(sigma) ‖f(x
/// + sigma eps; sigma) - x‖²/d</c>.</summary>
public sealed record LossWeighting
{
    private readonly double sigmaData;

    private LossWeighting(double sigmaData) => this.sigmaData = sigmaData;

    /// <summary>Every level counts the same, <c>λ = 1</c>.</summary>
    public static LossWeighting None { get; } = new(0);

    /// <summary>
    /// The weighting of EDM (Karras et al. 2022, Table 1), <c>λ(sigma) = (sigma² + s²)/(sigma s)²</c>: it makes the
    /// error that the network inside <see cref="Networks.EdmPreconditioner"/> is trained on count the same at every
    /// level.
    /// </summary>
    /// <param name="sigmaData">s, the standard deviation of the data, &gt; 0; that of the preconditioner.</param>
    /// <exception cref="ArgumentOutOfRangeException">sigmaData is not positive and finite.</exception>
    public static LossWeighting Edm(double sigmaData = 0.5)
    {
        Guard.Positive(sigmaData);
        return new(sigmaData);
    }

    /// <summary>The weights of noise levels.</summary>
    /// <param name="sigma">Noise levels, all &gt; 0.</param>
    /// <returns>λ, &gt; 0, of the shape of <paramref name="sigma"/>, which the caller owns.</returns>
    public torch.Tensor Of(torch.Tensor sigma)
    {
        ArgumentNullException.ThrowIfNull(sigma);
        using var scope = torch.NewDisposeScope();
        if (sigmaData == 0)
            return torch.ones_like(sigma).MoveToOuterDisposeScope();
        // (sigma² + s²)/(sigma s)² is 1/s² + 1/sigma².
        return sigma.square().reciprocal().add(1 / (sigmaData * sigmaData)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override string ToString() =>
        sigmaData == 0 ? "none" : FormattableString.Invariant($"EDM with sigma_data {sigmaData:R}");
}
