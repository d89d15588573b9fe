using BalancedDiffusion.Memorization;
using BenchmarkDotNet.Attributes;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// How close the exact nearest among 60,000 samples of dimension 1,024 come to what their arithmetic must cost: the
/// baseline is the product of queries and samples alone, in float32, in blocks of the same shapes, warm in the cache.
/// The goal, which nothing enforces: a Ratio below 1.67, which is 60 % of that rate.
/// </summary>
[InvocationCount(1), IterationCount(3)]
public class NearestNeighbourBenchmarks
{
    private const string Nearest = "the nearest of 60,000 samples to 1,000";
    private const int Samples = 60_000,
        Queries = 1000,
        Dimension = 1024,
        BlockRows = 1024;

    private torch.Tensor samples = null!,
        queries = null!;
    private BlockProducts products = null!;

    /// <summary>Draws samples from a cube, and queries near the first of them.</summary>
    [GlobalSetup]
    public void Setup()
    {
        torch.manual_seed(0);
        using var scope = torch.NewDisposeScope();
        samples = torch.rand([Samples, Dimension]).mul_(2).sub_(1).DetachFromDisposeScope();
        queries = torch
            .randn([Queries, Dimension])
            .mul_(0.3)
            .add_(samples.narrow(0, 0, Queries))
            .DetachFromDisposeScope();
        products = new BlockProducts(Queries, BlockRows, Dimension, torch.float32);
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        products.Dispose();
        samples.Dispose();
        queries.Dispose();
    }

    /// <summary>The ceiling.</summary>
    [Benchmark(Baseline = true, Description = "product alone, float32"), BenchmarkCategory(Nearest), Samples(Queries)]
    public void Product() => products.Scores(Samples);

    /// <summary>The nearest.</summary>
    [Benchmark(Description = "k = 1"), BenchmarkCategory(Nearest), Samples(Queries)]
    public void One() => NearestNeighbours.Find(queries, samples, 1).Dispose();

    /// <summary>The five nearest.</summary>
    [Benchmark(Description = "k = 5"), BenchmarkCategory(Nearest), Samples(Queries)]
    public void Five() => NearestNeighbours.Find(queries, samples, 5).Dispose();

    /// <summary>The five nearest by angle.</summary>
    [Benchmark(Description = "k = 5, cosine"), BenchmarkCategory(Nearest), Samples(Queries)]
    public void FiveByCosine() => NearestNeighbours.Find(queries, samples, 5, DistanceKind.Cosine).Dispose();
}
