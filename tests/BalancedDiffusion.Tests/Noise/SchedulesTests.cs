using BalancedDiffusion.Noise;
using FsCheck;
using FsCheck.Fluent;

namespace BalancedDiffusion.Tests.Noise;

public class SchedulesTests
{
    private static readonly Config Quiet = Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(200);

    private static Gen<double> Share => Gen.Choose(0, 1_000_000).Select(i => i / 1e6);

    /// <summary>Schedules of every kind with random parameters.</summary>
    private static Gen<INoiseSchedule> Any =>
        Gen.OneOf(
            Share.Two().Select(p => (INoiseSchedule)new GeometricSchedule(0.5 + 100 * p.Item1, 1e-3 + 0.4 * p.Item2)),
            Share
                .Three()
                .Select(p =>
                    (INoiseSchedule)new KarrasSchedule(0.5 + 100 * p.Item1, 1e-3 + 0.4 * p.Item2, 0.5 + 10 * p.Item3)
                ),
            Share
                .Three()
                .Select(p =>
                    (INoiseSchedule)new VpLinearSchedule(0.01 + p.Item1, 2 + 30 * p.Item2, 1e-5 + 0.01 * p.Item3)
                ),
            Share
                .Zip(Gen.Choose(2, 3000))
                .Select(p => (INoiseSchedule)new VpCosineSchedule(1e-3 + 0.1 * p.Item1, p.Item2)),
            Share
                .Two()
                .Zip(Gen.Choose(2, 1500))
                .Select(p =>
                    (INoiseSchedule)
                        new ScaledLinearSchedule(1e-5 + 1e-3 * p.Item1.Item1, 2e-3 + 0.03 * p.Item1.Item2, p.Item2)
                )
        );

    [Fact]
    public void EighteenKarrasLevelsAreThoseOfTheFormula()
    {
        // The formula evaluated outside this library, to four decimals.
        double[] known =
        [
            80,
            57.586,
            40.7856,
            28.3746,
            19.3525,
            12.9101,
            8.4009,
            5.3152,
            3.2568,
            1.9233,
            1.0882,
            0.5853,
            0.2964,
            0.1395,
            0.0599,
            0.0229,
            0.0075,
            0.002,
            0,
        ];
        var levels = new KarrasSchedule().Levels(18);
        Assert.Equal(known.Length, levels.Count);
        foreach (var (k, level) in known.Zip(levels))
            Assert.Equal(k, level, 1e-4);
    }

    [Fact]
    public void GeometricLevelsHaveOneRatioAndEndWithZero()
    {
        var levels = new GeometricSchedule(2, 0.02).Levels(60);
        Assert.Equal(61, levels.Count);
        Assert.Equal((2, 0.02, 0), (levels[0], levels[59], levels[60]));
        for (var i = 0; i < 59; i++)
            Assert.Equal(Math.Pow(0.01, 1.0 / 59), levels[i + 1] / levels[i], 1e-12);
        Assert.Equal([2.0, 0], new GeometricSchedule(2, 0.02).Levels(1));
        Assert.Equal([2.0, 0.02, 0], new KarrasSchedule(2, 0.02).Levels(2));
        Assert.Equal(0.2, new GeometricSchedule(2, 0.02).Sigma(0.5), 1e-12);
    }

    // Each published formula evaluated outside this library: Stable Diffusion's by the product of its 1000 alphas with
    // 40 digits, the cosine's by the product of its 1000 clipped betas, Song's by the exponential with 40 digits.
    [Theory]
    [InlineData(0, 0.029167158152)]
    [InlineData(1, 0.041314411997)]
    [InlineData(10, 0.098291074381)]
    [InlineData(250, 0.695798937062)]
    [InlineData(750, 4.099164050712)]
    [InlineData(999, 14.614641229334)]
    public void StableDiffusionsLevelsAreThoseOfItsBetas(double timestep, double sigma) =>
        Known(new ScaledLinearSchedule(), timestep, sigma, 1e-10);

