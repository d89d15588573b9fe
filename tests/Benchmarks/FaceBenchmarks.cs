using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using BenchmarkDotNet.Attributes;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// How fast parametric faces are made, factors, pixels and the data set around them. The goal, which nothing enforces:
/// 50,000 grey faces of 32×32 pixels a second on two cores, in the column samples/s. The first row is the share of
/// drawing the factors.
/// </summary>
public class FaceBenchmarks
{
    private const string Faces = "parametric faces";
    private const int Count = 10_000;

    private readonly ParametricFaces grey = new(),
        rgb = new(rgb: true),
        large = new(size: 64);

    /// <summary>The factors alone, on one core.</summary>
    [Benchmark(Description = "factors alone, one core"), BenchmarkCategory(Faces), Samples(Count)]
    public void Factors()
    {
        for (var i = 0; i < Count; i++)
            FaceDistribution.Draw(0, i);
    }

    /// <summary>The goal's row.</summary>
    [Benchmark(Baseline = true, Description = "grey, 32×32"), BenchmarkCategory(Faces), Samples(Count)]
    public void Grey() => grey.Train(Count).Dispose();

    /// <summary>Three channels.</summary>
    [Benchmark(Description = "RGB, 32×32"), BenchmarkCategory(Faces), Samples(Count)]
    public void Rgb() => rgb.Train(Count).Dispose();

    /// <summary>Four times as many pixels.</summary>
    [Benchmark(Description = "grey, 64×64"), BenchmarkCategory(Faces), Samples(Count)]
    public void Large() => large.Train(Count).Dispose();
}
