using BalancedDiffusion.Denoisers;
using BenchmarkDotNet.Attributes;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// How close the posterior mean under 60,000 samples of dimension 1,024 comes to what its arithmetic must cost: the
/// baseline is the products alone, queries with samples and weights with samples, in float32, in blocks of the same
/// shapes, warm in the cache. The goal, which nothing enforces: a Ratio below 1.67, which is 60 % of that rate. Where
/// few samples have weight the second product is not taken, and the Ratio may fall below 1; where many have, the first
/// is taken in float64, which costs about twice as much as in float32 (the row "both in float64" is the rate if all
/// were).
/// </summary>
[InvocationCount(1), IterationCount(3)]
public class PosteriorMeanBenchmarks
{
    private const string Means = "1,000 posterior means of 60,000 samples";
    private const int Samples = 60_000,
        Queries = 1000,
        Dimension = 1024,
        BlockRows = 1024;

    private torch.Tensor samples = null!,
        noisy = null!;
    private BlockProducts single = null!,
        both = null!;
    private EmpiricalDenoiser denoiser = null!;

    /// <summary>Draws samples from a cube, and noisy ones near the first of them.</summary>
    [GlobalSetup]
    public void Setup()
    {
        torch.manual_seed(0);
        using var scope = torch.NewDisposeScope();
        samples = torch.rand([Samples, Dimension]).mul_(2).sub_(1).DetachFromDisposeScope();
        noisy = torch
            .randn([Queries, Dimension])
            .mul_(0.3)
            .add_(samples.narrow(0, 0, Queries))
            .DetachFromDisposeScope();
        denoiser = new EmpiricalDenoiser(samples);
        (single, both) = (
            new BlockProducts(Queries, BlockRows, Dimension, torch.float32),
            new BlockProducts(Queries, BlockRows, Dimension, torch.float64)
        );
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        denoiser.Dispose();
        single.Dispose();
        both.Dispose();
        samples.Dispose();
        noisy.Dispose();
    }

    /// <summary>The ceiling.</summary>
    [Benchmark(Baseline = true, Description = "products alone, float32"), BenchmarkCategory(Means), Samples(Queries)]
    public void Products() => Both(single);

    /// <summary>The ceiling of float64.</summary>
    [Benchmark(Description = "products alone, float64"), BenchmarkCategory(Means), Samples(Queries)]
    public void DoubleProducts() => Both(both);

    /// <summary>One sample has all the weight.</summary>
    [Benchmark(Description = "sigma = 0.3"), BenchmarkCategory(Means), Samples(Queries)]
    public void SmallNoise() => denoiser.DenoiseAt(noisy, 0.3).Dispose();

    /// <summary>All samples have weight.</summary>
    [Benchmark(Description = "sigma = 20"), BenchmarkCategory(Means), Samples(Queries)]
    public void LargeNoise() => denoiser.DenoiseAt(noisy, 20).Dispose();

    private static void Both(BlockProducts products)
    {
        products.Scores(Samples);
        products.Means(Samples);
    }
}