    [Theory]
    [InlineData(1e-3, 0.010485992787)]
    [InlineData(0.1, 0.340176529077)]
    [InlineData(0.5, 3.412918309069)]
    [InlineData(1, 152.166970283946)]
    public void TheLinearScheduleIsSongs(double t, double sigma) => Known(new VpLinearSchedule(), t, sigma, 1e-10);

    [Theory]
    [InlineData(1, 0.006425412771142061)]
    [InlineData(10, 0.025133252207645534)]
    [InlineData(500, 1.0123895639480032)]
    [InlineData(900, 6.364591868537911)]
    [InlineData(999, 641.6623451182054)]
    [InlineData(1000, 20291.169610019886)]
    public void TheCosineScheduleIsThatOfItsClippedBetas(double step, double sigma) =>
        Known(new VpCosineSchedule(), step / 1000, sigma, 1e-8);

    private static void Known(INoiseSchedule schedule, double t, double sigma, double tolerance)
    {
        Assert.Equal(1, schedule.Sigma(t) / sigma, tolerance);
        Assert.Equal(t, schedule.Time(sigma), 1e-8 * Math.Max(1, t));
    }

    [Fact]
    public void BetweenTwoTimestepsTheLogarithmOfSigmaIsLinear()
    {
        var schedule = new ScaledLinearSchedule();
        Assert.Equal(Math.Sqrt(schedule.Sigma(499) * schedule.Sigma(500)), schedule.Sigma(499.5), 1e-12);
        Assert.Equal(
            499.25,
            schedule.Time(Math.Pow(schedule.Sigma(499), 0.75) * Math.Pow(schedule.Sigma(500), 0.25)),
            1e-9
        );
    }

    [Fact]
    public void TheLinearScheduleSolvesItsEquation()
    {
        // d ln(1 + sigma²)/dt = beta(t), by central differences.
        var schedule = new VpLinearSchedule();
        foreach (var t in new[] { 0.01, 0.3, 0.9 })
        {
            double Log(double time) => Math.Log(1 + schedule.Sigma(time) * schedule.Sigma(time));
            Assert.Equal(0.1 + 19.9 * t, (Log(t + 1e-4) - Log(t - 1e-4)) / 2e-4, 1e-5);
        }
    }

