using MathNet.Numerics.Integration;

namespace BalancedDiffusion.Theory;

/// <summary>
/// The normal distribution of two standard variables U, V with correlation r, and the moments of their rectified
/// shifts, which are the building blocks of <see cref="ExactExpectedLoss"/>. All functions are defined for every r in
/// [-1, 1], the ends included.
/// </summary>
public static class BivariateNormal
{
    /// <summary>Below this value of 1 - r² the two variables are taken as equal or opposite; the error is of order
    /// 1e-14.</summary>
    private const double Degenerate = 1e-28;

    /// <summary>Beyond nine standard deviations a tail holds less than 2e-19 and is dropped.</summary>
    private const double Far = 9;

    private static readonly GaussLegendreRule Rule = new(-1, 1, 20);

    // The rule is symmetric: its ten positive nodes, from the greatest down, and their weights.
    private static readonly double[] Nodes = [.. Rule.Abscissas.Where(node => node > 0).OrderDescending()];
    private static readonly double[] Weights = [.. Rule.Weights.Reverse().Take(Nodes.Length)];

    /// <summary><c>Phi2(a, b; r) = P(U ≤ a, V ≤ b)</c>, absolute error below 1e-14.</summary>
    /// <param name="a">The first limit; infinities allowed.</param>
    /// <param name="b">The second limit; infinities allowed.</param>
    /// <param name="r">The correlation, in [-1, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">r is outside [-1, 1], or an argument is NaN.</exception>
    public static double Cumulative(double a, double b, double r)
    {
        Check(a, b, r);
        return Cumulative(a, b, r, (1 - r) * (1 + r));
    }

    /// <summary>The density <c>phi2(a, b; r)</c>.</summary>
    /// <param name="a">The first coordinate.</param>
    /// <param name="b">The second coordinate.</param>
    /// <param name="r">The correlation, in (-1, 1): at the ends the distribution has no density.</param>
    /// <exception cref="ArgumentOutOfRangeException">r is outside (-1, 1), or an argument is NaN.</exception>
    public static double Density(double a, double b, double r)
    {
        Check(a, b, r);
        if (Math.Abs(r) == 1)
            throw new ArgumentOutOfRangeException(
                nameof(r),
                $"r must be strictly between -1 and 1 for a density, was {r}"
            );
        var q2 = (1 - r) * (1 + r);
        return Math.Exp(-((a - r * b) * (a - r * b) / q2 + b * b) / 2) / (2 * Math.PI * Math.Sqrt(q2));
    }

    /// <summary><c>E[(a + U)_+ (b + V)_+]</c>, the second moment of two rectified units.</summary>
    /// <param name="a">The first mean in units of its standard deviation, finite.</param>
    /// <param name="b">The second one.</param>
    /// <param name="r">The correlation, in [-1, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">r is outside [-1, 1], or an argument is NaN.</exception>
    public static double RectifiedProduct(double a, double b, double r)
    {
        Check(a, b, r);
        return Moments(a, b, r, (1 - r) * (1 + r)).Product;
    }

    /// <summary>What the loss and its gradient need of one pair of units, in units of their standard
    /// deviations.</summary>
    /// <param name="Product">E[(a+U)_+ (b+V)_+].</param>
    /// <param name="Both">P(a+U &gt; 0, b+V &gt; 0), the derivative of Product by r.</param>
    /// <param name="GateFirst">E[1(a+U &gt; 0) (b+V)_+], the derivative of Product by a.</param>
    /// <param name="GateSecond">E[(a+U)_+ 1(b+V &gt; 0)], the derivative of Product by b.</param>
    /// <param name="EdgeFirst">E[delta(a+U) (b+V)_+].</param>
    /// <param name="EdgeSecond">E[(a+U)_+ delta(b+V)].</param>
    internal readonly record struct PairMoments(
        double Product,
        double Both,
        double GateFirst,
        double GateSecond,
        double EdgeFirst,
        double EdgeSecond
    );

    /// <summary>All moments of a pair; <paramref name="q2"/> is 1 - r², handed over because near |r| = 1 the caller
    /// knows it better than r tells.</summary>
    internal static PairMoments Moments(double a, double b, double r, double q2)
    {
        if (a < -Far || b < -Far)
            return default;
        if (a > Far && b > Far)
            return new(a * b + r, 1, b, a, 0, 0);
        double both = Cumulative(a, b, r, q2),
            densityA = StandardNormal.Density(a),
            densityB = StandardNormal.Density(b);
        // a - r b and b - r a, written so that no digits of 1 - |r| are lost: divided by q they would come back as
        // noise.
        double q = Math.Sqrt(q2),
            gap = q2 / (1 + Math.Abs(r));
        double restA = r > 0 ? a - b + gap * b : a + b - gap * b,
            restB = r > 0 ? b - a + gap * a : a + b - gap * a;
        double tA = Ratio(restA, q),
            tB = Ratio(restB, q);
        double edgeA = densityA * StandardNormal.Cumulative(tB),
            edgeB = densityB * StandardNormal.Cumulative(tA);
        // phi(a) phi(tB) = phi(b) phi(tA): the exponent is the same quadratic form.
        var corner = q * densityA * StandardNormal.Density(tB);
        return new(
            Math.Max(0, (a * b + r) * both + a * edgeB + b * edgeA + corner),
            both,
            Math.Max(0, b * both + edgeB + r * edgeA),
            Math.Max(0, a * both + edgeA + r * edgeB),
            Math.Max(0, restB * edgeA + corner),
            Math.Max(0, restA * edgeB + q * densityB * StandardNormal.Density(tA))
        );
    }

