using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public sealed class ClassDiffusionTrainingTests
{
    private static readonly DitOptions Nano = new()
    {
        InputSize = 4,
        PatchSize = 2,
        Channels = 3,
        HiddenSize = 16,
        Depth = 2,
        Heads = 2,
        Classes = 4,
    };

    private static readonly TrainingOptions Short = ClassDiffusionTraining.Recipe(TrainingRegime.Memorizing) with
    {
        Steps = 6,
        BatchSize = 8,
        LogEvery = 3,
        Seed = 5,
    };

    // A constant picture of its class, with a little noise.
    private static ConditionedLatents Data(int count, long seed)
    {
        using var scope = torch.NewDisposeScope();
        var classes = torch.arange(count).remainder(4).unsqueeze(1);
        var levels = classes.to_type(torch.float32).sub(1.5).mul(4).reshape(-1, 1, 1, 1);
        return new ConditionedLatents(levels + 0.05 * GaussianNoise.Draw([count, 3, 4, 4], seed), classes);
    }

    [Fact]
    public void ItLearnsWhatAClassLooksLike()
    {
        using var scope = torch.NewDisposeScope();
        using var network = new Dit(Nano, 1);
        using ConditionedLatents train = Data(64, 1),
            heldOut = Data(32, 2);
        ClassDiffusionTraining.Fit(
            network,
            train,
            heldOut,
            Short with
            {
                Steps = 1500,
                BatchSize = 32,
                LogEvery = 1500,
                LearningRate = 5e-3,
                EmaDecay = 0.98,
            }
        );
        // Where noise hides the picture, its class must help: with another's the loss is greater.
        using var noGrad = torch.no_grad();
        var (latents, classes) = heldOut.Pick([.. Enumerable.Range(0, 32).Select(i => (long)i)]);
        var noise = GaussianNoise.Draw(latents.shape, 7);
        int[] times = [.. Enumerable.Range(0, 32).Select(i => 500 + 10 * i)];
        double LossUnder(torch.Tensor labels) =>
            ClassDiffusionTraining.Loss(network, latents, labels, noise, times).Noise.ToDouble();
        var labels = classes.flatten();
        var (right, wrong) = (LossUnder(labels), LossUnder((labels + 2).remainder(4)));
        Assert.True(right < 0.5 * wrong, $"{right} with the right class, {wrong} with another");
        Assert.All(network.parameters(), p => Assert.False(p.requires_grad));
    }

    [Fact]
    public void ARunThatIsStoppedAndResumedIsTheSameBitForBit()
    {
        using var folder = new TemporaryFolder();
        using ConditionedLatents train = Data(12, 1),
            heldOut = Data(6, 2);
        var options = Short with { CheckpointPath = folder.File("run.safetensors") };
        ResumedRun.IsTheSameBitForBit(
            () => new Dit(Nano, 1),
            (network, asked, logged, _, cancellation) =>
                ClassDiffusionTraining.Fit(network, train, heldOut, asked, logged, cancellation: cancellation),
            network => [network],
            options
        );
        using var again = new Dit(Nano, 1);
        Assert.Contains(
            "its data is",
            Assert
                .Throws<InvalidOperationException>(() => ClassDiffusionTraining.Fit(again, heldOut, heldOut, options))
                .Message
        );
    }

    // The divergence of two normal distributions, from the means and variances of the posterior as DDPM states them.
    [Theory]
    [InlineData(1, 0.0, -1.0)]
    [InlineData(1, 0.3, 0.2)]
    [InlineData(40, 0.0, 1.0)]
    [InlineData(500, 0.7, 0.5)]
    [InlineData(999, -0.4, -0.3)]
    public void TheBoundIsTheDivergenceOfTwoNormalDistributions(int t, double error, double v)
    {
        using var scope = torch.NewDisposeScope();
        double alphaBar = 1,
            before = 1,
            beta = 0;
        for (var i = 0; i <= t; i++)
        {
            beta = 1e-4 + (0.02 - 1e-4) * i / 999;
            (before, alphaBar) = (alphaBar, alphaBar * (1 - beta));
        }
        const double x = 0.8,
            noise = -1.1;
        var z = Math.Sqrt(alphaBar) * x + Math.Sqrt(1 - alphaBar) * noise;
        var estimate = (z - Math.Sqrt(1 - alphaBar) * (noise + error)) / Math.Sqrt(alphaBar);
        double Mean(double clean) =>
            (Math.Sqrt(before) * beta * clean + Math.Sqrt(1 - beta) * (1 - before) * z) / (1 - alphaBar);
        var posterior = beta * (1 - before) / (1 - alphaBar);
        var variance = Math.Exp((v + 1) / 2 * Math.Log(beta) + (1 - v) / 2 * Math.Log(posterior));
        var shift = Mean(x) - Mean(estimate);
        var expected = (Math.Log(variance / posterior) - 1 + (posterior + shift * shift) / variance) / 2 / Math.Log(2);
        torch.Tensor Full(double value) => torch.full([1, 2, 2], value, dtype: torch.float64);
        var bound = ClassDiffusionTraining.VariationalBound(Full(noise + error), Full(noise), Full(v), t);
        Assert.Equal(expected, bound.ToDouble(), 1e-5 * (1 + expected));
    }

    [Fact]
    public void TheVarianceLearnsButDoesNotMoveTheNoise()
    {
        using var scope = torch.NewDisposeScope();
        using var network = new Dit(Nano, 1);
        foreach (var parameter in network.parameters())
            parameter.requires_grad_(true);
        var latents = GaussianNoise.Draw([4, 3, 4, 4], 1);
        var (noise, whole) = ClassDiffusionTraining.Loss(
            network,
            latents,
            torch.zeros(4, dtype: torch.int64),
            GaussianNoise.Draw([4, 3, 4, 4], 2),
            0,
            300,
            600,
            999
        );
        (whole - noise).backward();
        var gradient = network.named_parameters().Single(p => p.name == "final_layer.linear.bias").parameter.grad!;
        // Patches of 2×2: the channels of noise come first in each place.
        var parts = gradient.reshape(2, 2, 2, 3);
        Assert.Equal(0, parts.select(2, 0).abs().max().ToDouble());
        Assert.True(parts.select(2, 1).abs().min().ToDouble() > 0);
    }

    [Fact]
    public void TheRegimesPartTheImagesOfTheLadder()
    {
        var counts = new DuplicateCounts(singles: 20, perStep: 2, steps: [1, 3]);
        Assert.Equal([0, 1, 2, 3], RegimeRows.Of(counts, TrainingRegime.Memorizing));
        Assert.Equal(Enumerable.Range(4, 20), RegimeRows.Of(counts, TrainingRegime.Generalizing));
        Assert.Equal(
            [0, 1, 2, 2, 2, 3, 3, 3, .. Enumerable.Range(4, 20)],
            RegimeRows.Of(counts, TrainingRegime.Hybrid)
        );
        Assert.Equal("checkpoints/mini-dit-hybrid.safetensors", ClassDiffusionTraining.File(TrainingRegime.Hybrid));
    }

    [Fact]
    public void LatentsOfAnotherShapeAreRefused()
    {
        using var network = new Dit(Nano with { InputSize = 8 }, 1);
        using var unlabelled = new Dit(Nano with { ClassDropout = 0 }, 1);
        using var data = Data(4, 1);
        Assert.Contains(
            "make a network of their size",
            Assert.Throws<ArgumentException>(() => ClassDiffusionTraining.Fit(network, data, data, Short)).Message
        );
        Assert.Contains(
            "an empty label",
            Assert.Throws<ArgumentException>(() => ClassDiffusionTraining.Fit(unlabelled, data, data, Short)).Message
        );
    }

    [Fact]
    public void WeightsInHalfPrecisionAreReadBackNearlyTheSame()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var network = new Dit(Nano, 1);
        foreach (var parameter in network.parameters())
            parameter.add_(0.01);
        var (whole, half) = (folder.File("whole.safetensors"), folder.File("half.safetensors"));
        DitCheckpoint.Save(network, whole);
        DitCheckpoint.Save(network, half, half: true);
        Assert.True(new FileInfo(half).Length < 0.7 * new FileInfo(whole).Length);
        using var read = DitCheckpoint.Load(half);
        Assert.Equal(torch.float32, read.Type);
        var (x, t) = (GaussianNoise.Draw([2, 3, 4, 4], 1), torch.tensor([10f, 900f]));
        var (one, other) = (network.call(x, t, null), read.call(x, t, null));
        Assert.True((one - other).norm().ToDouble() < 5e-3 * one.norm().ToDouble());
    }
}
