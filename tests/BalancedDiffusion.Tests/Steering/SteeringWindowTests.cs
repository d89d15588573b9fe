using BalancedDiffusion.Noise;
using BalancedDiffusion.Steering;
using FsCheck;
using FsCheck.Fluent;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Steering;

public class SteeringWindowTests
{
    private static readonly Config Quiet = Config.QuickThrowOnFailure.WithQuietOnSuccess(true);

    [Fact]
    public void BothEndsBelongToIt()
    {
        var window = new SteeringWindow(0.5, 2);
        Assert.Equal((0.5, 2.0), (window.Low, window.High));
        foreach (var sigma in new[] { 0.5, 0.50001, 1, 2 })
            Assert.True(window.Contains(sigma), $"{sigma}");
        foreach (var sigma in new[] { 0.4999, 2.001, 0, 80, double.NaN, double.PositiveInfinity })
            Assert.False(window.Contains(sigma), $"{sigma}");
        Assert.True(new SteeringWindow(1, 1).Contains(1));
        Assert.Equal(new SteeringWindow(0.5, 2), window);
    }

    [Fact]
    public void EverywhereHoldsEveryLevel()
    {
        foreach (var sigma in new[] { 1e-300, 1, 1e300 })
            Assert.True(SteeringWindow.Everywhere.Contains(sigma), $"{sigma}");
        Assert.Equal(SteeringWindow.Everywhere, new SteeringOptions().Window);
    }

    [Fact]
    public void TheStepsNamedAreInItAndNoOthers() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                Gen.Choose(1, 100_000).ArrayOf(12).ToArbitrary(),
                Gen.Choose(0, 10).Two().ToArbitrary(),
                Gen.Elements(true, false).ToArbitrary(),
                (gaps, ends, toZero) =>
                {
                    // Neighbours are at least one part in a hundred thousand apart, which float32 still tells.
                    var levels = new List<double> { 0.002 };
                    foreach (var gap in gaps)
                        levels.Insert(0, levels[0] * (1 + gap * 1e-5));
                    if (toZero)
                        levels.Add(0);
                    var (first, last) = (Math.Min(ends.Item1, ends.Item2), Math.Max(ends.Item1, ends.Item2));
                    var window = SteeringWindow.OfSteps(levels, first, last);
                    for (var i = 0; i < levels.Count; i++)
                    {
                        Assert.Equal(i >= first && i <= last, window.Contains(levels[i]));
                        Assert.Equal(i >= first && i <= last, window.Contains((float)levels[i]));
                    }
                }
            )
        );

    [Fact]
    public void TheAuthorsStepsAreHeldByTheirSchedule()
    {
        var levels = new KarrasSchedule(80, 0.002).Levels(40);
        var window = SteeringWindow.OfSteps(levels, 18, 37);
        Assert.Equal(
            Enumerable.Range(18, 20),
            Enumerable.Range(0, levels.Count).Where(i => window.Contains((float)levels[i]))
        );
    }

    [Fact]
    public void BadWindowsAreRefused()
    {
        void Out(string words, Action attempt) => Refused<ArgumentOutOfRangeException>(words, attempt);
        Out("High must be at least Low = 2, was 1", () => _ = new SteeringWindow(2, 1));
        Out("High must be at least Low = 0, was NaN", () => _ = new SteeringWindow(0, double.NaN));
        foreach (var low in new[] { -0.1, double.NegativeInfinity, double.PositiveInfinity, double.NaN })
            Out(
                $"Low must be zero or more and finite, was {low}",
                () => _ = new SteeringWindow(low, double.PositiveInfinity)
            );
        double[] levels = [3, 2, 1, 0];
        foreach (var (first, last) in new[] { (-1, 1), (2, 1), (0, 3) })
            Out(
                $"steps must lie in 0 to 2, first before last, were {first} to {last}",
                () => SteeringWindow.OfSteps(levels, first, last)
            );
        Refused<ArgumentException>("sigmas must decrease", () => SteeringWindow.OfSteps([1, 2, 3], 0, 1));
        Refused<ArgumentException>("at least two noise levels", () => SteeringWindow.OfSteps([1], 0, 0));
        Assert.Throws<ArgumentNullException>(() => SteeringWindow.OfSteps(null!, 0, 0));
    }
}
