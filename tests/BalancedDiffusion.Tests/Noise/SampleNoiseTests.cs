using BalancedDiffusion.Noise;
using FsCheck;
using FsCheck.Fluent;
using MathNet.Numerics.Distributions;
using TorchSharp;

namespace BalancedDiffusion.Tests.Noise;

public class SampleNoiseTests
{
    [Fact]
    public void ItsNumbersAreNormal()
    {
        const int count = 400_000;
        using var scope = torch.NewDisposeScope();
        var sorted = GaussianNoise
            .DrawEach([400, 1000], 11)
            .to_type(torch.float64)
            .data<double>()
            .ToArray()
            .Order()
            .ToArray();
        // Kolmogorov–Smirnov; 1.95/sqrt(n) is passed with probability 0.001.
        var distance = sorted
            .Select(
                (x, i) =>
                    Math.Max(
                        Math.Abs(Normal.CDF(0, 1, x) - i / (double)count),
                        Math.Abs(Normal.CDF(0, 1, x) - (i + 1.0) / count)
                    )
            )
            .Max();
        Assert.True(distance < 1.95 / Math.Sqrt(count), $"distance {distance}");
        // Tails: numbers beyond 3 and 4 are binomial.
        foreach (var bound in new[] { 3.0, 4 })
        {
            var expected = count * 2 * Normal.CDF(0, 1, -bound);
            Assert.InRange((sorted.Count(x => Math.Abs(x) > bound) - expected) / Math.Sqrt(expected), -4, 4);
        }
    }

    [Fact]
    public void ItsMomentsAreThoseOfTheNormalLawAtEveryPlaceOfABlock()
    {
        const int rows = 40_000;
        using var scope = torch.NewDisposeScope();
        var noise = GaussianNoise.DrawEach([rows, 19], 12, dtype: torch.float64);
        void Near(torch.Tensor moments, double truth, double variance) =>
            Assert.True((moments - truth).abs().max().item<double>() < 4.5 * Math.Sqrt(variance / rows));
        Near(noise.mean([0L]), 0, 1);
        Near(noise.square().mean([0L]), 1, 2);
        Near(noise.pow(3).mean([0L]), 0, 15);
        Near(noise.pow(4).mean([0L]), 3, 96);
    }

    [Fact]
    public void RowsDrawsSeedsAndPlacesAreIndependent()
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.cat([
            GaussianNoise.DrawEach([60, 20_000], 0),
            GaussianNoise.DrawEach([60, 20_000], 0, draw: 1),
            GaussianNoise.DrawEach([60, 20_000], 1),
            GaussianNoise.DrawEach([60, 20_000], 0, firstIndex: 60),
        ]);
        // Correlations of independent rows are N(0, 1/n): the greatest of 28,680 lies near 4.1 deviations, and above
        // 5.5 with probability 0.001.
        foreach (var seen in new[] { rows, (rows.square() - 1) / Math.Sqrt(2) })
        {
            var correlations = (torch.matmul(seen, seen.t()) / Math.Sqrt(20_000)).triu(1);
            Assert.InRange(correlations.abs().max().item<float>(), 2.5, 5.5);
            // Numbers come in blocks of sixteen, eight lanes twice.
            foreach (var lag in new[] { 1, 2, 7, 8, 9, 15, 16, 17, 24, 32 })
            {
                var n = 240.0 * (20_000 - lag);
                Assert.InRange(
                    (seen.narrow(1, 0, 20_000 - lag) * seen.narrow(1, lag, 20_000 - lag))
                        .sum(torch.float64)
                        .item<double>() / Math.Sqrt(n),
                    -4.5,
                    4.5
                );
            }
        }
    }

    [Fact]
    public void ARowHangsOnItsSeedDrawAndIndexOnly() =>
        Prop.ForAll(
                Gen.Choose(1, 70).ToArbitrary(),
                Gen.Choose(0, 1000).Two().ToArbitrary(),
                Gen.Choose(1, 9).ToArbitrary(),
                (length, seeds, rows) =>
                {
                    using var scope = torch.NewDisposeScope();
                    var (seed, first) = ((long)seeds.Item1, (long)seeds.Item2);
                    var all = GaussianNoise.DrawEach([rows, length], seed, first, 3);
                    for (var r = 0; r < rows; r++)
                        Assert.Equal(
                            all[r].data<float>().ToArray(),
                            GaussianNoise.DrawEach([1, length], seed, first + r, 3).data<float>().ToArray()
                        );
                    Assert.Equal(
                        all.data<float>().ToArray(),
                        GaussianNoise
                            .DrawEach([rows, length, 1], seed, first, 3, torch.float64)
                            .to_type(torch.float32)
                            .data<float>()
                            .ToArray()
                    );
                    Assert.Equal(
                        all.data<float>().ToArray(),
                        GaussianNoise
                            .DrawEach([rows, length + 5], seed, first, 3)
                            .narrow(1, 0, length)
                            .contiguous()
                            .data<float>()
                            .ToArray()
                    );
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void BadArgumentsAreNamed()
    {
        Assert.StartsWith(
            "shape must begin with the batch, was ()",
            Assert.Throws<ArgumentException>(() => GaussianNoise.DrawEach([], 1)).Message
        );
        Assert.Contains(
            "must be at least 0, was -2",
            Assert.Throws<ArgumentOutOfRangeException>(() => GaussianNoise.DrawEach([-2, 3], 1)).Message
        );
        Assert.StartsWith(
            "firstIndex must be at least 0, was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => GaussianNoise.DrawEach([2], 1, -1)).Message
        );
        Assert.StartsWith(
            "draw must be at least 0, was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => GaussianNoise.DrawEach([2], 1, 0, -1)).Message
        );
        using var none = GaussianNoise.DrawEach([0, 3], 1);
        Assert.Equal([0L, 3], none.shape);
    }
}
