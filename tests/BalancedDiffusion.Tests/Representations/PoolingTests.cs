using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

public class PoolingTests
{
    [Fact]
    public void EachPoolingIsItsFormulaWrittenOut()
    {
        using var scope = torch.NewDisposeScope();
        var image = torch.arange(2 * 2 * 2 * 3, dtype: torch.float32).reshape(2, 2, 2, 3).mul(-1);
        Assert.Equal([0f, -6, -12, -18], Pooling.SpatialMax.Apply(image).data<float>().ToArray());
        Assert.Equal([-2.5f, -8.5f, -14.5f, -20.5f], Pooling.SpatialMean.Apply(image).data<float>().ToArray());
        Assert.Equal([2L, 2], Pooling.SpatialMax.Apply(image).shape);
        var tokens = torch.arange(2 * 3 * 2, dtype: torch.float32).reshape(2, 3, 2);
        Assert.Equal([2f, 3, 8, 9], Pooling.TokenMean.Apply(tokens).data<float>().ToArray());
        Assert.Equal([2L, 6], Pooling.Flatten.Apply(tokens).shape);
        Assert.Equal(
            Enumerable.Range(0, 12).Select(i => (float)i),
            Pooling.Flatten.Apply(tokens).data<float>().ToArray()
        );
        Assert.True(Pooling.None.Apply(image).eq(image).all().item<bool>());
    }

    [Fact]
    public void WhatIsPooledSharesNoMemoryWithTheActivation()
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.ones(2, 3);
        var (kept, flat) = (Pooling.None.Apply(rows), Pooling.Flatten.Apply(rows));
        rows.zero_();
        Assert.True(kept.eq(1).all().item<bool>() && flat.eq(1).all().item<bool>());
    }

    [Fact]
    public void AnActivationOfAnotherShapeIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        string Message(Pooling pooling, params long[] shape) =>
            Assert.ThrowsAny<ArgumentException>(() => pooling.Apply(torch.ones(shape))).Message;
        Assert.StartsWith(
            "activation must have shape (batch, channels, height, width) for SpatialMean, was (2, 3); choose "
                + "another pooling",
            Message(Pooling.SpatialMean, 2, 3)
        );
        Assert.StartsWith(
            "activation must have shape (batch, channels, height, width) for SpatialMax, was (2, 3, 0, 1)",
            Message(Pooling.SpatialMax, 2, 3, 0, 1)
        );
        Assert.StartsWith(
            "activation must have shape (batch, tokens, units) for TokenMean, was (2, 3, 4, 5)",
            Message(Pooling.TokenMean, 2, 3, 4, 5)
        );
        Assert.StartsWith("activation must have shape (batch, …) for Flatten, was ()", Message(Pooling.Flatten));
        Assert.StartsWith("pooling must be None, SpatialMax", Message((Pooling)7, 2, 3));
    }

    [Fact]
    public void RunningStatisticsAreThoseOfAllSamplesAtOnce()
    {
        using var scope = torch.NewDisposeScope();
        // A large mean over a small spread, where sums of squares would lose everything.
        var h = GaussianNoise.Draw([50, 4], 1, torch.ScalarType.Float64) + 1e8;
        var statistics = new RunningStatistics();
        foreach (var part in new[] { (0, 1), (1, 1), (2, 20), (22, 0), (22, 28) })
            statistics.Add(h.narrow(0, part.Item1, part.Item2));
        Assert.Equal((50, 4), (statistics.Count, statistics.Units));
        Assert.Equal(h.mean([0L]).data<double>().ToArray(), statistics.Mean, (a, b) => Math.Abs(a - b) < 1e-6);
        Assert.Equal(
            h.var(0L, unbiased: false).data<double>().ToArray(),
            statistics.Variance,
            (a, b) => Math.Abs(a - b) < 1e-6
        );
        void Same(torch.Tensor expected, IReadOnlyList<double> actual) =>
            Assert.Equal(expected.data<double>().ToArray(), actual, (a, b) => Math.Abs(a - b) < 1e-6);
        Same(Spikiness.StandardDeviation(h), statistics.StandardDeviations);
        Same(Spikiness.L4OverL2(h), statistics.L4OverL2);
        Same(Spikiness.ParticipationRatio(h), statistics.ParticipationRatios);
        Same(Spikiness.LargestShare(h), statistics.LargestShares);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(101)]
    public void RunningMeasuresAreThoseOfSpikiness(int units)
    {
        using var scope = torch.NewDisposeScope();
        var sizes = torch.tensor(new[] { 0f, 1e-30f, 1, -1, 1e30f }).unsqueeze(1);
        foreach (
            var h in new[]
            {
                GaussianNoise.Draw([5, units], 2) * sizes,
                torch.ones(5, units),
                (GaussianNoise.Draw([units, 5], 3) * 7).t(),
            }
        )
        {
            var statistics = new RunningStatistics();
            statistics.Add(h);
            void Same(torch.Tensor expected, IReadOnlyList<double> actual) =>
                Assert.Equal(
                    expected.data<double>().ToArray(),
                    actual,
                    (a, b) => Math.Abs(a - b) <= 1e-13 * Math.Abs(a)
                );
            // A standard deviation of equal units is nothing but rounding.
            Assert.Equal(
                Spikiness.StandardDeviation(h).data<double>().ToArray(),
                statistics.StandardDeviations,
                (a, b) => Math.Abs(a - b) <= 1e-13 * Math.Max(a, 1)
            );
            Same(Spikiness.L4OverL2(h), statistics.L4OverL2);
            Same(Spikiness.ParticipationRatio(h), statistics.ParticipationRatios);
            Same(Spikiness.LargestShare(h), statistics.LargestShares);
        }
    }

    [Fact]
    public void ABatchThatIsRefusedChangesNothing()
    {
        using var scope = torch.NewDisposeScope();
        var statistics = new RunningStatistics();
        Assert.Equal((0, 0), (statistics.Count, statistics.Mean.Count));
        Assert.StartsWith(
            "representation must have shape (any, any), was (3)",
            Assert.Throws<ArgumentException>(() => statistics.Add(torch.ones(3))).Message
        );
        statistics.Add(
            torch.tensor(
                new[,]
                {
                    { 1f, 2 },
                    { 3, 6 },
                }
            )
        );
        Assert.StartsWith(
            "representation must have shape (any, 2), was (2, 3)",
            Assert.Throws<ArgumentException>(() => statistics.Add(torch.ones(2, 3))).Message
        );
        Assert.StartsWith(
            "representation holds NaN",
            Assert.Throws<ArgumentException>(() => statistics.Add(torch.full([1, 2], float.NaN))).Message
        );
        Assert.Equal([2.0, 4], statistics.Mean);
        Assert.Equal([1.0, 4], statistics.Variance);
        Assert.Equal([0.5, 1.5], statistics.StandardDeviations);
        Assert.Equal(2, statistics.Count);
    }
}
