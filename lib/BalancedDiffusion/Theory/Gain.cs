using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Theory;

/// <summary>
/// What one eigen-direction of one cluster is worth (behind Theorem 3.1). L is an eigenvalue of the cluster's
/// unnormalised second moment <c>X_k X_kᵀ</c>, n_k its number of samples and n that of all clusters. The objective,
/// as far as this direction goes, is <c>((1-s)² L + n_k sigma² s²)/n + 2 lambda s</c> for the gain s of <c>W2
/// W1ᵀ</c> along it.
/// </summary>
public static class Gain
{
    /// <summary>The minimizing gain, <c>s = (L - n lambda)_+ / (L + n_k sigma²)</c>, in [0, 1).</summary>
    /// <param name="eigenvalue">L ≥ 0.</param>
    /// <param name="clusterCount">n_k &gt; 0.</param>
    /// <param name="totalCount">n &gt; 0.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty, ≥ 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">An argument is out of range.</exception>
    public static double Of(double eigenvalue, double clusterCount, double totalCount, double sigma, double lambda)
    {
        Check(eigenvalue, clusterCount, totalCount, sigma, lambda);
        return Math.Max(0, eigenvalue - totalCount * lambda) / (eigenvalue + clusterCount * sigma * sigma);
    }

    /// <summary>By how much storing the direction lowers the objective, <c>g = (L - n lambda)_+² / (n (L + n_k
    /// sigma²))</c>.</summary>
    /// <inheritdoc cref="Of"/>
    public static double Reduction(
        double eigenvalue,
        double clusterCount,
        double totalCount,
        double sigma,
        double lambda
    )
    {
        Check(eigenvalue, clusterCount, totalCount, sigma, lambda);
        var above = Math.Max(0, eigenvalue - totalCount * lambda);
        return above * above / (totalCount * (eigenvalue + clusterCount * sigma * sigma));
    }

    /// <summary>The squared error that the direction adds to the loss at gain s, <c>((1-s)² L + n_k sigma²
    /// s²)/n</c>, penalty apart.</summary>
    internal static double Error(
        double gain,
        double eigenvalue,
        double clusterCount,
        double totalCount,
        double sigma
    ) => ((1 - gain) * (1 - gain) * eigenvalue + clusterCount * sigma * sigma * gain * gain) / totalCount;

    private static void Check(double eigenvalue, double clusterCount, double totalCount, double sigma, double lambda)
    {
        Guard.NotNegative(eigenvalue);
        Guard.Positive(clusterCount);
        Guard.Positive(totalCount);
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
    }
}