    [Fact]
    public void TimeIsTheInverseOfSigmaAndBothRise() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                Any.ToArbitrary(),
                Share.Two().ToArbitrary(),
                (schedule, shares) =>
                {
                    var (a, b) = (At(schedule, shares.Item1), At(schedule, shares.Item2));
                    var (low, high) = (Math.Min(a, b), Math.Max(a, b));
                    Assert.Equal(a, schedule.Time(schedule.Sigma(a)), 1e-7 * (schedule.MaxTime - schedule.MinTime));
                    Assert.Equal(1, schedule.Sigma(schedule.Time(schedule.Sigma(a))) / schedule.Sigma(a), 1e-9);
                    if (high > low)
                        Assert.True(schedule.Sigma(high) > schedule.Sigma(low), $"{schedule} at {low} and {high}");
                }
            )
        );

    [Fact]
    public void LevelsStrictlyDecreaseFromTheGreatestToTheLeastAndThenZero() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                Any.ToArbitrary(),
                Gen.Choose(1, 300).ToArbitrary(),
                (schedule, steps) =>
                {
                    var levels = schedule.Levels(steps);
                    Assert.Equal(steps + 1, levels.Count);
                    Assert.Equal(schedule.Sigma(schedule.MaxTime), levels[0]);
                    Assert.Equal(0, levels[steps]);
                    if (steps > 1)
                        Assert.Equal(schedule.Sigma(schedule.MinTime), levels[steps - 1]);
                    for (var i = 0; i < steps; i++)
                        Assert.True(
                            levels[i] > levels[i + 1] && double.IsFinite(levels[i]),
                            $"{schedule}: {levels[i]} then {levels[i + 1]}"
                        );
                }
            )
        );

    [Fact]
    public void TimesAndLevelsOutsideAreNamed() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                Any.ToArbitrary(),
                Share.Where(s => s > 1e-3).ToArbitrary(),
                (schedule, share) =>
                {
                    var span = schedule.MaxTime - schedule.MinTime;
                    foreach (
                        var t in new[]
                        {
                            schedule.MaxTime + share * span,
                            schedule.MinTime - share * span,
                            double.NaN,
                            double.PositiveInfinity,
                        }
                    )
                        Assert.StartsWith(
                            $"t must be from {schedule.MinTime} to {schedule.MaxTime} in this schedule, was {t}",
                            Assert.Throws<ArgumentOutOfRangeException>(() => schedule.Sigma(t)).Message
                        );
                    foreach (
                        var sigma in new[]
                        {
                            schedule.Sigma(schedule.MaxTime) * (1 + share),
                            schedule.Sigma(schedule.MinTime) * (1 - share),
                            -1,
                            double.NaN,
                        }
                    )
                        Assert.StartsWith(
                            "sigma must be from ",
                            Assert.Throws<ArgumentOutOfRangeException>(() => schedule.Time(sigma)).Message
                        );
                }
            )
        );

    private static double At(INoiseSchedule schedule, double share) =>
        Math.Clamp(
            schedule.MinTime + share * (schedule.MaxTime - schedule.MinTime),
            schedule.MinTime,
            schedule.MaxTime
        );

    [Fact]
    public void SchedulesOfTheSameNumbersAreEqual()
    {
        Assert.Equal(new ScaledLinearSchedule(), new ScaledLinearSchedule(0.00085, 0.012));
        Assert.NotEqual(new ScaledLinearSchedule(), new ScaledLinearSchedule(count: 999));
        Assert.Equal(new VpCosineSchedule(), new VpCosineSchedule(0.008));
        Assert.Equal(new KarrasSchedule(), new KarrasSchedule(80));
    }

    [Fact]
    public void BadNumbersAreNamed()
    {
        string Of(Action make) => Assert.ThrowsAny<ArgumentException>(make).Message;
        Assert.StartsWith("max must be above min = 2, was 1", Of(() => _ = new GeometricSchedule(1, 2)));
        Assert.StartsWith("min must be positive and finite, was 0", Of(() => _ = new KarrasSchedule(1, 0)));
        Assert.StartsWith("rho must be positive and finite, was -1", Of(() => _ = new KarrasSchedule(1, 0.1, -1)));
        Assert.StartsWith("rho must leave 0.1 and 1 apart", Of(() => _ = new KarrasSchedule(1, 0.1, 1e300)));
        Assert.StartsWith("steps must be at least 1, was 0", Of(() => new KarrasSchedule().Levels(0)));
        Assert.StartsWith("betaMin must be positive and finite, was 0", Of(() => _ = new VpLinearSchedule(0)));
        Assert.StartsWith("betaMax must be above betaMin = 0.1, was 0.1", Of(() => _ = new VpLinearSchedule(0.1, 0.1)));
        Assert.StartsWith("betaMax must leave sigma(1) finite", Of(() => _ = new VpLinearSchedule(0.1, 1e4)));
        Assert.StartsWith("minTime must be between 0 and 1, was 1", Of(() => _ = new VpLinearSchedule(minTime: 1)));
        Assert.StartsWith("offset must be positive and finite, was 0", Of(() => _ = new VpCosineSchedule(0)));
        Assert.StartsWith("count must be at least 2, was 1", Of(() => _ = new VpCosineSchedule(count: 1)));
        Assert.StartsWith("count must be at least 2, was 1", Of(() => _ = new ScaledLinearSchedule(count: 1)));
        Assert.StartsWith(
            "betaEnd must be between betaStart = 0.00085 and 1, was 1",
            Of(() => _ = new ScaledLinearSchedule(betaEnd: 1))
        );
        Assert.StartsWith(
            "betaEnd must leave the greatest level finite, was 0.9",
            Of(() => _ = new ScaledLinearSchedule(betaEnd: 0.9, count: 5000))
        );
    }
}
