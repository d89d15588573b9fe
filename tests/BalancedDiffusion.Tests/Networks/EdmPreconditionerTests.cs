using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Training;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks;

public class EdmPreconditionerTests
{
    private const string Activation = "activation.";

    /// <summary>Compares a network's answers and its modules' returns with those of the published code.</summary>
    private static void MeetsThePublishedCode(string weights, params string[] records)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = EdmCheckpoint.Load(weights);
        var io = new Dictionary<string, torch.Tensor>();
        foreach (var record in records)
        foreach (var (name, value) in Safetensors.Read(record))
            io[name] = value;
        var names = io
            .Keys.Where(k => k.StartsWith(Activation, StringComparison.Ordinal))
            .Select(k => k[Activation.Length..])
            .ToList();
        torch.Tensor? denoised = null;
        var seen = Record(
            model,
            names,
            () => denoised = model.call(io["x"], io["sigma"], io.GetValueOrDefault("labels"))
        );
        var worst = Difference(denoised!, io["denoised"]);
        TestContext.Current.TestOutputHelper?.WriteLine($"denoised {worst:G3}");
        Assert.True(worst < 1e-5, $"denoised: {worst}");
        foreach (var name in names)
        {
            var difference = Difference(seen[name], io[Activation + name]);
            TestContext.Current.TestOutputHelper?.WriteLine($"{name} {difference:G3}");
            Assert.True(difference < 1e-5, $"{name}: {difference}");
            seen[name].Dispose();
        }
        if (io.TryGetValue("denoised_without_labels", out var none))
            Assert.True(Difference(model.WithoutLabels().Denoise(io["x"], io["sigma"]), none) < 1e-5);
        // One level at a time is the same as all at once.
        if (model.Options.LabelDim == 0)
            for (var i = 0; i < io["sigma"].shape[0]; i++)
                Assert.True(
                    Difference(
                        model.DenoiseAt(io["x"].narrow(0, i, 1), io["sigma"][i].item<float>()),
                        io["denoised"].narrow(0, i, 1)
                    ) < 1e-5
                );
    }

    [Fact]
    public void AConditionalDdpmPlusPlusAnswersAsThePublishedCodeDoes() =>
        MeetsThePublishedCode(
            File("edm-cond-tiny.safetensors"),
            File("edm-cond-tiny-io.safetensors"),
            File("edm-cond-tiny-activations.safetensors")
        );

    [Fact]
    public void AnNcsnPlusPlusAnswersAsThePublishedCodeDoes() =>
        MeetsThePublishedCode(File("edm-ncsnpp-nano.safetensors"), File("edm-ncsnpp-nano-io.safetensors"));

    [Fact]
    public void ANetworkThatSkipsOnBothSidesAnswersAsThePublishedCodeDoes() =>
        MeetsThePublishedCode(File("edm-skip-nano.safetensors"), File("edm-skip-nano-io.safetensors"));

    [Fact]
    public void ADdpmPlusPlusAnswersAsThePublishedCodeDoes() =>
        MeetsThePublishedCode(
            SharedData.Path("golden", "edm-ddpmpp-tiny.safetensors"),
            SharedData.Path("golden", "edm-ddpmpp-tiny-io.safetensors")
        );

    [Fact]
    public void ClassesAsNumbersAreOneHotLabels()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = EdmCheckpoint.Load(File("edm-cond-tiny.safetensors"));
        var io = Safetensors.Read(File("edm-cond-tiny-io.safetensors"));
        var classes = io["labels"].argmax(1).data<long>().ToArray();
        Assert.True(Difference(model.WithLabels(classes).Denoise(io["x"], io["sigma"]), io["denoised"]) < 1e-5);
        Assert.True(Difference(model.call(io["x"], io["sigma"], io["labels"]), io["denoised"]) < 1e-5);
        var first = model.WithLabels(classes[0]);
        Assert.Equal(1, first.Count);
        Assert.True(Difference(first.Denoise(io["x"], io["sigma"])[..1], io["denoised"][..1]) < 1e-5);
        Assert.Equal(model.SampleShape, first.SampleShape);
    }

    [Theory]
    [InlineData(1e-25)]
    [InlineData(1e-3)]
    [InlineData(0.5)]
    [InlineData(80)]
    [InlineData(1e25)]
    public void ANetworkOfZeroLeavesTheBestLinearEstimateAtEveryLevel(double sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new EdmPreconditioner(Nano, 1, sigmaData: 0.3);
        foreach (var (name, p) in model.named_parameters())
            if (name.Contains("aux_conv"))
                p.zero_();
        var x = Normal(2, 2, 1, 8, 8);
        Assert.True(Difference(model.DenoiseAt(x, sigma), x * (0.09 / (0.09 + sigma * sigma))) < 1e-6 || sigma > 1e20);
        Assert.True(torch.isfinite(model.DenoiseAt(x, sigma)).all().item<bool>());
    }

    [Fact]
    public void TheNetworkIsHandedInputsOfUnitVarianceAndALevelOnALogarithmicScale()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new EdmPreconditioner(Nano, 1);
        var deviations = new List<float>();
        var levels = new List<float>();
        model.Network.register_forward_hook(
            (_, image, noise, _, output) =>
            {
                deviations.Add(image.std().item<float>());
                levels.Add(noise.item<float>());
                return output;
            }
        );
        foreach (var sigma in new[] { 0.01, 1, 50 })
        {
            var data = Normal(3, 64, 1, 8, 8) * 0.5;
            model.DenoiseAt(data + Normal(4, 64, 1, 8, 8) * sigma, sigma);
            Assert.Equal(1, deviations[^1], 0.03);
            Assert.Equal(Math.Log(sigma) / 4, levels[^1], 1e-6);
        }
        Assert.Equal(3, levels.Count);
    }

    [Fact]
    public void TrainedAsInEdmItLowersTheWeightedLossAndDenoisesBetterThanItsSkipAlone()
    {
        using var scope = torch.NewDisposeScope();
        // Images of one constant colour each, so that the neighbours of a pixel tell its value: the best estimate
        // averages the 64 pixels.
        var data = torch.sign(Normal(1, 256, 1, 1, 1)).mul(0.5).expand(256, 1, 8, 8).contiguous();
        var options = new SongUNetOptions
        {
            Resolution = 8,
            Channels = 1,
            ModelChannels = 16,
            ChannelMultipliers = [1, 1],
            Blocks = 1,
            AttentionResolutions = [4],
        };
        using var model = new EdmPreconditioner(options, 2);
        using var result = Trainer.Fit(
            model,
            data,
            new TrainingOptions
            {
                Steps = 200,
                BatchSize = 16,
                LearningRate = 2e-3,
                Optimizer = OptimizerOptions.Adam(),
                Noise = new LogNormalSigma(),
                Weighting = LossWeighting.Edm(),
                EmaDecay = 0.97,
                Seed = 3,
                LogEvery = 20,
            }
        );
        // At first F is zero, and every level costs 1: that is what the weighting is for.
        Assert.InRange(result.History[0].Loss, 0.1, 1.1);
        Assert.True(
            result.History[^1].Loss < 0.2 * result.History[0].Loss,
            $"{result.History[0].Loss} to {result.History[^1].Loss}"
        );
        result.CopyEmaTo(model);
        foreach (var sigma in new[] { 0.2, 0.5, 1 })
        {
            var noisy = data + Normal(4, 256, 1, 8, 8) * sigma;
            var error = (model.DenoiseAt(noisy, sigma) - data).square().mean().item<float>();
            var skipAlone = 0.25 * sigma * sigma / (0.25 + sigma * sigma);
            Assert.True(error < 0.3 * skipAlone, $"{error} at {sigma}, the skip alone has {skipAlone}");
        }
        // A sampler takes it as any other denoiser, and its samples have one colour too.
        var samples = new HeunSampler().Draw(model, 8, new KarrasSchedule(80, 0.02).Levels(12), seed: 5);
        Assert.True(samples.flatten(1).std(1).max().item<float>() < 0.25, $"{samples.flatten(1).std(1)}");
    }

    [Fact]
    public void TrainedWithClassesItKnowsWhatAClassLooksLikeWhereTheNoiseDrownsTheImage()
    {
        using var scope = torch.NewDisposeScope();
        // Class 0 is dark, class 1 bright, in shuffled order: at sigma = 5 the colour of an image cannot be told, but
        // its class tells it.
        var classes = Normal(1, 200).gt(0).to(torch.int64);
        var data = classes.to(torch.float32).sub(0.5).view(200, 1, 1, 1).expand(200, 1, 4, 4).contiguous();
        var options = new SongUNetOptions
        {
            Resolution = 4,
            Channels = 1,
            ModelChannels = 16,
            ChannelMultipliers = [1],
            Blocks = 1,
            AttentionResolutions = [],
            LabelDim = 2,
            LabelDropout = 0.3,
        };
        using var model = new EdmPreconditioner(options, 2);
        using var result = Trainer.Fit(
            model,
            data,
            classes,
            new TrainingOptions
            {
                Steps = 250,
                BatchSize = 32,
                LearningRate = 3e-3,
                Schedule = LearningRateSchedule.Cosine,
                Noise = new LogUniformSigma(2, 20),
                Weighting = LossWeighting.Edm(),
                Seed = 3,
            }
        );
        var noisy = Normal(4, 64, 1, 4, 4) * 20;
        float Mean(IDenoiser denoiser) => denoiser.DenoiseAt(noisy, 20).mean().item<float>();
        Assert.InRange(Mean(model.WithLabels(0)), -0.6, -0.4);
        Assert.InRange(Mean(model.WithLabels(1)), 0.4, 0.6);
        Assert.InRange(Mean(model.WithoutLabels()), -0.2, 0.2);
        // The whole set in order is a batch too, and the caller's tensors stay.
        Trainer.Fit(model, data, classes, new TrainingOptions { Steps = 1 }).Dispose();
        Assert.Equal(200, classes.shape[0]);
    }

    [Fact]
    public void ClassesOfOneBatchAreOneHotLabels()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano with { LabelDim = 3 }, 1);
        var x = Normal(2, 3, 1, 8, 8);
        Assert.Equal(3, model.Classes);
        Assert.True(
            model
                .Denoise(x, torch.tensor(0.5f), torch.tensor(new long[] { 2, 0, 1 }))
                .eq(model.WithLabels(2, 0, 1).DenoiseAt(x, 0.5))
                .all()
                .item<bool>()
        );
    }

    [Fact]
    public void TrainingWithClassesThatDoNotFitIsRefusedAndSoIsGoingOnWithOthers()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var plain = new EdmPreconditioner(Nano, 1);
        using var model = new EdmPreconditioner(Nano with { LabelDim = 3 }, 1);
        var data = Normal(2, 4, 1, 8, 8);
        var once = new TrainingOptions { Steps = 1, CheckpointPath = folder.File("run.safetensors") };
        torch.Tensor Of(params long[] classes) => torch.tensor(classes);
        void Refused(string words, Action action) =>
            Assert.Contains(words, Assert.ThrowsAny<ArgumentException>(action).Message);
        Refused(
            "the model knows no classes; train it without them",
            () => Trainer.Fit(plain, data, Of(0, 0, 0, 0), once)
        );
        Refused("labels must have shape (4), was (3)", () => Trainer.Fit(model, data, Of(0, 1, 2), once));
        Refused("a class must be 0 to 2, was 3", () => Trainer.Fit(model, data, Of(0, 1, 2, 3), once));
        Refused("a class must be 0 to 2, was -1", () => Trainer.Fit(model, data, Of(0, 1, -1, 0), once));
        Refused(
            "labels must be Int64, was Float32",
            () => Trainer.Fit(model, data, Of(0, 1, 2, 0).to(torch.float32), once)
        );
        Refused("labels are missing", () => Trainer.Fit(model, data, once));
        Trainer.Fit(model, data, Of(0, 1, 2, 0), once).Dispose();
        Assert.Contains(
            "it was trained on other data",
            Assert
                .Throws<InvalidOperationException>(() =>
                    Trainer.Fit(model, data, Of(0, 1, 2, 1), once with { Steps = 2 })
                )
                .Message
        );
        Trainer.Fit(model, data, Of(0, 1, 2, 0), once with { Steps = 2 }).Dispose();
    }

    [Fact]
    public void TheFirstLossIsOneAtEveryLevelForDataOfTheStatedDeviation()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var sigma in new[] { 0.02, 0.5, 20 })
        {
            using var model = new EdmPreconditioner(Nano, 1);
            using var result = Trainer.Fit(
                model,
                Normal(2, 64, 1, 8, 8) * 0.5,
                new TrainingOptions
                {
                    Steps = 1,
                    LearningRate = 1e-9,
                    Noise = new FixedSigma(sigma),
                    Weighting = LossWeighting.Edm(0.5),
                }
            );
            // 4096 squares of normal numbers: a standard deviation of 0.022.
            Assert.Equal(1, result.History[0].Loss, 0.1);
        }
    }

    [Fact]
    public void BadInputsAreRefusedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var plain = new EdmPreconditioner(Nano, 1);
        using var conditional = new EdmPreconditioner(Nano with { LabelDim = 10 }, 1);
        var x = torch.zeros(2, 1, 8, 8);
        var one = torch.tensor(1f);
        void Refused(string words, Action action)
        {
            var message = Assert.ThrowsAny<ArgumentException>(action).Message.Split(" (Parameter")[0];
            Assert.Contains(words, message);
            Assert.DoesNotContain("\n", message);
        }
        Refused("noisy must have shape (any, 1, 8, 8), was (2, 64)", () => plain.Denoise(x.view(2, 64), one));
        Refused(
            "noisy must be Float32 like the network's weights, was Float64",
            () => plain.Denoise(x.to(torch.float64), one)
        );
        Refused("noisy holds NaN or infinity", () => plain.Denoise(torch.full_like(x, double.NaN), one));
        foreach (var bad in new[] { 0, -0.2, double.NaN, double.PositiveInfinity })
            Refused($"sigma must be positive and finite, was {bad}", () => plain.DenoiseAt(x, bad));
        Refused("sigma must be positive and finite, was -3", () => plain.Denoise(x, torch.tensor([1f, -3])));
        Refused("sigma must have shape () or (2), was (3)", () => plain.Denoise(x, torch.ones(3)));
        Refused("sigmaData must be positive and finite, was 0", () => new EdmPreconditioner(Nano, 1, 0));
        Refused("the network knows no classes (LabelDim is 0)", () => plain.WithLabels(1));
        Refused("the network knows no classes (LabelDim is 0)", () => plain.WithoutLabels());
        Refused("labels must be null: the network knows no classes", () => plain.call(x, one, torch.zeros(2, 10)));
        Refused(
            "labels are missing: the network takes one of 10 classes; choose them with WithLabels, or none "
                + "with WithoutLabels",
            () => conditional.Denoise(x, one)
        );
        Refused("a class must be 0 to 9, was 10", () => conditional.WithLabels(3, 10));
        Refused("a class must be 0 to 9, was -1", () => conditional.WithLabels(-1));
        Refused("labels must name at least one class, was empty", () => conditional.WithLabels());
        Refused(
            "labels must have shape (2, 10) or (1, 10), was (3, 10)",
            () => conditional.WithLabels(1, 2, 3).Denoise(x, one)
        );
        Refused(
            "labels must have shape (2, 10) or (1, 10), was (2, 9)",
            () => conditional.call(x, one, torch.zeros(2, 9))
        );
        Refused("labels holds NaN or infinity", () => conditional.call(x, one, torch.full(1, 10, double.NaN)));
    }
}
