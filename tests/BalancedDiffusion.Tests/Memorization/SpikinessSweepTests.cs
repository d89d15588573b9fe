using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class SpikinessSweepTests
{
    private static readonly SpikinessMeasure[] Measures = Enum.GetValues<SpikinessMeasure>();
    private static readonly double[] Sigmas = [0.3, 0.02];

    /// <summary>A network that counts its runs. Its module <c>shared</c> gives one row whatever the batch.</summary>
    private sealed class Counting() : nn.Module("counting"), IDenoiser
    {
        private readonly nn.Module<Tensor, Tensor> act = nn.Identity();
        private readonly nn.Module<Tensor, Tensor> shared = nn.Identity();

        public static Counting Make()
        {
            var made = new Counting();
            made.RegisterComponents();
            return made;
        }

        public int Runs { get; private set; }

        public Action? OnRun { get; set; }

        public IReadOnlyList<long> SampleShape => [3];

        public Tensor Denoise(Tensor noisy, Tensor sigma)
        {
            Runs++;
            OnRun?.Invoke();
            shared.call(ones(1, 3)).Dispose();
            return act.call(noisy);
        }
    }

    private static (IDenoiser Denoiser, string[] Modules) Make(string kind)
    {
        using var noGrad = no_grad();
        switch (kind)
        {
            case "relu":
                return (new ReluDiffusion(6, 9, 3, 4, dtype: float64), ["relu"]);
            case "unet":
                return (
                    UNetFixtures.Shaken(UNetFixtures.Nano, 3, ScalarType.Float64),
                    ["model.enc.8x8_block0", "model.dec.4x4_in0.conv1", "model.enc.8x8_block0.norm0"]
                );
            default:
                var dit = new Dit(
                    DitFixtures.Little with
                    {
                        Classes = 0,
                        ClassDropout = 0,
                        LearnSigma = false,
                    },
                    1,
                    ScalarType.Float64
                );
                foreach (var (name, parameter) in dit.named_parameters())
                    parameter.add_(GaussianNoise.Draw(parameter.shape, Seeds.Derive(2, name), ScalarType.Float64), 0.3);
                return (
                    DitDenoiser.Preconditioned(dit),
                    ["network.blocks.1.mlp.act", "network.blocks.0", "network.final_layer"]
                );
        }
    }

    [Theory]
    [InlineData("relu", null)]
    [InlineData("unet", null)]
    [InlineData("unet", Pooling.SpatialMean)]
    [InlineData("dit", null)]
    [InlineData("dit", Pooling.Flatten)]
    public void EveryCellHasTheScoresOfItsDetectorWhateverTheBatch(string kind, Pooling? pooling)
    {
        using var scope = NewDisposeScope();
        var (denoiser, modules) = Make(kind);
        var samples = Normal(3, [7, .. denoiser.SampleShape]);
        var cells = SpikinessSweep.Run(denoiser, modules, Sigmas, samples, 11, Measures, pooling);
        // The levels of a module together, the measures of a level together.
        Assert.Equal(
            modules.SelectMany(module =>
                Sigmas.SelectMany(sigma => Measures.Select(measure => (module, sigma, measure)))
            ),
            cells.Select(c => (c.Module, c.Sigma, c.Measure))
        );
        foreach (var cell in cells)
            Assert.Equal(
                Scores(new SpikinessDetector(denoiser, cell.Module, cell.Sigma, pooling, cell.Measure), samples, 11),
                cell.Scores
            );
        foreach (var batch in new[] { 1, 3, 7 })
        foreach (
            var (cell, same) in cells.Zip(
                SpikinessSweep.Run(denoiser, modules, Sigmas, samples, 11, Measures, pooling, batch)
            )
        )
            Assert.All(
                cell.Scores.Zip(same.Scores),
                pair => Near(pair.First, pair.Second, 1e-12 * Math.Max(1, Math.Abs(pair.First)))
            );
        // Neither another seed nor another level gives the same, so that what was compared is no constant.
        Assert.NotEqual(
            cells[0].Scores,
            SpikinessSweep.Run(denoiser, modules, Sigmas, samples, 12, Measures, pooling)[0].Scores
        );
        Assert.NotEqual(cells[0].Scores, cells[Measures.Length].Scores);
        ((nn.Module)denoiser).Dispose();
    }

    [Fact]
    public void OneRunALevelAndBatchServesAllModulesAndMeasures()
    {
        using var scope = NewDisposeScope();
        using var network = Counting.Make();
        var cells = SpikinessSweep.Run(network, ["act"], [0.1, 0.2, 0.3], ones(5, 3), 1, Measures, batch: 2);
        Assert.Equal((9, 12), (network.Runs, cells.Count));
    }

    [Fact]
    public void WithoutMeasuresItIsTheStandardDeviation()
    {
        using var scope = NewDisposeScope();
        using var network = Counting.Make();
        // The activation of (a, b, c) is itself but for a trace of noise: deviations sqrt(14)/3 and 2 sqrt(2).
        var cell = Assert.Single(
            SpikinessSweep.Run(
                network,
                ["act"],
                [1e-6],
                tensor(
                    new[,]
                    {
                        { 1f, 2, 0.5f },
                        { 6f, 0, 0 },
                    }
                ),
                1
            )
        );
        Assert.Equal(
            ("act", 1e-6, SpikinessMeasure.StandardDeviation, 2),
            (cell.Module, cell.Sigma, cell.Measure, cell.Scores.Count)
        );
        Near(Math.Sqrt(14) / 6, cell.Scores[0], 1e-4);
        Near(Math.Sqrt(8), cell.Scores[1], 1e-4);
    }

    [Theory]
    [InlineData("relu")]
    [InlineData("unet")]
    [InlineData("dit")]
    public void NoHookAndNoTensorIsLeftBehind(string kind)
    {
        using var scope = NewDisposeScope();
        var (denoiser, modules) = Make(kind);
        var samples = Normal(3, [4, .. denoiser.SampleShape]);
        long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        var before = denoiser.DenoiseAt(samples, 0.3);
        SpikinessSweep.Run(denoiser, modules, Sigmas, samples, 1, Measures, batch: 3);
        var live = Live();
        SpikinessSweep.Run(denoiser, modules, Sigmas, samples, 1, Measures, batch: 3);
        Assert.Equal(live, Live());
        // A hook that stayed would keep what it sees.
        using (NewDisposeScope())
            Assert.True(denoiser.DenoiseAt(samples, 0.3).eq(before).all().item<bool>());
        Assert.Equal(live, Live());
        using (var recorder = new ActivationRecorder((nn.Module)denoiser, modules, history: true))
        {
            denoiser.DenoiseAt(samples, 0.3).Dispose();
            Assert.All(modules, module => Assert.Single(recorder.History(module)));
        }
        ((nn.Module)denoiser).Dispose();
    }

    [Fact]
    public void AFailureLeavesNoHookEither()
    {
        using var scope = NewDisposeScope();
        using var network = Counting.Make();
        var samples = ones(2, 3);
        Assert.StartsWith(
            "the module 'shared' gave shape (1, 3) for 2 samples",
            Assert
                .Throws<InvalidOperationException>(() =>
                    SpikinessSweep.Run(network, ["act", "shared"], [0.1], samples, 1)
                )
                .Message
        );
        var live = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        network.DenoiseAt(samples, 0.3).Dispose();
        Assert.Equal(live, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void ItStopsBetweenRuns()
    {
        using var scope = NewDisposeScope();
        using var network = Counting.Make();
        using var source = new CancellationTokenSource();
        network.OnRun = () =>
        {
            if (network.Runs == 2)
                source.Cancel();
        };
        Assert.Throws<OperationCanceledException>(() =>
            SpikinessSweep.Run(network, ["act"], [0.1, 0.2], ones(6, 3), 1, batch: 2, cancellation: source.Token)
        );
        Assert.Equal(2, network.Runs);
    }

    [Fact]
    public void BadInputEndsInOneSentence()
    {
        using var scope = NewDisposeScope();
        using var network = Counting.Make();
        using var dae = new ReluDae(3, 4, 1);
        string Refused(Action act) => Assert.ThrowsAny<ArgumentException>(act).Message;
        string Run(
            string[]? modules = null,
            double[]? sigmas = null,
            Tensor? samples = null,
            SpikinessMeasure[]? measures = null,
            Pooling? pooling = null,
            int batch = 64,
            IDenoiser? denoiser = null
        ) =>
            Refused(() =>
                SpikinessSweep.Run(
                    denoiser ?? network,
                    modules ?? ["act"],
                    sigmas ?? [0.1],
                    samples ?? ones(2, 3),
                    0,
                    measures,
                    pooling,
                    batch
                )
            );
        Assert.StartsWith("modules must name at least one module, was empty", Run(modules: []));
        Assert.StartsWith(
            "the model has no module 'acts' that can be recorded; it has 'act'",
            Run(modules: ["act", "acts"])
        );
        Assert.StartsWith("sigmas must hold at least one noise level, was empty", Run(sigmas: []));
        Assert.StartsWith("sigma must be positive and finite, was 0", Run(sigmas: [0.1, 0]));
        Assert.StartsWith("sigma must be positive and finite, was NaN", Run(sigmas: [double.NaN]));
        Assert.StartsWith("measures must name at least one measure, was empty", Run(measures: []));
        Assert.StartsWith(
            "measure must be StandardDeviation, L4OverL2, ParticipationRatio or LargestShare, was 9",
            Run(measures: [(SpikinessMeasure)9])
        );
        Assert.StartsWith(
            "pooling must be None, SpatialMax, SpatialMean, TokenMean or Flatten, was 9",
            Run(pooling: (Pooling)9)
        );
        Assert.StartsWith("batch must be at least 1, was 0", Run(batch: 0));
        Assert.StartsWith("samples must have shape (any, 3), was (2, 4)", Run(samples: ones(2, 4)));
        Assert.StartsWith("samples are empty, was (0, 3)", Run(samples: ones(0, 3)));
        Assert.StartsWith("samples holds NaN or infinity", Run(samples: full([2, 3], double.NaN)));
        Assert.StartsWith(
            "samples must hold floating-point numbers, was Int64",
            Run(samples: ones(2, 3, dtype: int64))
        );
        Assert.StartsWith(
            "samples are Float64, the network's weights Float32; convert the samples",
            Run(modules: ["relu"], samples: ones(2, 3, dtype: float64), denoiser: dae)
        );
        Assert.StartsWith("the denoiser Answers is no network with modules", Run(denoiser: Identity(3)));
        Assert.Equal(0, network.Runs);
        string Failed(Action act) => Assert.Throws<InvalidOperationException>(act).Message;
        Assert.StartsWith(
            "the output of module 'act' is no representation: activation must have shape (batch, tokens, "
                + "units) for TokenMean",
            Failed(() => SpikinessSweep.Run(network, ["act"], [0.1], ones(2, 3), 0, pooling: Pooling.TokenMean))
        );
        using (no_grad())
            dae.Encoder.fill_(double.NaN);
        Assert.StartsWith(
            "the representation holds NaN or infinity at sigma = 0.1",
            Failed(() => SpikinessSweep.Run(dae, ["relu"], [0.1], ones(2, 3), 0))
        );
    }
}
