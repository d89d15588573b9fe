using BalancedDiffusion.Training;

namespace BalancedDiffusion.Tests.Training;

public class LearningRateScheduleTests
{
    [Theory]
    [InlineData(0, 1.0)]
    [InlineData(25, 0.853553390593274)]
    [InlineData(50, 0.5)]
    [InlineData(75, 0.146446609406726)]
    public void CosineFallsAlongHalfACosine(int step, double factor) =>
        Assert.Equal(factor, LearningRateSchedule.Cosine.Factor(step, 100), 12);

    [Theory]
    [InlineData(0, 0.04)]
    [InlineData(20, 0.52)]
    [InlineData(40, 1.0)]
    [InlineData(70, 0.5)]
    public void OneCycleRisesFromATwentyFifthToOneAndFalls(int step, double factor) =>
        Assert.Equal(factor, LearningRateSchedule.OneCycle(0.4).Factor(step, 100), 12);

    [Fact]
    public void ConstantStaysAndEveryFactorLiesBetweenZeroAndOne()
    {
        foreach (var steps in new[] { 1, 2, 3, 10, 977 })
            for (var k = 0; k < steps; k++)
            {
                Assert.Equal(1, LearningRateSchedule.Constant.Factor(k, steps));
                Assert.InRange(LearningRateSchedule.Cosine.Factor(k, steps), 0, 1);
                Assert.InRange(LearningRateSchedule.OneCycle(0.01).Factor(k, steps), 0, 1);
                Assert.InRange(LearningRateSchedule.OneCycle(0.99).Factor(k, steps), 0, 1);
            }
    }

    [Fact]
    public void OnlyTheConstantOneIsFreeOfTheLengthOfTheRun()
    {
        Assert.False(LearningRateSchedule.Constant.DependsOnLength);
        Assert.True(LearningRateSchedule.Cosine.DependsOnLength);
        Assert.True(LearningRateSchedule.OneCycle().DependsOnLength);
    }

    [Theory]
    [InlineData(0.0), InlineData(1.0), InlineData(-1.0), InlineData(double.NaN)]
    public void AWarmupOutsideZeroAndOneIsNamed(double bad) =>
        Assert.Contains(
            "warmup must be above 0 and below 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.OneCycle(bad)).Message
        );

    [Theory]
    [InlineData(-1, 10), InlineData(10, 10), InlineData(0, 0)]
    public void AStepOutsideTheRunIsRefused(int step, int steps) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => LearningRateSchedule.Cosine.Factor(step, steps));
}
