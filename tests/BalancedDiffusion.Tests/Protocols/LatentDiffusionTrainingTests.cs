using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public sealed class LatentDiffusionTrainingTests
{
    private const int Length = 8;
    private static readonly LatentAutoencoderOptions Autoencoder = new()
    {
        SampleSize = 32,
        Channels = 1,
        BlockChannels = [8, 16, 16],
        LayersPerBlock = 1,
        LatentChannels = 4,
        Groups = 4,
        ScalingFactor = 2,
    };

    private static readonly ConditionalUNetOptions UNet = new()
    {
        SampleSize = 8,
        InChannels = 4,
        OutChannels = 4,
        BlockChannels = [16, 32],
        Attends = [true, true],
        LayersPerBlock = 1,
        TextWidth = 8,
        Heads = 2,
        Groups = 4,
    };

    private static readonly TrainingOptions Short = LatentDiffusionTraining.Recipe with
    {
        Steps = 6,
        BatchSize = 4,
        LogEvery = 3,
        Seed = 5,
    };

    private static readonly string[] Words = ["old", "young", "hat", "smile"];

    private static string Tokenizer(TemporaryFolder folder)
    {
        var path = folder.File("tokenizer-files");
        ClipVocabulary.Train([.. Words, .. Words, "a face with a hat", "an old face with a smile"], 540).Save(path);
        return path;
    }

    private static StableDiffusionV1 Nano(string tokenizer, long seed = 1)
    {
        var clip = new ClipTokenizer(
            Path.Combine(tokenizer, "vocab.json"),
            Path.Combine(tokenizer, "merges.txt"),
            Length
        );
        var text = LatentDiffusionTraining.TextEncoder(clip) with { Width = 8, Heads = 2, HiddenUnits = 16 };
        return LatentDiffusionTraining.Create(clip, new LatentAutoencoder(Autoencoder, 9), seed, UNet, text);
    }

    private static ConditionedLatents Data(StableDiffusionV1 model, int count, bool test, string? cache = null)
    {
        var faces = new ParametricFaces(32, rgb: false, seed: 2);
        var start = test ? ParametricFaces.FirstTestIndex : 0;
        using var scope = torch.NewDisposeScope();
        return new ConditionedLatents(
            ConditionedLatents.Encode(
                model.Autoencoder,
                count,
                (first, n) => faces.Render(start + first, n).Images,
                $"faces from {start} on",
                cache
            ),
            model.Tokenizer.Encode([.. Enumerable.Range(0, count).Select(i => Words[i % Words.Length])]),
            test ? null : [0, 0, 0, .. Enumerable.Range(0, count)]
        );
    }

    [Fact]
    public void ASystemIsTrainedWrittenAndReadBackAsItWas()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var tokenizer = Tokenizer(folder);
        using var model = Nano(tokenizer);
        using ConditionedLatents train = Data(model, 40, test: false),
            heldOut = Data(model, 16, test: true);
        var previews = new List<long>();
        var result = LatentDiffusionTraining.Fit(
            model,
            train,
            heldOut,
            Short with
            {
                Steps = 20,
                LogEvery = 10,
            },
            preview: previews.Add
        );
        Assert.Equal([10L, 20], result.History.Select(r => r.Step));
        Assert.Equal([20L], previews);
        var path = folder.File("mini");
        StableDiffusionCheckpoint.Save(model, tokenizer, path, new Dictionary<string, string> { ["seed"] = "1" });
        using var read = StableDiffusionCheckpoint.Load(path);
        Assert.Equal(model.Network.Options, read.Network.Options);
        Assert.Equal(Length, read.Tokenizer.Length);
        Assert.Equal(model.Schedule, read.Schedule);
        Assert.Equal(2.0, read.Autoencoder.Options.ScalingFactor);
        Assert.Equal(model.Tokenizer.Tokens("an old hat"), read.Tokenizer.Tokens("an old hat"));
        var (expected, actual) = (model.Condition("old", "a hat"), read.Condition("old", "a hat"));
        Assert.True((expected - actual).abs().max().item<float>() < 0.01);
        var (before, after) = (
            model.Sample(["old", "hat"], steps: 5, seed: 3, guidance: 2),
            read.Sample(["old", "hat"], steps: 5, seed: 3, guidance: 2)
        );
        Assert.True((before - after).norm().item<float>() < 0.02 * before.norm().item<float>());
        Assert.True((model.Images(before) - read.Images(before)).abs().max().item<float>() < 0.02);
    }

    [Fact]
    public void ARunThatIsStoppedAndResumedIsTheSameBitForBit()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer(folder);
        using var encoder = Nano(tokenizer);
        using ConditionedLatents train = Data(encoder, 12, test: false),
            heldOut = Data(encoder, 6, test: true),
            fewer = Data(encoder, 11, test: false);
        var options = Short with { CheckpointPath = folder.File("run.safetensors") };
        // A preview between the steps must not change them.
        ResumedRun.IsTheSameBitForBit(
            () => Nano(tokenizer),
            (model, asked, logged, resumed, cancellation) =>
                LatentDiffusionTraining.Fit(
                    model,
                    train,
                    heldOut,
                    asked,
                    logged,
                    resumed ? _ => model.Sample(["hat"], steps: 2, guidance: 2).Dispose() : null,
                    TimeSpan.Zero,
                    cancellation
                ),
            model => [model.Network, model.TextEncoder],
            options
        );
        using var again = Nano(tokenizer);
        Assert.Contains(
            "its data is",
            Assert
                .Throws<InvalidOperationException>(() => LatentDiffusionTraining.Fit(again, fewer, heldOut, options))
                .Message
        );
    }

    [Fact]
    public void TheLossFallsBelowThatOfPredictingNothing()
    {
        using var folder = new TemporaryFolder();
        using var model = Nano(Tokenizer(folder));
        using ConditionedLatents train = Data(model, 64, test: false),
            heldOut = Data(model, 32, test: true);
        var result = LatentDiffusionTraining.Fit(
            model,
            train,
            heldOut,
            Short with
            {
                Steps = 60,
                BatchSize = 16,
                LogEvery = 60,
                LearningRate = 5e-3,
            }
        );
        // A network that predicts no noise at all has the mean weight as its loss.
        var nothing = Enumerable
            .Range(0, 1000)
            .Select(model.Schedule.AlphaBar)
            .Average(alpha => Math.Min(1, MinSnr.Gamma * (1 - alpha) / alpha));
        var loss = result.History[^1].Measures["validation"];
        Assert.True(loss < 0.4 * nothing, $"{loss} of {nothing}");
    }

    [Fact]
    public void AFreshModelPredictsNoNoiseSoThatItsLossIsTheMeanWeight()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Nano(Tokenizer(folder));
        var noise = GaussianNoise.Draw([2, 4, 8, 8], 1);
        var loss = LatentDiffusionTraining.NoiseLoss(
            model,
            torch.zeros(2, 4, 8, 8),
            model.Tokenizer.Encode("old", "hat"),
            noise,
            10,
            900
        );
        // Weights min(SNR, 5)/SNR: a small one at little noise, one at much.
        var alpha = model.Schedule.AlphaBar(10);
        var powers = noise.square().mean([1L, 2L, 3L]).data<float>().ToArray();
        Assert.Equal((5 / (alpha / (1 - alpha)) * powers[0] + powers[1]) / 2, loss.item<float>(), 1e-5);
    }

    [Fact]
    public void DuplicatesAreRowsOfOneImageAndTheCacheGivesTheSame()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var model = Nano(Tokenizer(folder));
        var cache = folder.File("latents.safetensors");
        using ConditionedLatents made = Data(model, 40, test: false, cache),
            kept = Data(model, 40, test: false, cache);
        Assert.Equal((40, 43), (made.Distinct, made.Rows));
        Assert.Equal(made.Digest, kept.Digest);
        // Another number of images is not the kept one, nor is a damaged file.
        using (var fewer = Data(model, 39, test: false, cache))
            Assert.Equal(39, fewer.Distinct);
        File.WriteAllText(cache, "no latents");
        using (var anew = Data(model, 40, test: false, cache))
            Assert.Equal(made.Digest, anew.Digest);
        var (latents, tokens) = made.Pick(0, 2, 3, 42);
        Assert.True(latents[0].Equals(latents[1]) && latents[0].Equals(latents[2]));
        Assert.False(latents[0].Equals(latents[3]));
        var caption = model.Tokenizer.Tokens(Words[39 % 4]);
        Assert.Equal(caption, tokens[3].data<long>().ToArray()[..caption.Count]);
        using var faces = new ParametricFaces(32, rgb: false, seed: 2).Train(40);
        using var direct = model.Latents(faces.Images.narrow(0, 39, 1));
        Assert.True((latents[3] - direct[0]).abs().max().item<float>() < 5e-3);
        Assert.Throws<ArgumentOutOfRangeException>(() => made.Pick(43));
        Assert.Throws<ArgumentException>(() =>
            new ConditionedLatents(torch.zeros(2, 4, 8, 8), torch.zeros(2, 3, dtype: torch.int64), [2])
        );
    }
}
