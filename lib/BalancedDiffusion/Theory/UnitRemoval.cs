using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// What a ReLU-DAE <c>f(y) = W2 [W1 y]_+</c> loses when units are switched off, in closed form. Without unit j the
/// output changes by <c>w2_j [w1_jᵀ y]_+</c>. At <c>y = x + sigma eps</c> its argument is normal with mean <c>a =
/// w1_jᵀ x</c> and standard deviation <c>b = sigma ‖w1_j‖</c>, so that the expected length of the change is
/// <c>‖w2_j‖ (a Phi(a/b) + b phi(a/b))</c>: the stored sample where a is its own, and next to nothing where a/b is
/// far below zero. Exact for one unit, an upper bound for several.
/// </summary>
public static class UnitRemoval
{
    /// <summary>The expected length of the change at each sample, summed over the units.</summary>
    /// <param name="network">The network.</param>
    /// <param name="units">The units that are switched off, each 0 to Units - 1.</param>
    /// <param name="samples">x, (n, d), floating point.</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <returns>One number a sample, ≥ 0.</returns>
    /// <exception cref="ArgumentException">The samples have another shape or are not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such unit, or sigma is not positive.</exception>
    public static IReadOnlyList<double> ExpectedChange(
        ReluDae network,
        IReadOnlyList<int> units,
        torch.Tensor samples,
        double sigma
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(units);
        Guard.Sigma(sigma);
        Guard.Shape(samples, [-1, network.Dimension]);
        foreach (var unit in units)
            if (unit < 0 || unit >= network.Units)
                throw new ArgumentOutOfRangeException(
                    nameof(units),
                    $"a unit must be 0 to {network.Units - 1}, was {unit}"
                );
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = Float64.Samples(samples, nameof(samples));
        var change = new double[rows.shape[0]];
        foreach (var unit in units.Distinct())
        {
            var (into, outOf) = (
                network.Encoder[unit].to_type(torch.float64).cpu(),
                network.Decoder[unit].to_type(torch.float64).cpu()
            );
            var (b, length) = (sigma * into.norm().item<double>(), outOf.norm().item<double>());
            var means = Float64.Array(rows.mv(into));
            for (var i = 0; i < change.Length; i++)
                change[i] += length * (b == 0 ? Math.Max(means[i], 0) : Rectified(means[i], b));
        }
        return change;
    }

    // The mean of the positive part of a normal number.
    private static double Rectified(double mean, double std) =>
        Math.Max(0, mean * StandardNormal.Cumulative(mean / std) + std * StandardNormal.Density(mean / std));
}
