using BalancedDiffusion.Memorization;
using TorchSharp;

namespace BalancedDiffusion.Tests.Memorization;

public class GapRatioTests
{
    [Fact]
    public void ItIsTheNearestDistanceOverTheSecondNearest()
    {
        using var scope = torch.NewDisposeScope();
        var training = torch.tensor(
            new[,]
            {
                { 0f, 0 },
                { 4f, 0 },
                { 4f, 0 },
                { 100f, 0 },
            }
        );
        var ratios = GapRatio.Of(
            torch.tensor(
                new[,]
                {
                    { 0.5f, 0 },
                    { 1f, 0 },
                    { 2f, 0 },
                    { 0f, 0 },
                    { 4f, 0 },
                    { 99f, 0 },
                }
            ),
            training
        );
        Assert.Equal(
            [0.5 / 3.5, 1.0 / 3, 1, 0, 0, 1.0 / 95],
            ratios.data<double>().ToArray(),
            (a, b) => Math.Abs(a - b) < 1e-12
        );
        Assert.Equal([true, false, false, true, true, true], GapRatio.IsMemorized(ratios).data<bool>().ToArray());
    }

    [Fact]
    public void OneTrainingSampleOrOneNeighbourIsTooFew()
    {
        using var scope = torch.NewDisposeScope();
        Assert.StartsWith(
            "the gap ratio needs at least two training samples, was 1",
            Assert.Throws<ArgumentException>(() => GapRatio.Of(torch.ones(1, 2), torch.ones(1, 2))).Message
        );
        using var one = NearestNeighbours.Find(torch.ones(1, 2), torch.ones(3, 2), 1);
        Assert.StartsWith(
            "the gap ratio needs two neighbours a query, was 1",
            Assert.Throws<ArgumentException>(() => GapRatio.Of(one)).Message
        );
    }
}
