using BalancedDiffusion.Statistics;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>Whether one factor, as a network reads it off images, has the same distribution in generated and in real
/// images.</summary>
/// <param name="Factor">The factor's name.</param>
/// <param name="Statistic">The Kolmogorov–Smirnov distance of the two sets of readings, in [0, 1].</param>
/// <param name="PValue">Of this factor alone.</param>
/// <param name="AdjustedPValue">Corrected by Holm for all factors that were compared together.</param>
public sealed record FactorAgreement(string Factor, double Statistic, double PValue, double AdjustedPValue)
{
    /// <summary>Compares the readings of generated images with those of real ones. Both must be read by the same
    /// network, so that its errors are in both.</summary>
    /// <param name="factors">The names, one a column.</param>
    /// <param name="real">(n, factors), floating point.</param>
    /// <param name="generated">(m, factors).</param>
    /// <returns>One row a factor, in the order given.</returns>
    /// <exception cref="ArgumentException">Readings have another shape, are empty or not finite, or names and columns
    /// differ in number.</exception>
    public static IReadOnlyList<FactorAgreement> Of(
        IReadOnlyList<string> factors,
        torch.Tensor real,
        torch.Tensor generated
    )
    {
        ArgumentNullException.ThrowIfNull(factors);
        using var scope = torch.NewDisposeScope();
        var (a, b) = FeatureInput.Pair(real, generated, 1, nameof(real), nameof(generated));
        if (factors.Count != a.shape[1])
            throw new ArgumentException(
                $"{a.shape[1]} columns of readings need as many names, was {factors.Count}",
                nameof(factors)
            );
        double[] Column(torch.Tensor readings, int i) => readings.narrow(1, i, 1).contiguous().data<double>().ToArray();
        var tests = factors.Select((_, i) => KolmogorovSmirnov.Of(Column(a, i), Column(b, i))).ToArray();
        var adjusted = HolmCorrection.Of([.. tests.Select(test => test.PValue)]);
        return
        [
            .. factors.Select((name, i) => new FactorAgreement(name, tests[i].Statistic, tests[i].PValue, adjusted[i])),
        ];
    }
}
