using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Datasets.Mixtures;

/// <summary>One Gaussian N(mu, Sigma) of a mixture, with <c>Sigma = B diag(e) Bᵀ + s² I</c>, B of orthonormal
/// columns. Float64 on the CPU.</summary>
public sealed class GaussianComponent : IDisposable
{
    private GaussianComponent(
        double weight,
        torch.Tensor mean,
        torch.Tensor basis,
        torch.Tensor variances,
        double floor
    )
    {
        Weight = weight;
        Mean = mean.DetachFromDisposeScope();
        Basis = basis.DetachFromDisposeScope();
        Variances = variances.DetachFromDisposeScope();
        Floor = floor;
    }

    /// <summary>A component with a full covariance.</summary>
    /// <param name="weight">Its weight, &gt; 0; a mixture divides weights by their sum.</param>
    /// <param name="mean">mu, (d). Copied.</param>
    /// <param name="covariance">Sigma, (d, d), symmetric, positive semidefinite. Copied.</param>
    /// <exception cref="ArgumentException">A shape is wrong, a number is not finite, or the matrix is not a
    /// covariance.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight is not positive and finite.</exception>
    public static GaussianComponent Full(double weight, torch.Tensor mean, torch.Tensor covariance)
    {
        Guard.Positive(weight);
        Guard.Shape(mean, [-1]);
        Guard.Finite(mean);
        Guard.Shape(covariance, [mean.shape[0], mean.shape[0]]);
        Guard.Finite(covariance);
        if (mean.shape[0] == 0)
            throw new ArgumentException("mean must have at least one number, was empty", nameof(mean));
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var matrix = covariance.detach().cpu().to_type(torch.float64);
        var size = matrix.abs().max().item<double>();
        var skew = (matrix - matrix.t()).abs().max().item<double>();
        if (skew > 1e-6 * size)
            throw new ArgumentException(
                $"covariance must be symmetric, but two mirrored entries differ by {skew}",
                nameof(covariance)
            );
        var (values, vectors) = torch.linalg.eigh((matrix + matrix.t()) / 2);
        var least = values.min().item<double>();
        if (least < -1e-6 * size)
            throw new ArgumentException(
                $"covariance must be positive semidefinite, but its least eigenvalue is {least}",
                nameof(covariance)
            );
        return new GaussianComponent(weight, Copy(mean), vectors.contiguous(), values.clamp_min(0), 0);
    }

    /// <summary>A component with a low-rank covariance and an isotropic floor, <c>Sigma = U diag(variances) Uᵀ +
    /// floor I</c>; nothing of size d×d is formed.</summary>
    /// <param name="weight">Its weight, &gt; 0; a mixture divides weights by their sum.</param>
    /// <param name="mean">mu, (d). Copied.</param>
    /// <param name="factor">U, (d, r), 0 ≤ r ≤ d; its columns need not be orthonormal. Copied.</param>
    /// <param name="variances">(r), each ≥ 0.</param>
    /// <param name="floor">s², the variance in every direction besides, ≥ 0.</param>
    /// <exception cref="ArgumentException">A shape is wrong, a number is not finite, or a variance is
    /// negative.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The weight or the floor is out of its range.</exception>
    public static GaussianComponent LowRank(
        double weight,
        torch.Tensor mean,
        torch.Tensor factor,
        torch.Tensor variances,
        double floor
    )
    {
        Guard.Positive(weight);
        Guard.NotNegative(floor);
        Guard.Shape(mean, [-1]);
        Guard.Finite(mean);
        Guard.Shape(factor, [mean.shape[0], -1]);
        Guard.Finite(factor);
        Guard.Shape(variances, [factor.shape[1]]);
        Guard.Finite(variances);
        if (mean.shape[0] == 0)
            throw new ArgumentException("mean must have at least one number, was empty", nameof(mean));
        if (factor.shape[1] > mean.shape[0])
            throw new ArgumentException(
                $"factor must have at most d = {mean.shape[0]} columns, was {factor.shape[1]}; use Full",
                nameof(factor)
            );
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var spread = variances.detach().cpu().to_type(torch.float64);
        if (spread.numel() == 0)
            return new GaussianComponent(
                weight,
                Copy(mean),
                torch.zeros(mean.shape[0], 0, dtype: torch.float64),
                torch.zeros(0, dtype: torch.float64),
                floor
            );
        if (spread.min().item<double>() < 0)
            throw new ArgumentException(
                $"variances must be zero or more, was {spread.min().item<double>()}",
                nameof(variances)
            );
        // The singular values of U diag(sqrt(variances)) squared are the eigenvalues, its left vectors the basis.
        var (left, singular, _) = torch.linalg.svd(
            factor.detach().cpu().to_type(torch.float64) * spread.sqrt(),
            fullMatrices: false
        );
        return new GaussianComponent(weight, Copy(mean), left.contiguous(), singular.square(), floor);
    }

    private static torch.Tensor Copy(torch.Tensor vector) => vector.detach().cpu().to_type(torch.float64, copy: true);

    /// <summary>The weight as given; see <see cref="GaussianMixture.Weights"/> for the normalised ones.</summary>
    public double Weight { get; }

    /// <summary>mu, (d). Owned by the component.</summary>
    public torch.Tensor Mean { get; }

    /// <summary>B, (d, r), orthonormal columns. Owned by the component.</summary>
    public torch.Tensor Basis { get; }

    /// <summary>e, (r): the variance along each column of the basis beyond the floor, ≥ 0. Owned by the
    /// component.</summary>
    public torch.Tensor Variances { get; }

    /// <summary>s², the variance in every direction besides, ≥ 0.</summary>
    public double Floor { get; }

    /// <summary>d.</summary>
    public long Dimension => Basis.shape[0];

    /// <summary>r.</summary>
    public long Rank => Basis.shape[1];

    /// <summary>Sigma, a new (d, d) tensor.</summary>
    public torch.Tensor Covariance()
    {
        using var scope = torch.NewDisposeScope();
        return (
            (Basis * Variances).matmul(Basis.t()) + Floor * torch.eye(Dimension, dtype: torch.float64)
        ).MoveToOuterDisposeScope();
    }

    /// <summary>The second moment <c>S = mu muᵀ + Sigma</c>, a new (d, d) tensor.</summary>
    public torch.Tensor SecondMoment()
    {
        using var scope = torch.NewDisposeScope();
        return (Covariance() + Mean.outer(Mean)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Mean.Dispose();
        Basis.Dispose();
        Variances.Dispose();
    }
}
