using BalancedDiffusion.Generation.SampleQuality;
using TorchSharp;
using static BalancedDiffusion.Tests.Generation.SampleQuality.QualityLab;

namespace BalancedDiffusion.Tests.Generation.SampleQuality;

public class KernelDistanceTests
{
    [Fact]
    public void TwoPointsASetAreThoseByHand()
    {
        using var scope = torch.NewDisposeScope();
        // d = 1, k(x, y) = (x y + 1)³. Within {0, 1}: k(0, 1) = 1. Within {2, 3}: 7³ = 343.
        // Between: k(0, 2) = k(0, 3) = 1, k(1, 2) = 27, k(1, 3) = 64, mean 93/4. 1 + 343 - 93/2 = 297.5.
        var found = KernelDistance.Of(
            torch.tensor(
                new double[,]
                {
                    { 0 },
                    { 1 },
                }
            ),
            torch.tensor(
                new double[,]
                {
                    { 2 },
                    { 3 },
                }
            ),
            blocks: 1
        );
        Assert.Equal(297.5, found.Value, 1e-10);
        Assert.True(double.IsNaN(found.StandardError));
        // d = 2: x y/2 + 1. Within {(0,0), (2,0)}: 1. Within {(0,2), (0,2)}: 3³ = 27. Between: all 1. 1 + 27 - 2 = 26.
        var plane = KernelDistance.Of(
            torch.tensor(
                new double[,]
                {
                    { 0, 0 },
                    { 2, 0 },
                }
            ),
            torch.tensor(
                new double[,]
                {
                    { 0, 2 },
                    { 0, 2 },
                }
            ),
            blocks: 1
        );
        Assert.Equal(26, plane.Value, 1e-10);
    }

    [Fact]
    public void ItsExpectationIsZeroForEqualDistributions()
    {
        using var scope = torch.NewDisposeScope();
        // 200 independent pairs of sets of 10 in 4 dimensions: a biased estimate would be about 2 (E k(x, x) - E k)/10,
        // far from 0; the mean lies within four of its standard errors.
        var values = Enumerable
            .Range(0, 200)
            .Select(i => KernelDistance.Of(Normal(2 * i, 10, 4), Normal(2 * i + 1, 10, 4), blocks: 1).Value)
            .ToArray();
        var mean = values.Average();
        var error = Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / 199 / 200);
        Assert.InRange(Math.Abs(mean), 0, 4 * error);
        Assert.InRange(error, 0.001, 0.3);
        Assert.Contains(values, v => v < 0);
    }

    [Fact]
    public void TheStandardErrorIsThatOfIndependentBlocks()
    {
        using var scope = torch.NewDisposeScope();
        // Many sets of 20 blocks: the spread of their values is the standard error that each states.
        var found = Enumerable
            .Range(0, 60)
            .Select(i => KernelDistance.Of(Normal(500 + i, 400, 3), Normal(700 + i, 400, 3) * 1.3, i, 20))
            .ToArray();
        var mean = found.Average(f => f.Value);
        var spread = Math.Sqrt(found.Sum(f => (f.Value - mean) * (f.Value - mean)) / 59);
        // 60 values give a standard deviation to about 10 %.
        Assert.InRange(found.Average(f => f.StandardError) / spread, 0.65, 1.5);
        Assert.True(mean > 5 * spread / Math.Sqrt(60));
    }

    [Fact]
    public void SeedsShuffleAndBadNumbersAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        var (a, b) = (Normal(1, 40, 3), Normal(2, 60, 3));
        Assert.Equal(KernelDistance.Of(a, b, 5, 4), KernelDistance.Of(a, b, 5, 4));
        Assert.NotEqual(KernelDistance.Of(a, b, 5, 4).Value, KernelDistance.Of(a, b, 6, 4).Value);
        Refused("first must hold at least 42 samples, was 40", () => KernelDistance.Of(a, b, 0, 21));
        Refused("blocks must be at least 1, was 0", () => KernelDistance.Of(a, b, 0, 0));
    }
}