    private static double Ratio(double rest, double q) =>
        q > 0 ? rest / q
        : rest == 0 ? 0
        : rest > 0 ? double.PositiveInfinity
        : double.NegativeInfinity;

    internal static double Cumulative(double a, double b, double r, double q2)
    {
        if (a < -Far || b < -Far)
            return a < -39 || b < -39 ? 0
                : Math.Abs(r) < 0.925 ? Math.Max(0, Interior(-a, -b, r))
                : Math.Max(0, Edge(-a, -b, r, q2));
        if (a > Far)
            return StandardNormal.Cumulative(b);
        if (b > Far)
            return StandardNormal.Cumulative(a);
        return Math.Clamp(Math.Abs(r) < 0.925 ? Interior(-a, -b, r) : Edge(-a, -b, r, q2), 0, 1);
    }

    /// <summary>
    /// P(U &gt; h, V &gt; k) as <c>Phi(-h) Phi(-k) + ∫_0^r phi2(h, k; t) dt</c> with t = sin(angle), which takes the
    /// root from the denominator (Drezner and Wesolowsky 1990).
    /// </summary>
    private static double Interior(double h, double k, double r)
    {
        double product = h * k,
            half = (h * h + k * k) / 2,
            angle = Math.Asin(r),
            sum = 0;
        for (var i = 0; i < Nodes.Length; i++)
        {
            var low = Math.Sin(angle * (1 - Nodes[i]) / 2);
            var high = Math.Sin(angle * (1 + Nodes[i]) / 2);
            sum +=
                Weights[i]
                * (
                    Math.Exp((low * product - half) / (1 - low * low))
                    + Math.Exp((high * product - half) / (1 - high * high))
                );
        }
        return sum * angle / (4 * Math.PI) + StandardNormal.Cumulative(-h) * StandardNormal.Cumulative(-k);
    }

    /// <summary>
    /// The same near |r| = 1: the value at the end of the range less the integral from there, of which the leading
    /// terms in 1 - t² are integrated by hand and only the smooth remainder by quadrature (Genz 2004).
    /// </summary>
    private static double Edge(double h, double k, double r, double q2)
    {
        var opposite = r < 0;
        if (opposite)
            k = -k;
        var missing = 0.0;
        if (q2 > Degenerate)
        {
            double product = h * k,
                gap = Math.Abs(h - k),
                gap2 = gap * gap,
                q = Math.Sqrt(q2);
            double c = (4 - product) / 8,
                e = (12 - product) / 80;
            var exponent = -(gap2 / q2 + product) / 2;
            if (exponent > -100)
                missing = q * Math.Exp(exponent) * (1 - c * (gap2 - q2) * (1 - e * gap2) / 3 + c * e * q2 * q2);
            if (product > -100)
                missing -=
                    Math.Exp(-product / 2)
                    * Math.Sqrt(2 * Math.PI)
                    * StandardNormal.Cumulative(-gap / q)
                    * gap
                    * (1 - c * gap2 * (1 - e * gap2) / 3);
            var half = q / 2;
            for (var i = 0; i < Nodes.Length; i++)
            for (var side = -1; side <= 1; side += 2)
            {
                var x2 = half * (1 + side * Nodes[i]);
                x2 *= x2;
                var inner = -(gap2 / x2 + product) / 2;
                if (inner <= -100)
                    continue;
                var root = Math.Sqrt(1 - x2);
                var exact = Math.Exp(-product * x2 / (2 * (1 + root) * (1 + root))) / root;
                missing += half * Weights[i] * Math.Exp(inner) * (exact - (1 + c * x2 * (1 + 5 * e * x2)));
            }
            missing /= 2 * Math.PI;
        }
        if (!opposite)
            return StandardNormal.Cumulative(-Math.Max(h, k)) - missing;
        if (h >= k)
            return missing;
        var end =
            h < 0
                ? StandardNormal.Cumulative(k) - StandardNormal.Cumulative(h)
                : StandardNormal.Cumulative(-h) - StandardNormal.Cumulative(-k);
        return end + missing;
    }

    private static void Check(double a, double b, double r)
    {
        if (double.IsNaN(a))
            throw new ArgumentOutOfRangeException(nameof(a), "a must be a number, was NaN");
        if (double.IsNaN(b))
            throw new ArgumentOutOfRangeException(nameof(b), "b must be a number, was NaN");
        if (!(Math.Abs(r) <= 1))
            throw new ArgumentOutOfRangeException(nameof(r), $"r must be a correlation in [-1, 1], was {r}");
    }
}
