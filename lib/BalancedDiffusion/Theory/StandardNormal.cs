using MathNet.Numerics;

namespace BalancedDiffusion.Theory;

/// <summary>The standard normal distribution in one dimension.</summary>
internal static class StandardNormal
{
    private const double InverseRootTwoPi = 0.39894228040143267794;

    /// <summary>The density <c>phi(x)</c>.</summary>
    public static double Density(double x) => InverseRootTwoPi * Math.Exp(-0.5 * x * x);

    /// <summary>The distribution function <c>Phi(x)</c>, accurate in the lower tail.</summary>
    public static double Cumulative(double x) =>
        x > 9 ? 1
        : x < -39 ? 0
        : 0.5 * SpecialFunctions.Erfc(-x * Constants.Sqrt1Over2);
}
