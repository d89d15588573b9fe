using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Training;
using BenchmarkDotNet.Attributes;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// What sampling, and recording codes while sampling, add to a network: a ReLU-DAE of 100 units on 256 samples, and the
/// deep networks of <see cref="DeepPreset"/> on 16 faces, in ten steps of Euler. The baseline only calls the network,
/// ten times. Ratio - 1 is the overhead; the goal, which nothing enforces, is 0.05. Recorded is the code of one layer,
/// pooled; kept a step, or gone into <see cref="RunningStatistics"/>.
/// </summary>
[IterationCount(5)]
public class RecorderBenchmarks
{
    private const string Relu = "ReLU-DAE, 10 calls",
        UNet = "U-Net, 10 calls",
        Dit = "DiT, 10 calls";
    private const int Vectors = 256,
        Images = 16,
        Steps = 10;

    private readonly IReadOnlyList<double> levels = new KarrasSchedule(max: 2, min: 0.02).Levels(Steps);
    private Subject relu = null!,
        unet = null!,
        dit = null!;

    /// <summary>Makes the networks and their starts.</summary>
    [GlobalSetup]
    public void Setup()
    {
        using var faces = new ParametricFaces().Train(1);
        Subject Deep(DeepArchitecture architecture, Func<string, bool> layer, Pooling pooling)
        {
            var network = new DeepPreset(architecture, TrainingRegime.Hybrid).Create(faces, seed: 0);
            ((torch.nn.Module)network).eval();
            return new Subject(
                network,
                ActivationRecorder.ModulesOf((torch.nn.Module)network).First(layer),
                pooling,
                Images,
                levels
            );
        }
        relu = new Subject(new ReluDae(1024, 100, seed: 0), "relu", Pooling.Flatten, Vectors, levels);
        unet = Deep(
            DeepArchitecture.UNet,
            name => name.EndsWith("16x16_block0", StringComparison.Ordinal),
            Pooling.SpatialMax
        );
        dit = Deep(
            DeepArchitecture.Dit,
            name => name.EndsWith("blocks.2.mlp.act", StringComparison.Ordinal),
            Pooling.TokenMean
        );
    }

    /// <summary>Frees them.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        foreach (var subject in new[] { relu, unet, dit })
            subject.Dispose();
    }

    /// <summary>The ReLU-DAE alone.</summary>
    [Benchmark(Baseline = true, Description = "network alone"), BenchmarkCategory(Relu), Samples(Vectors)]
    public void ReluAlone() => relu.Call();

    /// <summary>Euler on the ReLU-DAE.</summary>
    [Benchmark(Description = "Euler"), BenchmarkCategory(Relu), Samples(Vectors)]
    public void ReluEuler() => relu.Sample();

    /// <summary>With its codes kept.</summary>
    [Benchmark(Description = "Euler, codes kept"), BenchmarkCategory(Relu), Samples(Vectors)]
    public void ReluKept() => relu.SampleAndKeep();

    /// <summary>With statistics of its codes.</summary>
    [Benchmark(Description = "Euler, statistics of codes"), BenchmarkCategory(Relu), Samples(Vectors)]
    public void ReluStatistics() => relu.SampleAndCount();

    /// <summary>The U-Net alone.</summary>
    [Benchmark(Baseline = true, Description = "network alone"), BenchmarkCategory(UNet), Samples(Images)]
    public void UNetAlone() => unet.Call();

    /// <summary>Euler on the U-Net.</summary>
    [Benchmark(Description = "Euler"), BenchmarkCategory(UNet), Samples(Images)]
    public void UNetEuler() => unet.Sample();

    /// <summary>With statistics of its codes.</summary>
    [Benchmark(Description = "Euler, statistics of codes"), BenchmarkCategory(UNet), Samples(Images)]
    public void UNetStatistics() => unet.SampleAndCount();

    /// <summary>The DiT alone.</summary>
    [Benchmark(Baseline = true, Description = "network alone"), BenchmarkCategory(Dit), Samples(Images)]
    public void DitAlone() => dit.Call();

    /// <summary>Euler on the DiT.</summary>
    [Benchmark(Description = "Euler"), BenchmarkCategory(Dit), Samples(Images)]
    public void DitEuler() => dit.Sample();

    /// <summary>With statistics of its codes.</summary>
    [Benchmark(Description = "Euler, statistics of codes"), BenchmarkCategory(Dit), Samples(Images)]
    public void DitStatistics() => dit.SampleAndCount();

    private sealed class Subject(
        IDenoiser network,
        string layer,
        Pooling pooling,
        int samples,
        IReadOnlyList<double> levels
    ) : IDisposable
    {
        private readonly torch.Tensor starts = SamplerExtensions.Starts(
            network.SampleShape,
            samples,
            levels[0],
            seed: 1
        );

        public void Call()
        {
            for (var i = 0; i + 1 < levels.Count; i++)
                network.DenoiseAt(starts, levels[i]).Dispose();
        }

        public void Sample() => new EulerSampler().Sample(network, starts, levels).Dispose();

        public void SampleAndKeep()
        {
            using var recorder = new ActivationRecorder((torch.nn.Module)network, [layer], pooling, history: true);
            Sample();
        }

        public void SampleAndCount()
        {
            using var recorder = new ActivationRecorder((torch.nn.Module)network, [layer], pooling);
            recorder.StreamTo(layer, new RunningStatistics());
            Sample();
        }

        public void Dispose()
        {
            starts.Dispose();
            (network as IDisposable)?.Dispose();
        }
    }
}
