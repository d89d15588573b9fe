using BalancedDiffusion.Protocols;
using FsCheck;
using FsCheck.Fluent;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Protocols;

public class AttributeErrorTests
{
    [Fact]
    public void ItsNumbersAreThoseWorkedOutByHand()
    {
        // Errors 0, 1, -1, 2: mean square 6/4. Truth 1, 2, 3, 4: variance 5/4. Ranks of the readings 1, 3, 2, 4: rho =
        // 1 - 6·2/(4·15).
        var error = AttributeError.Measure("smile", [1, 3, 2, 6], [1, 2, 3, 4]);
        Assert.Equal("smile", error.Name);
        Assert.Equal(Math.Sqrt(1.5), error.RootMeanSquare, 12);
        Assert.Equal(1 - 1.5 / 1.25, error.ExplainedVariance, 12);
        Assert.Equal(0.8, error.Spearman, 12);
        // Of six pairs, only (2, 3) is read the wrong way round.
        Assert.Equal(5.0 / 6, error.Concordance, 12);
    }

    [Fact]
    public void TiedTruthsShareTheirRank()
    {
        // Truth 0, 0, 1, 1 has ranks 1.5, 1.5, 3.5, 3.5; readings have 1, 2, 4, 3. Their correlation: 4/sqrt(4·5).
        var error = AttributeError.Measure("glasses", [0.1, 0.2, 0.9, 0.8], [0, 0, 1, 1]);
        Assert.Equal(4 / Math.Sqrt(20), error.Spearman, 12);
        // Squares 0.01, 0.04, 0.01, 0.04 over a variance of 1/4.
        Assert.Equal(1 - 0.025 / 0.25, error.ExplainedVariance, 12);
        Assert.Equal(1, error.Concordance, 12);
    }

    [Fact]
    public void OfAYesOrNoAttributeConcordanceIsTheAreaUnderTheCurve()
    {
        double[] yes = [0.9, 0.4, 0.4, 0.7],
            no = [0.1, 0.4, 0.8];
        var error = AttributeError.Measure("glasses", [.. yes, .. no], [1, 1, 1, 1, 0, 0, 0]);
        // 0.9 is above all three, 0.7 above two, each 0.4 above one and level with one.
        Assert.Equal((3 + 2 + 1.5 + 1.5) / 12, error.Concordance, 12);
    }

    [Fact]
    public void PerfectTheMeanAndTheReverse()
    {
        double[] truth = [-2, 0, 5, 9];
        Assert.Equal(
            new AttributeError("x", 0, 1, 1, 1),
            AttributeError.Measure("x", truth, truth) with
            {
                Spearman = 1,
            }
        );
        Assert.Equal(1, AttributeError.Measure("x", truth, truth).Spearman, 12);
        Assert.Equal(0, AttributeError.Measure("x", [3, 3, 3, 3.0000001], truth).ExplainedVariance, 6);
        Assert.Equal(-1, AttributeError.Measure("x", [9, 5, 0, -2], truth).Spearman, 12);
        Assert.Equal(0, AttributeError.Measure("x", [9, 5, 0, -2], truth).Concordance, 12);
        Assert.Equal(0.5, AttributeError.Measure("x", [3, 3, 3, 3], truth).Concordance, 12);
    }

    [Fact]
    public void UnitsScaleTheErrorAndNothingElse() =>
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true),
            Prop.ForAll(
                Gen.Choose(-100, 100).ArrayOf(8).Where(a => a.Distinct().Count() > 1).Two().ToArbitrary(),
                Gen.Choose(1, 50).ToArbitrary(),
                Gen.Choose(-9, 9).ToArbitrary(),
                (lists, factor, shift) =>
                {
                    double[] read = [.. lists.Item1.Select(v => (double)v)],
                        truth = [.. lists.Item2.Select(v => (double)v)];
                    var plain = AttributeError.Measure("x", read, truth);
                    var scaled = AttributeError.Measure(
                        "x",
                        [.. read.Select(v => v * factor + shift)],
                        [.. truth.Select(v => v * factor + shift)]
                    );
                    Assert.Equal(
                        factor * plain.RootMeanSquare,
                        scaled.RootMeanSquare,
                        1e-9 * factor * (1 + plain.RootMeanSquare)
                    );
                    Assert.Equal(
                        plain.ExplainedVariance,
                        scaled.ExplainedVariance,
                        1e-9 * (1 + Math.Abs(plain.ExplainedVariance))
                    );
                    Assert.Equal(plain.Spearman, scaled.Spearman, 1e-9);
                    Assert.InRange(plain.Spearman, -1 - 1e-12, 1 + 1e-12);
                }
            )
        );

    [Fact]
    public void BadListsAreRefused()
    {
        Refused<ArgumentException>(
            "readings and truth must be as many, at least three, were 3 and 4",
            () => AttributeError.Measure("x", [1, 2, 3], [1, 2, 3, 4])
        );
        Refused<ArgumentException>("at least three, were 2 and 2", () => AttributeError.Measure("x", [1, 2], [1, 2]));
        Refused<ArgumentException>(
            "the truth of 'smile' is the same in all images",
            () => AttributeError.Measure("smile", [1, 2, 3], [0.1, 0.1, 0.1])
        );
        Assert.Throws<ArgumentNullException>(() => AttributeError.Measure("x", null!, [1, 2, 3]));
        Assert.Throws<ArgumentNullException>(() => AttributeError.Measure("x", [1, 2, 3], null!));
    }
}
