using BalancedDiffusion.Runtime;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;

namespace BalancedDiffusion.Tests.Runtime;

public class GuardTests
{
    [Theory]
    [
        InlineData(0.0),
        InlineData(-0.2),
        InlineData(double.NaN),
        InlineData(double.PositiveInfinity),
        InlineData(double.NegativeInfinity)
    ]
    public void ANoiseLevelThatIsNotPositiveAndFiniteIsNamedWithItsValue(double sigma)
    {
        var e = Assert.Throws<ArgumentOutOfRangeException>(() => Guard.Sigma(sigma));
        Assert.Equal("sigma", e.ParamName);
        Assert.StartsWith($"sigma must be positive and finite, was {sigma}", e.Message);
    }

    [Fact]
    public void ExactlyThePositiveFiniteNumbersPass() =>
        Check.QuickThrowOnFailure(
            Prop.ForAll(
                ArbMap.Default.ArbFor<double>(),
                value =>
                    Passes(() => Guard.Positive(value)) == (value > 0 && double.IsFinite(value))
                    && Passes(() => Guard.NotNegative(value)) == (value >= 0 && double.IsFinite(value))
            )
        );

    [Fact]
    public void ExactlyTheNumbersFromTheLeastOnPass() =>
        Check.QuickThrowOnFailure(
            Prop.ForAll(
                ArbMap.Default.ArbFor<int>(),
                ArbMap.Default.ArbFor<int>(),
                (value, least) => Passes(() => Guard.AtLeast(value, least)) == value >= least
            )
        );

    [Fact]
    public void ATooSmallCountIsNamedWithItsValue()
    {
        const int images = 0;
        Assert.StartsWith(
            "images must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => Guard.AtLeast(images, 1)).Message
        );
    }

    [Theory]
    [InlineData(float.NaN), InlineData(float.PositiveInfinity), InlineData(float.NegativeInfinity)]
    public void OneBadEntryAmongManyIsFound(float bad)
    {
        using var weights = torch.zeros(3, 50);
        Guard.Finite(weights);
        weights[2, 49] = bad;
        Assert.StartsWith(
            "weights holds NaN or infinity",
            Assert.Throws<ArgumentException>(() => Guard.Finite(weights)).Message
        );
        Assert.Throws<ArgumentNullException>(() => Guard.Finite(null!));
    }

    [Fact]
    public void AShapeMayLeaveALengthOpenAndIsNamedWhereItDiffers()
    {
        using var images = torch.zeros(4, 3, 2);
        Guard.Shape(images, [4, 3, 2]);
        Guard.Shape(images, [-1, 3, -1]);
        Assert.StartsWith(
            "images must have shape (any, 2, 2), was (4, 3, 2)",
            Assert.Throws<ArgumentException>(() => Guard.Shape(images, [-1, 2, 2])).Message
        );
        Assert.StartsWith(
            "images must have shape (any, 3), was (4, 3, 2)",
            Assert.Throws<ArgumentException>(() => Guard.Shape(images, [-1, 3])).Message
        );
        Assert.Throws<ArgumentNullException>(() => Guard.Shape(null!, [1]));
    }

    private static bool Passes(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (ArgumentOutOfRangeException)
        {
            return false;
        }
    }
}
