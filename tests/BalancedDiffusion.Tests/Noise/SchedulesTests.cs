using BalancedDiffusion.Noise;

namespace BalancedDiffusion.Tests.Noise;

public class SchedulesTests
{
    [Fact]
    public void EighteenKarrasLevelsAreThoseOfTheFormula()
    {
        // The formula evaluated outside this library, to four decimals.
        double[] known = [80, 57.586, 40.7856, 28.3746, 19.3525, 12.9101, 8.4009, 5.3152, 3.2568, 1.9233, 1.0882, 0.5853, 0.2964, 0.1395, 0.0599, 0.0229, 0.0075, 0.002, 0];
        var levels = new KarrasSchedule().Levels(18);
        Assert.Equal(known.Length, levels.Count);
        foreach (var (k, level) in known.Zip(levels)) Assert.Equal(k, level, 1e-4);
    }

    [Fact]
    public void GeometricLevelsHaveOneRatioAndEndWithZero()
    {
        var levels = new GeometricSchedule(2, 0.02).Levels(60);
        Assert.Equal(61, levels.Count);
        Assert.Equal((2, 0.02, 0), (levels[0], levels[59], levels[60]));
        for (var i = 0; i < 59; i++) Assert.Equal(Math.Pow(0.01, 1.0 / 59), levels[i + 1] / levels[i], 1e-12);
        Assert.Equal([2.0, 0], new GeometricSchedule(2, 0.02).Levels(1));
        Assert.Equal([2.0, 0.02, 0], new KarrasSchedule(2, 0.02).Levels(2));
    }

    [Fact]
    public void BadNumbersAreNamed()
    {
        string Of(Action make) => Assert.ThrowsAny<ArgumentException>(make).Message;
        Assert.StartsWith("max must be above min = 2, was 1", Of(() => _ = new GeometricSchedule(1, 2)));
        Assert.StartsWith("min must be positive and finite, was 0", Of(() => _ = new KarrasSchedule(1, 0)));
        Assert.StartsWith("rho must be positive and finite, was -1", Of(() => _ = new KarrasSchedule(1, 0.1, -1)));
        Assert.StartsWith("steps must be at least 1, was 0", Of(() => new KarrasSchedule().Levels(0)));
    }
}
