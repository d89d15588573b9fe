using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using BenchmarkDotNet.Attributes;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// <para>How fast samplers are. In category <see cref="Mixture"/>: 100,000 two-dimensional samples in 50 steps of
/// Karras levels over the exact posterior mean of a mixture of three Gaussians, in batches of 10,000 and once in the
/// default batches of 256, where the calls cost more than the arithmetic. The goal, which nothing enforces: less than
/// 10 seconds on two cores for Euler.</para>
/// <para>In the categories <see cref="Calls60"/> and <see cref="Calls119"/>: what a sampler adds to its network. The
/// baseline only calls the network, a ReLU-DAE of 100 units on 256 samples of dimension 1,024, as often as 60 steps do:
/// once a step, or twice but for the last step (Heun). Ratio - 1 is the sampler's overhead: its arithmetic, its checks
/// and, for DDPM, its noise.</para>
/// </summary>
public class SamplerBenchmarks
{
    private const string Mixture = "100,000 from a mixture, 50 steps";
    private const string Calls60 = "ReLU-DAE, 60 calls";
    private const string Calls119 = "ReLU-DAE, 119 calls";
    private const int MixtureSamples = 100_000,
        MixtureSteps = 50,
        MixtureBatch = 10_000;
    private const int NetworkSamples = 256,
        NetworkSteps = 60,
        Dimension = 1024,
        Units = 100;

    private readonly IReadOnlyList<double> mixtureLevels = new KarrasSchedule(max: 10, min: 0.01).Levels(MixtureSteps);
    private readonly IReadOnlyList<double> networkLevels = new KarrasSchedule(max: 2, min: 0.02).Levels(NetworkSteps);
    private GaussianMixture distribution = null!;
    private MixtureDenoiser exact = null!;
    private ReluDae network = null!;
    private torch.Tensor starts = null!;

    /// <summary>Makes the distribution, the network and its starts.</summary>
    [GlobalSetup]
    public void Setup()
    {
        distribution = GaussianMixture.SeparatedLowRank(
            dimension: 2,
            modes: 3,
            rank: 1,
            seed: 0,
            meanNorm: 1,
            variance: 0.04,
            floor: 0.0025
        );
        exact = new MixtureDenoiser(distribution);
        network = new ReluDae(Dimension, Units, seed: 0);
        starts = SamplerExtensions.Starts(network.SampleShape, NetworkSamples, networkLevels[0], seed: 1);
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        starts.Dispose();
        network.Dispose();
        distribution.Dispose();
    }

    /// <summary>The goal's row.</summary>
    [Benchmark(Baseline = true, Description = "Euler"), BenchmarkCategory(Mixture), Samples(MixtureSamples)]
    public void MixtureEuler() => Draw(new EulerSampler());

    /// <summary>The same in batches of 256.</summary>
    [Benchmark(Description = "Euler, batches of 256"), BenchmarkCategory(Mixture), Samples(MixtureSamples)]
    public void MixtureEulerSmallBatches() => Draw(new EulerSampler(), new SamplingOptions().BatchSize);

    /// <summary>Two evaluations a step.</summary>
    [Benchmark(Description = "Heun"), BenchmarkCategory(Mixture), Samples(MixtureSamples)]
    public void MixtureHeun() => Draw(new HeunSampler());

    /// <summary>With injected noise in every step.</summary>
    [Benchmark(Description = "DDPM ancestral"), BenchmarkCategory(Mixture), Samples(MixtureSamples)]
    public void MixtureDdpm() => Draw(new DdpmSampler());

    /// <summary>Remembers the last estimate.</summary>
    [Benchmark(Description = "DPM-Solver++(2M)"), BenchmarkCategory(Mixture), Samples(MixtureSamples)]
    public void MixtureDpmSolver() => Draw(new DpmSolverSampler());

    /// <summary>The network alone, once a step.</summary>
    [Benchmark(Baseline = true, Description = "network alone"), BenchmarkCategory(Calls60), Samples(NetworkSamples)]
    public void NetworkOnce() => Call(NetworkSteps);

    /// <summary>Euler on the network.</summary>
    [Benchmark(Description = "Euler"), BenchmarkCategory(Calls60), Samples(NetworkSamples)]
    public void NetworkEuler() => SampleNetwork(new EulerSampler());

    /// <summary>DDPM on the network.</summary>
    [Benchmark(Description = "DDPM ancestral"), BenchmarkCategory(Calls60), Samples(NetworkSamples)]
    public void NetworkDdpm() => SampleNetwork(new DdpmSampler());

    /// <summary>DPM-Solver++(2M) on the network.</summary>
    [Benchmark(Description = "DPM-Solver++(2M)"), BenchmarkCategory(Calls60), Samples(NetworkSamples)]
    public void NetworkDpmSolver() => SampleNetwork(new DpmSolverSampler());

    /// <summary>The network alone, as often as Heun calls it.</summary>
    [Benchmark(Baseline = true, Description = "network alone"), BenchmarkCategory(Calls119), Samples(NetworkSamples)]
    public void NetworkTwice() => Call(2 * NetworkSteps - 1);

    /// <summary>Heun on the network.</summary>
    [Benchmark(Description = "Heun"), BenchmarkCategory(Calls119), Samples(NetworkSamples)]
    public void NetworkHeun() => SampleNetwork(new HeunSampler());

    private void Draw(ISampler sampler, int batch = MixtureBatch) =>
        sampler
            .Draw(exact, MixtureSamples, mixtureLevels, new SamplingOptions { Seed = 1, BatchSize = batch })
            .Dispose();

    private void SampleNetwork(ISampler sampler) =>
        sampler.Sample(network, starts, networkLevels, new SamplingOptions { Seed = 1 }).Dispose();

    private void Call(int times)
    {
        for (var i = 0; i < times; i++)
            network.DenoiseAt(starts, networkLevels[0]).Dispose();
    }
}
