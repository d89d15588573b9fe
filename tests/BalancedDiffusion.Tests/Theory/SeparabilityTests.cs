using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Tests.Theory;

public class SeparabilityTests
{
    [Fact]
    public void ASimplexHasTheKnownCosineAndReachesTheBound()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var count in new[] { 2, 3, 4, 7 })
        {
            var report = Separability.MeasureSamples(
                TheoryData64.Simplex(8, [.. Enumerable.Range(1, count).Select(i => (double)i)])
            );
            Assert.Equal(-1.0 / (count - 1), report.Beta, 1e-12);
            Assert.Equal(0, report.Alpha, 1e-12);
            Assert.Equal(count, Separability.MaximumClusters(report.Beta, 8));
        }
    }

    [Fact]
    public void AnObtuseSubsetIsAsLargeAsTheSetAllows()
    {
        using var scope = torch.NewDisposeScope();
        // In a half-plane fan of the plane no three directions are pairwise obtuse; around the whole circle three are,
        // four never.
        torch.Tensor Fan(double upTo) =>
            torch.stack([
                .. Enumerable
                    .Range(0, 25)
                    .Select(i => torch.tensor(new[] { Math.Cos(upTo * i / 25), Math.Sin(upTo * i / 25) })),
            ]);
        Assert.Equal(2, SeparableSubset.FindObtuse(Fan(Math.PI), 5, 0).Indices.Count);
        var around = SeparableSubset.FindObtuse(Fan(2 * Math.PI), 5, 0);
        Assert.Equal(3, around.Indices.Count);
        Assert.True(around.LargestCosine < 0);
        Assert.Equal(2, SeparableSubset.FindObtuse(Fan(2 * Math.PI), 2, 0).Indices.Count);
    }

    [Fact]
    public void AlphaAndBetaAreThoseCountedByHand()
    {
        using var scope = torch.NewDisposeScope();
        var a = torch.tensor(new[] { 3.0, 1, 3, -1 }, [2, 2]);
        var b = torch.tensor(new[] { -1.0, 0, -1, 2 }, [2, 2]);
        var report = Separability.Measure(a, b);
        Assert.Equal(1 / Math.Sqrt(2), report.Alpha, 1e-12);
        Assert.Equal(-1 / Math.Sqrt(2), report.Beta, 1e-12);
        Assert.Equal((1, (0, 1), 2), (report.WidestCluster, report.WorstPair, report.Clusters));
        Assert.Equal(double.NegativeInfinity, Separability.Measure(a).Beta);
    }

    [Theory]
    [InlineData(-1.0, 10, 2)]
    [InlineData(-0.5, 10, 3)]
    [InlineData(-0.34, 10, 3)]
    [InlineData(-0.05, 1000, 21)]
    [InlineData(-0.05, 4, 5)]
    public void TheNumberOfClustersIsBounded(double beta, int dimension, int most) =>
        Assert.Equal(most, Separability.MaximumClusters(beta, dimension));

    [Theory]
    [InlineData(0.0)]
    [InlineData(0.3)]
    [InlineData(-1.1)]
    [InlineData(double.NaN)]
    public void WithoutAnObtuseAngleThereIsNoBound(double beta) =>
        Assert.StartsWith(
            $"beta must be in [-1, 0), was {beta}",
            Assert.Throws<ArgumentOutOfRangeException>(() => Separability.MaximumClusters(beta)).Message
        );

    [Fact]
    public void BadClustersAreNamed()
    {
        using var scope = torch.NewDisposeScope();
        Assert.StartsWith(
            "clusters must name at least one",
            Assert.Throws<ArgumentException>(() => Separability.Measure()).Message
        );
        Assert.StartsWith(
            "the mean of clusters[1] is zero",
            Assert.Throws<ArgumentException>(() => Separability.Measure(torch.ones(1, 3), torch.zeros(2, 3))).Message
        );
        Assert.StartsWith(
            "all clusters must have samples of one length, was 3 and 2",
            Assert.Throws<ArgumentException>(() => Separability.Measure(torch.ones(1, 3), torch.ones(2, 2))).Message
        );
        Assert.StartsWith(
            "2 samples were asked for, but only 1 of 2 differ from zero",
            Assert
                .Throws<ArgumentException>(() =>
                    SeparableSubset.Find(torch.eye(2) * torch.tensor(new[] { 1f, 0f }), 2, 0)
                )
                .Message
        );
        Assert.StartsWith(
            "count must be at least 2, was 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => SeparableSubset.Find(torch.eye(2), 1, 0)).Message
        );
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void TheSearchFindsTheBestSubsetOfASmallSet(int count)
    {
        using var scope = torch.NewDisposeScope();
        var samples = TheoryData64.Normal(7, 24, 6) + 0.5;
        var units = samples / samples.norm(1, keepdim: true);
        var gram = TheoryData64.Array(torch.matmul(units, units.t()));
        var best = double.PositiveInfinity;
        void Try(int from, int left, double largest, List<int> chosen)
        {
            if (left == 0)
                best = Math.Min(best, largest);
            else
                for (var i = from; i < 24; i++)
                    Try(
                        i + 1,
                        left - 1,
                        chosen.Aggregate(largest, (l, j) => Math.Max(l, gram[i * 24 + j])),
                        [.. chosen, i]
                    );
        }
        Try(0, count, double.NegativeInfinity, []);
        var found = SeparableSubset.Find(samples, count, seed: 1, starts: 24);
        Assert.Equal(best, found.LargestCosine, 1e-6);
        Assert.Equal(found.LargestCosine, gram[found.WorstPair.First * 24 + found.WorstPair.Second], 1e-12);
        Assert.Equal(count, found.Indices.Distinct().Count());
    }

    [Fact]
    public void TheSearchFindsAHiddenSimplexAmongNearlyParallelVectors()
    {
        using var scope = torch.NewDisposeScope();
        var crowd = TheoryData64.Normal(3, 500, 20) * 0.1 + 1;
        var hidden = new long[] { 17, 123, 124, 321, 499 };
        crowd.index_copy_(0, torch.tensor(hidden), TheoryData64.Simplex(20, 1e-20, 2, 3, 1e6, 1));
        var found = SeparableSubset.Find(crowd, 5, seed: 0, starts: 16);
        Assert.Equal(hidden.Select(i => (int)i), found.Indices);
        Assert.Equal(-0.25, found.LargestCosine, 1e-6);
    }

    [Fact]
    public void FiveCelebAImagesStandAsFarApartAsTheAuthors()
    {
        using var scope = torch.NewDisposeScope();
        var grey = TheoryData64.CelebAGrey();
        var authors = Separability.MeasureSamples(
            grey.index_select(0, torch.tensor(new long[] { 0, 36, 148, 195, 232 }))
        );
        Assert.Equal(-0.05, authors.Beta, 0.006);
        var found = SeparableSubset.Find(grey, 5, seed: 0);
        Assert.True(
            found.LargestCosine <= authors.Beta,
            $"found {found.LargestCosine} at {string.Join(", ", found.Indices)}, the authors' {authors.Beta}"
        );
        TestContext.Current.SendDiagnosticMessage(
            $"CelebA: {found.LargestCosine} at {string.Join(", ", found.Indices)}; authors' {authors.Beta}"
        );
    }
}
