using BalancedDiffusion.Theory;
using FsCheck;
using FsCheck.Fluent;
using MathNet.Numerics;
using MathNet.Numerics.Integration;

namespace BalancedDiffusion.Tests.Theory;

public class BivariateNormalTests
{
    private static double Phi(double x) => 0.5 * SpecialFunctions.Erfc(-x / Math.Sqrt(2));

    private static double Density(double x) => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);

    /// <summary>E g(U) over u &gt; -a, in panels fine enough for an inner function that turns within 1 - |r|.</summary>
    private static double Integrate(double low, double high, double centre, double width, Func<double, double> f)
    {
        var cuts = new SortedSet<double> { low, high };
        foreach (var step in new[] { 0.0, 1, 3, 6, 10, 20, 40 })
        foreach (var cut in new[] { centre - step * width, centre + step * width })
            if (cut > low && cut < high)
                cuts.Add(cut);
        for (var x = Math.Ceiling(low); x < high; x++)
            if (x > low)
                cuts.Add(x);
        return cuts.Zip(cuts.Skip(1), (a, b) => GaussLegendreRule.Integrate(f, a, b, 64)).Sum();
    }

    /// <summary>P(U ≤ a, V ≤ b) by one-dimensional quadrature of the conditional distribution: another route than
    /// the code's.</summary>
    private static double ByQuadrature(double a, double b, double r)
    {
        var q = Math.Sqrt((1 - r) * (1 + r));
        return a <= -12
            ? 0
            : Integrate(-12, Math.Min(a, 12), b / r, q / Math.Abs(r), u => Density(u) * Phi((b - r * u) / q));
    }

    public static TheoryData<double, double, double> Grid()
    {
        var data = new TheoryData<double, double, double>();
        foreach (
            var r in new[]
            {
                -0.999999,
                -0.99,
                -0.93,
                -0.92,
                -0.5,
                -0.01,
                0.01,
                0.3,
                0.9,
                0.924,
                0.926,
                0.95,
                0.999,
                0.9999999,
            }
        )
        foreach (
            var (a, b) in new[]
            {
                (0.0, 0.0),
                (1.0, -0.5),
                (-1.5, -1.5),
                (2.0, 2.0000001),
                (3.0, -3.0),
                (-4.0, 1.0),
                (0.3, 6.0),
                (7.5, 0.1),
            }
        )
            data.Add(a, b, r);
        return data;
    }

    [Theory]
    [MemberData(nameof(Grid))]
    public void TheDistributionFunctionMeetsQuadratureOfTheConditionalDistribution(double a, double b, double r) =>
        Assert.Equal(ByQuadrature(a, b, r), BivariateNormal.Cumulative(a, b, r), 2e-13);

    [Theory]
    [InlineData(-1.0)]
    [InlineData(-0.95)]
    [InlineData(-0.3)]
    [InlineData(0.0)]
    [InlineData(0.5)]
    [InlineData(0.999)]
    [InlineData(1.0)]
    public void AtTheOriginItIsAQuarterPlusTheArcsineOverTwoPi(double r) =>
        Assert.Equal(0.25 + Math.Asin(r) / (2 * Math.PI), BivariateNormal.Cumulative(0, 0, r), 1e-15);

    [Fact]
    public void AtTheEndsTheLawFallsOnALine()
    {
        foreach (var a in new[] { -3.0, -0.2, 0, 1.7 })
        foreach (var b in new[] { -2.5, -0.2, 0.2, 3 })
        {
            Assert.Equal(Phi(Math.Min(a, b)), BivariateNormal.Cumulative(a, b, 1), 1e-15);
            Assert.Equal(Math.Max(0, Phi(a) - Phi(-b)), BivariateNormal.Cumulative(a, b, -1), 1e-15);
        }
    }

    [Theory]
    [InlineData(double.PositiveInfinity, 0.7, 0.5, 0.7580363477769270)]
    [InlineData(0.7, double.PositiveInfinity, -0.99, 0.7580363477769270)]
    [InlineData(double.NegativeInfinity, 0.7, 0.5, 0)]
    [InlineData(double.PositiveInfinity, double.PositiveInfinity, -1, 1)]
    public void InfiniteLimitsLeaveTheOtherMargin(double a, double b, double r, double expected) =>
        Assert.Equal(expected, BivariateNormal.Cumulative(a, b, r), 1e-14);

    private static Arbitrary<(double A, double B, double R)> Points() =>
        Gen.Choose(-6000, 6000)
            .Two()
            .Zip(
                Gen.OneOf(
                    Gen.Choose(-10000, 10000).Select(i => i / 10000.0),
                    Gen.Choose(1, 16).Select(i => 1 - Math.Pow(10, -i)),
                    Gen.Choose(1, 16).Select(i => -1 + Math.Pow(10, -i))
                )
            )
            .Select(t => (t.Item1.Item1 / 1000.0, t.Item1.Item2 / 1000.0, t.Item2))
            .ToArbitrary();

    private static Config Many => Config.QuickThrowOnFailure.WithMaxTest(2000).WithQuietOnSuccess(true);

    [Fact]
    public void SwappingTheVariablesChangesNothing() =>
        Check.One(
            Many,
            Prop.ForAll(
                Points(),
                t =>
                    Math.Abs(BivariateNormal.Cumulative(t.A, t.B, t.R) - BivariateNormal.Cumulative(t.B, t.A, t.R))
                    < 1e-14
            )
        );

    [Fact]
    public void FlippingOneVariableTakesTheRestOfTheMargin() =>
        Check.One(
            Many,
            Prop.ForAll(
                Points(),
                t =>
                    Math.Abs(
                        BivariateNormal.Cumulative(t.A, t.B, t.R)
                            + BivariateNormal.Cumulative(t.A, -t.B, -t.R)
                            - Phi(t.A)
                    ) < 2e-14
            )
        );

    [Fact]
    public void ItRisesWithTheCorrelationAndStaysWithinFrechetsBounds() =>
        Check.One(
            Many,
            Prop.ForAll(
                Points(),
                Points(),
                (t, other) =>
                {
                    double low = Math.Min(t.R, other.R),
                        high = Math.Max(t.R, other.R);
                    double below = BivariateNormal.Cumulative(t.A, t.B, low),
                        above = BivariateNormal.Cumulative(t.A, t.B, high);
                    return below <= above + 1e-14
                        && below >= Math.Max(0, Phi(t.A) + Phi(t.B) - 1) - 1e-14
                        && above <= Math.Min(Phi(t.A), Phi(t.B)) + 1e-14;
                }
            )
        );

    [Theory]
    [MemberData(nameof(Grid))]
    public void TheRectifiedProductMeetsQuadrature(double a, double b, double r)
    {
        var q = Math.Sqrt((1 - r) * (1 + r));
        double Inner(double u)
        {
            double mean = b + r * u,
                t = mean / q;
            return Density(u) * (a + u) * (mean * Phi(t) + q * Density(t));
        }
        var truth = Integrate(-a, 14, -b / r, q / Math.Abs(r), Inner);
        Assert.Equal(truth, BivariateNormal.RectifiedProduct(a, b, r), 1e-12 * (1 + Math.Abs(truth)));
    }

    [Fact]
    public void TheRectifiedProductOfEqualVariablesIsTheSecondMomentAndOfOppositeOnesIsZero()
    {
        foreach (var a in new[] { -4.0, -1, 0, 0.5, 3, 20 })
        {
            Assert.Equal(
                (a * a + 1) * Phi(a) + a * Density(a),
                BivariateNormal.RectifiedProduct(a, a, 1),
                1e-13 * (1 + a * a)
            );
            Assert.Equal(0, BivariateNormal.RectifiedProduct(a, -a, -1), 1e-15);
        }
        Assert.Equal(1 / (2 * Math.PI), BivariateNormal.RectifiedProduct(0, 0, 0), 1e-15);
    }

    [Fact]
    public void TheDensityIsTheDerivativeOfTheDistributionByTheCorrelation()
    {
        foreach (var (a, b, r) in new[] { (0.3, -1.2, 0.4), (1.0, 1.1, 0.95), (-0.5, 0.6, -0.97) })
        {
            const double step = 1e-5;
            var slope =
                (BivariateNormal.Cumulative(a, b, r + step) - BivariateNormal.Cumulative(a, b, r - step)) / (2 * step);
            Assert.Equal(slope, BivariateNormal.Density(a, b, r), 1e-6);
        }
    }

    [Theory]
    [InlineData(0, 0, 1.1, "r must be a correlation in [-1, 1], was 1.1")]
    [InlineData(0, 0, double.NaN, "r must be a correlation in [-1, 1], was NaN")]
    [InlineData(double.NaN, 0, 0.5, "a must be a number, was NaN")]
    [InlineData(0, double.NaN, 0.5, "b must be a number, was NaN")]
    public void ABadArgumentIsNamed(double a, double b, double r, string message) =>
        Assert.StartsWith(
            message,
            Assert.Throws<ArgumentOutOfRangeException>(() => BivariateNormal.Cumulative(a, b, r)).Message
        );

    [Fact]
    public void ThereIsNoDensityAtTheEnds() =>
        Assert.StartsWith(
            "r must be strictly between -1 and 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => BivariateNormal.Density(0, 0, -1)).Message
        );
}
