using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public sealed class AutoencoderTrainingTests
{
    private static readonly LatentAutoencoderOptions Small = new()
    {
        SampleSize = 32,
        Channels = 1,
        BlockChannels = [16, 32],
        LayersPerBlock = 1,
        LatentChannels = 4,
        Groups = 4,
    };

    private static readonly TrainingOptions Short = AutoencoderTraining.Recipe with
    {
        Steps = 8,
        BatchSize = 4,
        LogEvery = 4,
        Seed = 3,
    };

    private static ParametricFaces Faces => new(32, rgb: false, seed: 3);

    [Fact]
    public void TheLossFallsAndTheReconstructionNearsTheImage()
    {
        using var network = new LatentAutoencoder(Small, 1);
        var result = AutoencoderTraining.Fit(network, Faces, Short with { Steps = 80, LogEvery = 20 });
        Assert.Equal([20L, 40, 60, 80], result.History.Select(r => r.Step));
        Assert.True(
            result.History[^1].Loss < 0.6 * result.History[0].Loss,
            string.Join(", ", result.History.Select(r => r.Loss))
        );
        Assert.True(result.History[^1].Measures["psnr"] > result.History[0].Measures["psnr"] + 2);
        Assert.All(network.parameters(), p => Assert.False(p.requires_grad));
    }

    [Fact]
    public void ARunThatIsStoppedAndResumedIsTheSameBitForBit()
    {
        using var folder = new TemporaryFolder();
        ResumedRun.IsTheSameBitForBit(
            () => new LatentAutoencoder(Small, 1),
            (network, options, logged, _, cancellation) =>
                AutoencoderTraining.Fit(network, Faces, options, logged, cancellation),
            network => [network],
            Short with
            {
                CheckpointPath = folder.File("run.safetensors"),
            }
        );
    }

    [Fact]
    public void ACheckpointOfAnotherRunIsRefused()
    {
        using var folder = new TemporaryFolder();
        using LatentAutoencoder one = new(Small, 1),
            other = new(Small, 2);
        var options = Short with { Steps = 2, CheckpointPath = folder.File("run.safetensors") };
        AutoencoderTraining.Fit(one, Faces, options);
        string Refusal(LatentAutoencoder network, TrainingOptions asked) =>
            Assert.Throws<InvalidOperationException>(() => AutoencoderTraining.Fit(network, Faces, asked)).Message;
        Assert.Contains("another seed", Refusal(other, options));
        using var again = new LatentAutoencoder(Small, 1);
        Assert.Contains("its batch size is 4, this run's 5", Refusal(again, options with { BatchSize = 5 }));
    }

    [Fact]
    public void TheLossIsTheOneThatTheFormulaGives()
    {
        using var scope = torch.NewDisposeScope();
        // x = 0, y = [[1, 0], [0, 3]]: mean |y| = 1; down |−1|, |3| → 2; right |−1|, |3| → 2
        var images = torch.zeros(1, 1, 2, 2);
        var other = torch.tensor(new float[] { 1, 0, 0, 3 }).view(1, 1, 2, 2);
        Assert.Equal(3.0, AutoencoderTraining.ReconstructionLoss(other, images).item<float>(), 1e-6);
        var latents = new DiagonalGaussian(torch.full([1, 1, 1, 1], 2.0), torch.full([1, 1, 1, 1], Math.Log(0.25)));
        Assert.Equal((4 + 0.25 - 1 - Math.Log(0.25)) / 2, AutoencoderTraining.Kl(latents).item<float>(), 1e-6);
    }

    [Fact]
    public void StandardizedLatentsHaveMeanZeroAndDeviationOneAndDecodeToTheSame()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var network = new LatentAutoencoder(Small, 1);
        using var faces = Faces.Train(40);
        var before = network.Encode(faces.Images);
        var (images, variance) = (network.Decode(before.Mean), before.LogVariance);
        var old = AutoencoderTraining.Standardize(network, faces.Images);
        Assert.Contains(old.StandardDeviation, s => Math.Abs(s - 1) > 0.1);
        var now = AutoencoderTraining.Statistics(network, faces.Images);
        Assert.All(now.Mean, m => Assert.Equal(0, m, 1e-4));
        Assert.All(now.StandardDeviation, s => Assert.Equal(1, s, 1e-4));
        var after = network.Encode(faces.Images);
        Assert.True((network.Decode(after.Mean) - images).abs().max().item<float>() < 1e-4);
        var shift = (variance - after.LogVariance).narrow(1, 0, 1).mean().item<float>();
        Assert.Equal(2 * Math.Log(old.StandardDeviation[0]), shift, 1e-3);
    }

    [Fact]
    public void WhatIsWrittenIsReadBackInHalfPrecision()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var network = new LatentAutoencoder(Small, 1);
        var path = folder.File("vae");
        AutoencoderCheckpoint.Save(
            network,
            path,
            Small with
            {
                ScalingFactor = 0.5,
            },
            new Dictionary<string, string> { ["seed"] = "1" }
        );
        using var read = AutoencoderCheckpoint.Load(path);
        Assert.Equal(Small with { ScalingFactor = 0.5 }, read.Options);
        using var faces = Faces.Test(2);
        var (expected, actual) = (network.Encode(faces.Images).Mean, read.Encode(faces.Images).Mean);
        Assert.True((expected - actual).abs().max().item<float>() < 5e-3);
        Assert.Equal("1", Safetensors.ReadMetadata(Path.Combine(path, "diffusion_pytorch_model.safetensors"))["seed"]);
        Assert.Throws<ArgumentException>(() =>
            AutoencoderCheckpoint.Save(network, path, Small with { LatentChannels = 5 })
        );
    }

    [Fact]
    public void FacesThatDoNotFitAreRefused()
    {
        using var network = new LatentAutoencoder(Small with { Channels = 3 }, 1);
        Assert.Contains(
            "3 channels",
            Assert.Throws<ArgumentException>(() => AutoencoderTraining.Fit(network, Faces, Short)).Message
        );
    }
}
