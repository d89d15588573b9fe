using BalancedDiffusion.Memorization;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Memorization;

public class NearestNeighboursTests
{
    private static torch.Tensor Normal(long seed, params long[] shape)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn(shape, generator: generator);
    }

    private static double Distance(double[] a, double[] b, DistanceKind kind) =>
        kind == DistanceKind.Euclidean
            ? Math.Sqrt(a.Zip(b, (p, q) => (p - q) * (p - q)).Sum())
            : 1 - a.Zip(b, (p, q) => p * q).Sum() / Math.Sqrt(a.Sum(p => p * p) * b.Sum(p => p * p));

    private static double[][] Rows(torch.Tensor t) =>
        t.to_type(torch.float64)
            .reshape(t.shape[0], -1)
            .data<double>()
            .ToArray()
            .Chunk((int)(t.numel() / t.shape[0]))
            .ToArray();

    [Theory]
    [InlineData(DistanceKind.Euclidean, 1)]
    [InlineData(DistanceKind.Euclidean, 7)]
    [InlineData(DistanceKind.Cosine, 1)]
    [InlineData(DistanceKind.Cosine, 7)]
    public void TheyAreThoseOfBruteForceAcrossBlocks(DistanceKind kind, int k)
    {
        using var scope = torch.NewDisposeScope();
        // blocks of 1747
        var (queries, set) = (Normal(1, 12, 600) + 0.2, Normal(2, 4000, 600) * Normal(3, 4000, 1).abs() + 0.2);
        using var found = NearestNeighbours.Find(queries, set, k, kind);
        var samples = Rows(set);
        foreach (var (query, row) in Rows(queries).Select((q, i) => (q, i)))
        {
            var truth = samples
                .Select((s, i) => (Distance: Distance(query, s, kind), Index: (long)i))
                .OrderBy(p => p.Distance)
                .Take(k)
                .ToArray();
            Assert.Equal(truth.Select(t => t.Index), found.Indices[row].data<long>().ToArray());
            foreach (var (t, d) in truth.Zip(found.Distances[row].data<double>().ToArray()))
                Assert.Equal(t.Distance, d, 1e-10);
        }
    }

    [Theory]
    [InlineData("normal")]
    [InlineData("far")]
    [InlineData("near duplicates")]
    [InlineData("duplicates")]
    [InlineData("outlier")]
    [InlineData("tiny")]
    [InlineData("huge")]
    public void NoNeighbourIsLostWhereFloat32CannotTellThemApart(string kind)
    {
        using var scope = torch.NewDisposeScope();
        const int n = 2500,
            d = 300;
        var set = kind switch
        {
            "far" => Normal(1, n, d) + 3000,
            "near duplicates" => (Normal(1, 250, 1, d) + Normal(2, 250, n / 250, d) * 1e-6).reshape(n, d),
            // 250 at one distance, more than are spared for rounding
            "duplicates" => Normal(1, 10, d).repeat(n / 10, 1),
            "outlier" => Normal(1, n, d) * torch.where(torch.arange(n).eq(1234), 1e6f, 1f).unsqueeze(1),
            "tiny" => Normal(1, n, d) * 1e-25,
            "huge" => Normal(1, n, d) * 1e25,
            _ => Normal(1, n, d),
        };
        var queries = set.index_select(0, torch.arange(0, n, 97)) + Normal(3, 26, d) * set.std().mul(1e-3);
        foreach (var k in new[] { 1, 3, 40 })
        {
            using var found = NearestNeighbours.Find(queries, set, k);
            var (samples, asked) = (set.to_type(torch.float64), queries.to_type(torch.float64));
            for (var row = 0; row < 26; row++)
            {
                var apart = (samples - asked[row]).square().sum(1).sqrt();
                var (truth, _) = apart.sort(stable: true);
                var (scale, indices) = (truth[0].item<double>(), found.Indices[row]);
                // Each is at the distance that is said, and these are the k smallest there are.
                var own = found.Distances[row];
                Assert.True(
                    torch.allclose(own, apart.index_select(0, indices), 1e-9, 1e-12 * scale),
                    $"{kind}, k = {k}"
                );
                Assert.True(
                    torch.allclose(own, truth.narrow(0, 0, k), 1e-9, 1e-12 * scale),
                    $"{kind}, k = {k}: {own} for {truth.narrow(0, 0, k)}"
                );
                Assert.Equal(k, indices.data<long>().ToArray().Distinct().Count());
            }
        }
    }

    [Fact]
    public void ACopyIsAtDistanceExactlyZeroAndANearCopyKeepsItsDigits()
    {
        using var scope = torch.NewDisposeScope();
        var set = Normal(4, 50, 3, 8, 8);
        foreach (var kind in Enum.GetValues<DistanceKind>())
        {
            using var found = NearestNeighbours.Find(set, set, 1, kind);
            Assert.Equal(Enumerable.Range(0, 50).Select(i => (long)i), found.Indices.data<long>().ToArray());
            Assert.All(found.Distances.data<double>().ToArray(), d => Assert.Equal(0, d));
        }
        var shifted = set.to_type(torch.float64) + 1e-9;
        using var near = NearestNeighbours.Find(shifted, set, 1);
        Assert.All(near.Distances.data<double>().ToArray(), d => Assert.Equal(1e-9 * Math.Sqrt(192), d, 1e-14));
    }

    [Fact]
    public void EqualDistancesComeInTheOrderOfTheSet()
    {
        using var scope = torch.NewDisposeScope();
        var set = torch.tensor(
            new[,]
            {
                { 3f, 0 },
                { 0f, 1 },
                { 1f, 0 },
                { -1f, 0 },
                { 0f, -1 },
            }
        );
        using var found = NearestNeighbours.Find(torch.zeros(1, 2), set, 5);
        Assert.Equal([1L, 2, 3, 4, 0], found.Indices.data<long>().ToArray());
        Assert.Equal([1.0, 1, 1, 1, 3], found.Distances.data<double>().ToArray());
    }

    [Fact]
    public void TheCosineIgnoresLengthAndKeepsItsSign()
    {
        using var scope = torch.NewDisposeScope();
        var set = torch.tensor(
            new[,]
            {
                { 5f, 0 },
                { 0f, 0.1f },
                { -3f, 0 },
            }
        );
        using var found = NearestNeighbours.Find(
            torch.tensor(
                new[,]
                {
                    { 1e-3f, 0 },
                }
            ),
            set,
            3,
            DistanceKind.Cosine
        );
        Assert.Equal([0L, 1, 2], found.Indices.data<long>().ToArray());
        Assert.Equal([0.0, 1, 2], found.Distances.data<double>().ToArray(), (a, b) => Math.Abs(a - b) < 1e-15);
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        string Of(torch.Tensor queries, torch.Tensor set, int k, DistanceKind kind = DistanceKind.Euclidean) =>
            Assert.ThrowsAny<ArgumentException>(() => NearestNeighbours.Find(queries, set, k, kind)).Message;
        var (three, one) = (torch.ones(3, 2), torch.ones(1, 2));
        Assert.StartsWith("k must be at least 1, was 0", Of(one, three, 0));
        Assert.StartsWith("k must be at most 3 for a set of 3 samples, was 4", Of(one, three, 4));
        Assert.StartsWith("queries have 3 numbers a sample, the set has 2", Of(torch.ones(1, 3), three, 1));
        Assert.StartsWith("queries holds NaN", Of(torch.full([1, 2], float.NaN), three, 1));
        Assert.StartsWith("set is empty", Of(one, torch.ones(0, 2), 1));
        Assert.StartsWith(
            "set holds NaN, infinity or an all-zero sample",
            Of(one, torch.zeros(1, 2), 1, DistanceKind.Cosine)
        );
        Assert.StartsWith("queries hold an all-zero sample", Of(torch.zeros(1, 2), three, 1, DistanceKind.Cosine));
        Assert.StartsWith("kind must be", Of(one, three, 1, (DistanceKind)9));
        using var none = NearestNeighbours.Find(torch.ones(0, 2), three, 2);
        Assert.Equal([0L, 2], none.Indices.shape);
    }

    [Fact]
    public void NothingLeaks()
    {
        using var scope = torch.NewDisposeScope();
        var set = Normal(1, 30, 4);
        NearestNeighbours.Find(set, set, 2).Dispose();
        GapRatio.Of(set, set).Dispose();
        Assert.Equal(1, scope.DisposablesCount);
    }
}
