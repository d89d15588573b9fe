using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Training;

/// <summary>
/// What the gradient of a ReLU-DAE costs by each estimator, in multiplications and additions of float32 as a matrix
/// product does them. The products are counted; the constants of what else a step does are estimates, not fitted to
/// measurements. They decide which estimator is taken, where both cost about the same.
/// </summary>
public static class GradientCost
{
    // An entry of a batch: gather, normal number, error. A pre-activation: normal number and the passes over it.
    private const double PerEntry = 150,
        PerGatheredEntry = 20,
        PerActivation = 250;

    // Cholesky factor and inverse in float64, and the calls of a step.
    private const double PerCubedUnit = 4,
        PerProjectedStep = 8e6,
        PerSampledStep = 3e6;

    /// <summary>The cost of a step with noise drawn in the samples.</summary>
    /// <param name="batch">Samples a step, ≥ 1.</param>
    /// <param name="dimension">d, ≥ 1.</param>
    /// <param name="units">p, ≥ 1.</param>
    public static double Sampled(long batch, long dimension, long units)
    {
        Check(batch, dimension, units);
        double b = batch,
            d = dimension,
            p = units;
        return 10 * b * d * p + PerEntry * b * d + PerSampledStep;
    }

    /// <summary>The cost of a step with noise drawn in the pre-activations.</summary>
    /// <param name="batch">Samples a step, ≥ 1.</param>
    /// <param name="dimension">d, ≥ 1.</param>
    /// <param name="units">p, ≥ 1.</param>
    /// <param name="isTied">Whether decoder and encoder are one matrix.</param>
    /// <param name="noiseDraws">Noises a sample: 1 or an even number.</param>
    public static double Projected(long batch, long dimension, long units, bool isTied, int noiseDraws)
    {
        Check(batch, dimension, units);
        ProjectedStep.CheckDraws(noiseDraws);
        double b = batch,
            d = dimension,
            p = units,
            matrices = isTied ? 1 : 2,
            pairs = Math.Max(1, noiseDraws / 2);
        var withRows = matrices * 4 * (b + p) * d * p;
        var betweenUnits = (noiseDraws + pairs) * 4 * b * p * p;
        return withRows
            + betweenUnits
            + PerGatheredEntry * b * d
            + PerActivation * noiseDraws * b * p
            + PerCubedUnit * p * p * p
            + PerProjectedStep;
    }

    private static void Check(long batch, long dimension, long units)
    {
        Guard.AtLeast(batch, 1);
        Guard.AtLeast(dimension, 1);
        Guard.AtLeast(units, 1);
    }
}
