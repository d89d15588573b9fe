using BalancedDiffusion.Statistics;
using MathNet.Numerics.Distributions;

namespace BalancedDiffusion.Tests.Statistics;

public class GroupDifferenceTests
{
    [Fact]
    public void PValueIsTheShareOfAllSplitsOfSmallGroups()
    {
        // Of the 20 ways to take three of 1, 2, 3, 10, 11, 12 two have so large a difference.
        var found = GroupDifference.OfMeans([10, 11, 12], [1, 2, 3], seed: 1, draws: 20_000);
        Assert.Equal(0.1, found.PValue, 0.01);
        Assert.Equal(9, found.Interval.Estimate, 1e-12);
    }

    [Fact]
    public void EqualGroupsAreNoSurprise() =>
        Assert.Equal(1, GroupDifference.OfMeans([1, 2, 3], [3, 2, 1], 1, 500).PValue);

    [Fact]
    public void UnderNoDifferenceSmallPValuesAreAsRareAsTheySay()
    {
        var random = new Random(5);
        var small = Enumerable
            .Range(0, 400)
            .Count(i =>
            {
                var values = Normal.Samples(random, 0, 1).Take(30).ToArray();
                return GroupDifference.OfMeans(values[..10], values[10..], i, 199).PValue <= 0.05;
            });
        // 400 trials at 0.05: 20 ± 4.4.
        Assert.InRange(small, 5, 38);
    }

    [Fact]
    public void IntervalCoversTheTrueDifferenceAboutAsOftenAsItSays()
    {
        var random = new Random(6);
        var covered = Enumerable
            .Range(0, 300)
            .Count(i =>
                GroupDifference
                    .OfMeans(
                        Normal.Samples(random, 2, 1).Take(40).ToArray(),
                        Normal.Samples(random, 0, 3).Take(60).ToArray(),
                        i,
                        400,
                        0.9
                    )
                    .Interval.Contains(2)
            );
        Assert.InRange(covered / 300.0, 0.83, 0.96);
    }

    [Fact]
    public void SameSeedSameNumbers() =>
        Assert.Equal(
            GroupDifference.OfMeans([1, 5, 2], [3, 9, 4, 4], 7, 300),
            GroupDifference.OfMeans([1, 5, 2], [3, 9, 4, 4], 7, 300)
        );

    [Fact]
    public void RefusesWhatCannotBeCompared()
    {
        Assert.Contains(
            "at least two numbers, had 1",
            Assert.Throws<ArgumentException>(() => GroupDifference.OfMeans([1], [1, 2], 0)).Message
        );
        Assert.Contains(
            "second holds NaN",
            Assert.Throws<ArgumentException>(() => GroupDifference.OfMeans([1, 2], [1, double.NaN], 0)).Message
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => GroupDifference.OfMeans([1, 2], [1, 2], 0, draws: 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => GroupDifference.OfMeans([1, 2], [1, 2], 0, level: 1));
    }
}
