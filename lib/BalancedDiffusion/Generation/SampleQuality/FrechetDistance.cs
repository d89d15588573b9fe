using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Double;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>
/// The squared Fréchet distance between Gaussians with the means and covariances of two sets of features (Dowson and
/// Landau 1982; Heusel et al. 2017, where the features are Inception's):
/// <c>‖μ1 - μ2‖² + tr(C1 + C2 - 2 (C1^½ C2 C1^½)^½)</c>. In the features' squared units. Values of different
/// networks, or of different numbers of samples, are not comparable: the estimate is biased upwards, by an amount that
/// falls as 1/n (Chong and Forsyth 2020).
/// </summary>
/// <param name="Value">The squared distance, ≥ 0 up to rounding.</param>
/// <param name="MeanTerm"><c>‖μ1 - μ2‖²</c>.</param>
/// <param name="CovarianceTerm">The trace; Value less MeanTerm.</param>
/// <param name="Clipped">The most negative eigenvalue that was set to 0, over the largest of its matrix: rounding, 0 to
/// about -1e-15. A covariance has no negative eigenvalues.</param>
public sealed record FrechetDistance(double Value, double MeanTerm, double CovarianceTerm, double Clipped)
{
    /// <summary>Compares two sets. With fewer samples than features a covariance is singular; the formula holds, since
    /// only square roots are taken, but the bias is then as large as the distance: compare with a floor of as many real
    /// samples.</summary>
    /// <param name="first">(n, d), floating point, n ≥ 2; d of a few hundred takes a second.</param>
    /// <param name="second">(m, d), m ≥ 2.</param>
    /// <exception cref="ArgumentException">A set has another shape, too few samples, or is not finite.</exception>
    public static FrechetDistance Of(torch.Tensor first, torch.Tensor second)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (a, b) = FeatureInput.Pair(first, second, 2, nameof(first), nameof(second));
        var (mean1, covariance1) = Moments(a);
        var (mean2, covariance2) = Moments(b);
        return OfMoments(mean1, covariance1, mean2, covariance2);
    }

    /// <summary>The distance between two Gaussians.</summary>
    internal static FrechetDistance OfMoments(
        double[] mean1,
        Matrix<double> covariance1,
        double[] mean2,
        Matrix<double> covariance2
    )
    {
        var clipped = 0.0;
        double[] Positive(Vector<double> eigenvalues)
        {
            var (least, most) = (eigenvalues.Minimum(), eigenvalues.Maximum());
            if (least < 0 && most > 0)
                clipped = Math.Min(clipped, least / most);
            return [.. eigenvalues.Select(value => Math.Max(0, value))];
        }
        var first = covariance1.Evd(Symmetricity.Symmetric);
        var roots = Positive(first.EigenValues.Map(value => value.Real)).Select(Math.Sqrt).ToArray();
        var root =
            first.EigenVectors
            * DiagonalMatrix.OfDiagonal(roots.Length, roots.Length, roots)
            * first.EigenVectors.Transpose();
        var product = root * covariance2 * root;
        var second = ((product + product.Transpose()) / 2).Evd(Symmetricity.Symmetric);
        var overlap = Positive(second.EigenValues.Map(value => value.Real)).Sum(Math.Sqrt);
        var meanTerm = mean1.Zip(mean2, (x, y) => (x - y) * (x - y)).Sum();
        var covarianceTerm = covariance1.Trace() + covariance2.Trace() - 2 * overlap;
        return new(meanTerm + covarianceTerm, meanTerm, covarianceTerm, clipped);
    }

    // The covariance divides by n - 1.
    private static (double[] Mean, Matrix<double> Covariance) Moments(torch.Tensor features)
    {
        using var scope = torch.NewDisposeScope();
        var d = (int)features.shape[1];
        var mean = features.mean([0L]);
        var centred = features - mean;
        var covariance = centred.t().matmul(centred) / (features.shape[0] - 1);
        // Symmetric, so that rows and columns may be exchanged.
        return (
            mean.data<double>().ToArray(),
            DenseMatrix.OfColumnMajor(d, d, covariance.contiguous().data<double>().ToArray())
        );
    }
}
