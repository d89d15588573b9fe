using BalancedDiffusion.Statistics;
using FsCheck;
using FsCheck.Fluent;

namespace BalancedDiffusion.Tests.Statistics;

public class RocCurveTests
{
    // Few distinct values, so that ties are the rule.
    private static readonly Arbitrary<double[]> Scores = ArbMap
        .Default.GeneratorFor<int>()
        .Select(i => (i % 7) / 2.0)
        .NonEmptyListOf()
        .Select(list => list.ToArray())
        .ToArbitrary();

    private static double[] Normal(Random random, int count, double mean) =>
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ =>
                    mean
                    + Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())
                ),
        ];

    [Fact]
    public void TheAreaIsTheShareOfPairsWonWithTiesCountedHalf() =>
        Prop.ForAll(
                Scores,
                Scores,
                (positives, negatives) =>
                {
                    var won = positives.Sum(p =>
                        negatives.Sum(n =>
                            p > n ? 1
                            : p == n ? 0.5
                            : 0
                        )
                    );
                    return Math.Abs(
                            new RocCurve(positives, negatives).Auroc - won / (positives.Length * negatives.Length)
                        ) < 1e-12;
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void TheTrapezoidsUnderThePointsAddUpToTheArea() =>
        Prop.ForAll(
                Scores,
                Scores,
                (positives, negatives) =>
                {
                    var roc = new RocCurve(positives, negatives);
                    var area = roc
                        .Points.Zip(
                            roc.Points.Skip(1),
                            (a, b) =>
                                (b.FalsePositiveRate - a.FalsePositiveRate)
                                * (a.TruePositiveRate + b.TruePositiveRate)
                                / 2
                        )
                        .Sum();
                    return Math.Abs(area - roc.Auroc) < 1e-12;
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void EveryPointCountsTheScoresAboveItsThreshold() =>
        Prop.ForAll(
                Scores,
                Scores,
                (positives, negatives) =>
                {
                    var points = new RocCurve(positives, negatives).Points;
                    return points[0] is { FalsePositiveRate: 0, TruePositiveRate: 0 }
                        && points[^1] is { FalsePositiveRate: 1, TruePositiveRate: 1 }
                        && points.All(q =>
                            q.FalsePositiveRate == negatives.Count(s => s > q.Threshold) / (double)negatives.Length
                            && q.TruePositiveRate == positives.Count(s => s > q.Threshold) / (double)positives.Length
                        );
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void NoThresholdWithinTheAllowedRateFlagsMorePositives() =>
        Prop.ForAll(
                Scores,
                Scores,
                ArbMap.Default.GeneratorFor<byte>().Select(b => b / 255.0).ToArbitrary(),
                (positives, negatives, rate) =>
                {
                    var roc = new RocCurve(positives, negatives);
                    var chosen = roc.TruePositiveRateAt(rate);
                    var best = roc.Points.Where(q => q.FalsePositiveRate <= rate + 1e-12).Max(q => q.TruePositiveRate);
                    return chosen.FalsePositiveRate <= rate + 1e-12 && chosen.TruePositiveRate == best;
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void ExchangingTheSetsMirrorsTheArea() =>
        Prop.ForAll(
                Scores,
                Scores,
                (positives, negatives) =>
                    Math.Abs(new RocCurve(positives, negatives).Auroc + new RocCurve(negatives, positives).Auroc - 1)
                    < 1e-12
            )
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData(new[] { 3.0, 4 }, new[] { 1.0, 2 }, 1)]
    [InlineData(new[] { 1.0, 2 }, new[] { 3.0, 4 }, 0)]
    [InlineData(new[] { 1.0, 1 }, new[] { 1.0 }, 0.5)]
    [InlineData(new[] { 0.8, 0.4, 0.35 }, new[] { 0.1, 0.35, 0.6 }, (3 + 2 + 1.5) / 9)]
    [InlineData(new[] { double.PositiveInfinity, 0 }, new[] { double.NegativeInfinity, 0 }, 3.5 / 4)]
    public void KnownAreas(double[] positives, double[] negatives, double area) =>
        Assert.Equal(area, new RocCurve(positives, negatives).Auroc, 12);

    [Fact]
    public void TheThresholdIsTheQuantileOfTheNegatives()
    {
        double[] negatives = [.. Enumerable.Range(1, 100)];
        var point = new RocCurve([99.5, 99, 98, 101], negatives).TruePositiveRateAt(0.01);
        Assert.Equal(new RocPoint(99, 0.01, 0.5), point);
        Assert.Equal(new RocPoint(71, 0.29, 1), new RocCurve([99.5, 99, 98, 101], negatives).TruePositiveRateAt(0.29));
        Assert.Equal(new RocPoint(100, 0, 0.25), new RocCurve([99.5, 99, 98, 101], negatives).TruePositiveRateAt(0));
        Assert.Equal(new RocPoint(double.NegativeInfinity, 1, 1), new RocCurve([0], negatives).TruePositiveRateAt(1));
    }

    [Fact]
    public void TheAreaOfTwoNormalsApproachesPhiOfTheirDistanceOverRootTwo()
    {
        var random = new Random(1);
        const int count = 4000;
        var roc = new RocCurve(Normal(random, count, 1.5), Normal(random, count, 0));
        // The variance of the area is below A(1 - A)/min(P, N).
        // Phi(1.5/√2).
        var truth = 0.8555778168267576;
        Assert.InRange(
            roc.Auroc,
            truth - 4 * Math.Sqrt(truth * (1 - truth) / count),
            truth + 4 * Math.Sqrt(truth * (1 - truth) / count)
        );
    }

    [Fact]
    public void TheBootstrapIntervalCoversTheTrueAreaAboutAsOftenAsItSays()
    {
        var random = new Random(2);
        // Phi(1/√2).
        var truth = 0.7602499389065233;
        const int repeats = 300;
        var covered = Enumerable
            .Range(0, repeats)
            .Count(i => new RocCurve(Normal(random, 60, 1), Normal(random, 60, 0)).Bootstrap(300, i).Contains(truth));
        // Four standard deviations of a binomial at 0.95, and two points for the percentile interval's known shortfall
        // at this size.
        Assert.InRange(
            covered / (double)repeats,
            0.95 - 4 * Math.Sqrt(0.95 * 0.05 / repeats) - 0.02,
            0.95 + 4 * Math.Sqrt(0.95 * 0.05 / repeats)
        );
    }

    [Fact]
    public void WholeGroupsAreDrawnSoThatCopiesOfOneScoreAddNoCertainty()
    {
        var random = new Random(3);
        double[] positives = Normal(random, 40, 1),
            negatives = Normal(random, 40, 0);
        double[] copies = [.. positives.SelectMany(p => Enumerable.Repeat(p, 25))];
        int[] groups = [.. Enumerable.Range(0, copies.Length).Select(i => i / 25)];
        var alone = new RocCurve(positives, negatives).Bootstrap(2000, 1);
        var grouped = new RocCurve(copies, negatives).Bootstrap(2000, 1, positiveGroups: groups);
        var pretended = new RocCurve(copies, negatives).Bootstrap(2000, 1);
        Assert.InRange((grouped.High - grouped.Low) / (alone.High - alone.Low), 0.85, 1.15);
        Assert.True(pretended.High - pretended.Low < 0.9 * (alone.High - alone.Low));
    }

    [Fact]
    public void TheSameSeedGivesTheSameIntervalAndItHoldsTheEstimate()
    {
        var random = new Random(4);
        var roc = new RocCurve(Normal(random, 50, 1), Normal(random, 70, 0));
        Assert.Equal(roc.Bootstrap(200, 5), roc.Bootstrap(200, 5));
        Assert.NotEqual(roc.Bootstrap(200, 5), roc.Bootstrap(200, 6));
        var rate = roc.Bootstrap(r => r.TruePositiveRateAt(0.1).TruePositiveRate, 500, 5, 0.9);
        Assert.Equal(roc.TruePositiveRateAt(0.1).TruePositiveRate, rate.Estimate);
        Assert.True(rate.Contains(rate.Estimate));
        Assert.Equal((50, 70), (roc.PositiveCount, roc.NegativeCount));
    }

    [Fact]
    public void BadInputIsNamed()
    {
        Assert.StartsWith(
            "positives must hold at least one score, was empty",
            Assert.Throws<ArgumentException>(() => new RocCurve([], [1])).Message
        );
        Assert.StartsWith(
            "negatives holds NaN at index 1",
            Assert.Throws<ArgumentException>(() => new RocCurve([1], [0, double.NaN])).Message
        );
        var roc = new RocCurve([1, 2], [0]);
        Assert.StartsWith(
            "falsePositiveRate must be between 0 and 1, was 1.5",
            Assert.Throws<ArgumentOutOfRangeException>(() => roc.TruePositiveRateAt(1.5)).Message
        );
        Assert.StartsWith(
            "falsePositiveRate must be between 0 and 1, was NaN",
            Assert.Throws<ArgumentOutOfRangeException>(() => roc.TruePositiveRateAt(double.NaN)).Message
        );
        Assert.StartsWith(
            "samples must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => roc.Bootstrap(0, 1)).Message
        );
        Assert.StartsWith(
            "level must be above 0 and below 1, was 95",
            Assert.Throws<ArgumentOutOfRangeException>(() => roc.Bootstrap(10, 1, 95)).Message
        );
        Assert.StartsWith(
            "2 scores need as many positiveGroups, was 1",
            Assert.Throws<ArgumentException>(() => roc.Bootstrap(10, 1, positiveGroups: [0])).Message
        );
    }
}
