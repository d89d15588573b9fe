using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public sealed class PixelDiffusionTrainingTests
{
    private static readonly SongUNetOptions Nano = PixelDiffusionTraining.Sizes(1, 8) with
    {
        ModelChannels = 8,
        ChannelMultipliers = [1, 2],
        AttentionResolutions = [4],
    };

    private static readonly TrainingOptions Short = PixelDiffusionTraining.Recipe(10) with
    {
        Steps = 6,
        BatchSize = 4,
        LogEvery = 3,
        Seed = 5,
    };

    private static torch.Tensor Pictures(int count, long seed) =>
        GaussianNoise.Draw([count, 1, 8, 8], seed, torch.ScalarType.Float32).mul_(0.5).clamp_(-1, 1);

    [Fact]
    public void FewImagesAreReplicatedAndOthersAreNotLearned()
    {
        using var scope = torch.NewDisposeScope();
        using var network = new EdmPreconditioner(Nano, 1, PixelDiffusionTraining.SigmaData);
        var result = PixelDiffusionTraining.Fit(
            network,
            Pictures(3, 1),
            null,
            Pictures(16, 2),
            Short with
            {
                Steps = 500,
                BatchSize = 16,
                LogEvery = 500,
                LearningRate = 5e-3,
                EmaDecay = 0.98,
            },
            samples: 32
        );
        // Rows at powers of the square root of two, and at the end.
        Assert.Equal([64L, 91, 128, 181, 256, 362, 500], result.History.Select(r => r.Step));
        var (first, last) = (result.History[0].Measures, result.History[^1].Measures);
        Assert.True(last["memorized"] > 0.8, $"{last["memorized"]} of the samples replicate an image");
        Assert.True(first["memorized"] < last["memorized"]);
        Assert.True(last["training"] < 0.5 * first["training"], $"{first["training"]} to {last["training"]}");
        Assert.True(last["validation"] > 2 * last["training"], $"{last["validation"]}, {last["training"]}");
        Assert.All(network.parameters(), p => Assert.False(p.requires_grad));
    }

    [Fact]
    public void ARunThatIsStoppedAndResumedIsTheSameBitForBit()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        var (images, heldOut) = (Pictures(5, 1).to_type(torch.float16), Pictures(4, 2));
        int[] rows = [0, 0, 0, 1, 2, 3, 4];
        var options = Short with { CheckpointPath = folder.File("run.safetensors") };
        EdmPreconditioner Fresh() => new(Nano, 1, PixelDiffusionTraining.SigmaData);
        ResumedRun.IsTheSameBitForBit(
            Fresh,
            (network, asked, logged, _, cancellation) =>
                PixelDiffusionTraining.Fit(
                    network,
                    images,
                    rows,
                    heldOut,
                    asked,
                    4,
                    logged,
                    cancellation: cancellation
                ),
            network => [network],
            options
        );
        using var again = Fresh();
        Assert.Contains(
            "its data is",
            Assert
                .Throws<InvalidOperationException>(() =>
                    PixelDiffusionTraining.Fit(again, images, null, heldOut, options, 4)
                )
                .Message
        );
    }

    // The exact minimizer's loss for one picture: what is left is what the network misses.
    [Fact]
    public void TheLossIsTheWeightedErrorOfTheDenoisedPicture()
    {
        using var scope = torch.NewDisposeScope();
        using var network = new EdmPreconditioner(Nano, 1, PixelDiffusionTraining.SigmaData);
        var (images, noise) = (Pictures(2, 1), GaussianNoise.Draw([2, 1, 8, 8], 3));
        float[] levels = [0.3f, 2];
        var expected = 0.0;
        for (var i = 0; i < 2; i++)
        {
            var clean = images.narrow(0, i, 1);
            var estimate = network.DenoiseAt(clean + levels[i] * noise.narrow(0, i, 1), levels[i]);
            var weight = (levels[i] * levels[i] + 0.25) / (0.25 * levels[i] * levels[i]);
            expected += weight * (estimate - clean).square().mean().item<float>() / 2;
        }
        var loss = PixelDiffusionTraining.Loss(network, images, torch.tensor(levels), noise);
        Assert.Equal(expected, loss.item<float>(), 1e-4 * expected);
    }

    [Fact]
    public void WeightsInHalfPrecisionAreReadBackNearlyTheSame()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var network = new EdmPreconditioner(Nano, 1, PixelDiffusionTraining.SigmaData);
        var file = folder.File("half.safetensors");
        EdmCheckpoint.Save(network, file, half: true);
        using var read = EdmCheckpoint.Load(file);
        var noisy = GaussianNoise.Draw([2, 1, 8, 8], 1);
        var (one, other) = (network.DenoiseAt(noisy, 0.5), read.DenoiseAt(noisy, 0.5));
        Assert.True((one - other).norm().ToDouble() < 5e-3 * one.norm().ToDouble());
    }

    [Fact]
    public void BadImagesAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var network = new EdmPreconditioner(Nano, 1, PixelDiffusionTraining.SigmaData);
        string Message(torch.Tensor images, int[]? rows = null) =>
            Assert
                .Throws<ArgumentException>(() =>
                    PixelDiffusionTraining.Fit(network, images, rows, Pictures(2, 2), Short)
                )
                .Message;
        Assert.Contains("like the network's, was (2, 3, 8, 8)", Message(torch.zeros(2, 3, 8, 8)));
        Assert.Contains("at least 2 images", Message(Pictures(1, 1)));
        Assert.Contains("finite", Message(torch.full([2, 1, 8, 8], float.NaN)));
        Assert.Contains("must name images 0 to 1", Message(Pictures(2, 1), [0, 2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => PixelDiffusionTraining.Sizes(1, 30));
        Assert.Throws<ArgumentOutOfRangeException>(() => PixelDiffusionTraining.LadderFile(10, 2));
    }
}
