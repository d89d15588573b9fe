using System.Globalization;
using System.Text.Json.Nodes;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

[Collection(GlobalGenerator.Name)]
public sealed class TrainingCheckpointTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("balanced-diffusion-").FullName;

    private string Place(string name = "run.safetensors") => Path.Combine(folder, name);

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static torch.Tensor Data(long seed = 1)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn([12, 6], generator: generator);
    }

    private static readonly TrainingOptions Plain = new()
    {
        Steps = 40,
        LogEvery = 7,
        LearningRate = 0.01,
    };

    private static TrainingResult Fit(
        torch.nn.Module model,
        TrainingOptions options,
        int stopAt = int.MaxValue,
        torch.Tensor? data = null
    )
    {
        // The token is looked at before every step; the row of a step is told at its end.
        using var stop = new CancellationTokenSource();
        var watch = new CallbackProgress<TrainingProgress>(p =>
        {
            if (p.Step >= stopAt)
                stop.Cancel();
        });
        using var own = data is null ? Data() : null;
        return model switch
        {
            ReluDae dae => Trainer.Fit(dae, data ?? own!, options, watch, stop.Token),
            ReluDiffusion diffusion => Trainer.Fit(diffusion, data ?? own!, options, watch, stop.Token),
            _ => Trainer.Fit((SmallNetwork)model, data ?? own!, options, watch, stop.Token),
        };
    }

    private static void AssertSame(torch.nn.Module a, torch.nn.Module b)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (name, value) in a.state_dict())
            Assert.True(value.equal(b.state_dict()[name]).all().item<bool>(), name);
    }

    public static TheoryData<string> Runs =>
        [
            "adam",
            "adamw-cosine",
            "rmsprop-onecycle",
            "momentum-loguniform",
            "untied",
            "full",
            "network",
            "projected",
            "projected-full",
            "projected-untied",
            "projected-diffusion",
        ];

    private static (Func<torch.nn.Module> Model, TrainingOptions Options) Run(string name) =>
        name switch
        {
            "adam" => (() => new ReluDae(6, 5, 3), Plain with { BatchSize = 8, EmaDecay = 0.9, GradientClip = 0.1 }),
            "adamw-cosine" => (
                () => new ReluDae(6, 5, 3),
                Plain with
                {
                    Optimizer = OptimizerOptions.AdamW(),
                    Schedule = LearningRateSchedule.Cosine,
                    Regularization = Regularization.FromWeightDecay(0.1),
                    BatchSize = 3,
                }
            ),
            "rmsprop-onecycle" => (
                () => new ReluDae(6, 5, 3),
                Plain with
                {
                    Optimizer = OptimizerOptions.RmsProp(momentum: 0.5),
                    Schedule = LearningRateSchedule.OneCycle(),
                    Regularization = Regularization.FromLambda(0.1),
                }
            ),
            "momentum-loguniform" => (
                () => new ReluDae(6, 5, 3),
                Plain with
                {
                    Optimizer = OptimizerOptions.Sgd(0.9),
                    Noise = new LogUniformSigma(0.1, 1),
                    BatchSize = 5,
                }
            ),
            "untied" => (() => new ReluDae(6, 5, 3, tied: false), Plain with { BatchSize = 8, EmaDecay = 0.5 }),
            "full" => (() => new ReluDae(6, 5, 3, dtype: torch.float32), Plain),
            "projected" => (
                () => new ReluDae(6, 5, 3),
                Plain with
                {
                    BatchSize = 8,
                    Gradient = GradientEstimator.Projected,
                    EmaDecay = 0.9,
                }
            ),
            "projected-full" => (() => new ReluDae(6, 5, 3), Plain with { NoiseDraws = 6 }),
            "projected-untied" => (
                () => new ReluDae(6, 5, 3, tied: false),
                Plain with
                {
                    BatchSize = 8,
                    Gradient = GradientEstimator.Projected,
                    NoiseDraws = 1,
                    Noise = new LogUniformSigma(0.1, 1),
                }
            ),
            "projected-diffusion" => (
                () => new ReluDiffusion(6, 5, 3, width: 4),
                Plain with
                {
                    BatchSize = 8,
                    Gradient = GradientEstimator.Projected,
                    Noise = new LogUniformSigma(0.1, 1),
                }
            ),
            _ => (
                () => new SmallNetwork(6, 3),
                Plain with
                {
                    BatchSize = 8,
                    EmaDecay = 0.9,
                    Noise = new LogUniformSigma(0.1, 1),
                }
            ),
        };

    [Theory, MemberData(nameof(Runs))]
    public void AStoppedAndResumedRunEqualsAnUninterruptedOneBitForBit(string name)
    {
        var (make, options) = Run(name);
        using var whole = make();
        using var expected = Fit(whole, options);
        foreach (var (stop, tag) in new[] { (7, "a"), (21, "b") })
        {
            var saving = options with { CheckpointPath = Place($"{tag}.safetensors") };
            using (var first = make())
            using (var part = Fit(first, saving, stop))
                Assert.Equal((stop, true), ((int)part.StepsDone, part.Cancelled));
            using var second = make();
            using var result = Fit(second, saving);
            AssertSame(whole, second);
            Assert.Equal(40, result.StepsDone);
            Assert.Equal(
                expected.History.Select(r => r with { Seconds = 0 }),
                result.History.Select(r => r with { Seconds = 0 })
            );
            foreach (var (key, mean) in expected.EmaWeights ?? new Dictionary<string, torch.Tensor>())
                Assert.True(mean.equal(result.EmaWeights![key]).all().item<bool>());
        }
    }

    [Fact]
    public void ARunFromBeforeTheStreamsOfNormalNumbersGoesOnWithTorchs()
    {
        using var scope = torch.NewDisposeScope();
        var options = Plain with { Optimizer = OptimizerOptions.Sgd(), CheckpointPath = Place(), LearningRate = 0.1 };
        using (var first = new ReluDae(6, 5, 3))
            Fit(first, options, 14).Dispose();
        var file = Safetensors.Read(Place());
        var metadata = new Dictionary<string, string>(file.Metadata);
        var state = JsonNode.Parse(metadata["training"])!;
        Assert.True(state["Options"]!.AsObject().Remove("normal numbers"));
        metadata["training"] = state.ToJsonString();
        Safetensors.Write(Place(), file, metadata);

        using var plain = new ReluDae(6, 5, 8);
        TrainingCheckpoint.LoadWeights(Place(), plain);
        using var model = new ReluDae(6, 5, 3);
        Fit(model, options, 21).Dispose();
        using (torch.no_grad())
            for (var step = 14; step < 21; step++)
            {
                using var generator = Seeds.Generator(Seeds.Derive(Seeds.Derive(0, "training"), step));
                using var backwards = new ReluDaeStep(plain, 12);
                backwards.Noisy.normal_(0, 0.2, generator).add_(Data());
                backwards.Compute(Data());
                plain.Encoder.sub_(backwards.Gradients[0] * 0.1);
            }
        Assert.True((model.Encoder - plain.Encoder).abs().max().item<float>() < 1e-6);

        // What it is saved as is still such a run.
        using var again = new ReluDae(6, 5, 3);
        Fit(again, options).Dispose();
        Assert.DoesNotContain("normal numbers", Safetensors.Read(Place()).Metadata["training"]);
    }

    [Fact]
    public void ARunGoesOnWithTheGradientItWasBegunWith()
    {
        var options = Plain with { CheckpointPath = Place(), BatchSize = 8 };
        using (var first = new ReluDae(6, 5, 3))
            Fit(first, options with { NoiseDraws = 4 }, 14).Dispose();
        using var second = new ReluDae(6, 5, 3);
        // By itself a run of this size would sample.
        using var result = Fit(second, options);
        Assert.Equal((GradientEstimator.Projected, 4), (result.Gradient, result.NoiseDraws));
        using var whole = new ReluDae(6, 5, 3);
        using var expected = Fit(whole, options with { NoiseDraws = 4, CheckpointPath = null });
        AssertSame(whole, second);
        using var third = new ReluDae(6, 5, 3);
        Assert.Contains(
            "its gradient is projected with 4 noises a sample, this run's sampled",
            Assert
                .Throws<InvalidOperationException>(() =>
                    Fit(third, options with { Gradient = GradientEstimator.Sampled })
                )
                .Message
        );
    }

    [Fact]
    public void APeriodicCheckpointBetweenTwoRowsIsEnoughToGoOnExactly()
    {
        // The first session dies (its progress throws) at the row of step 21; the last checkpoint is that of step 20,
        // six steps after a row.
        var options = Plain with
        {
            CheckpointPath = Place(),
            CheckpointEvery = 10,
        };
        using var whole = new ReluDae(6, 5, 3);
        using var expected = Fit(whole, Plain);
        using var data = Data();
        using var first = new ReluDae(6, 5, 3);
        Assert.Throws<TimeoutException>(() =>
            Trainer.Fit(
                first,
                data,
                options,
                new CallbackProgress<TrainingProgress>(p =>
                {
                    if (p.Step == 21)
                        throw new TimeoutException();
                })
            )
        );
        using var second = new ReluDae(6, 5, 3);
        Assert.Equal(20, TrainingCheckpoint.LoadWeights(Place(), second));
        using var third = new ReluDae(6, 5, 3);
        using var result = Fit(third, options);
        AssertSame(whole, third);
        Assert.Equal(
            expected.History.Select(r => r with { Seconds = 0 }),
            result.History.Select(r => r with { Seconds = 0 })
        );
    }

    [Fact]
    public void AFinishedRunIsReadBackWithoutTrainingAgain()
    {
        var options = Plain with { CheckpointPath = Place(), EmaDecay = 0.9 };
        using var first = new ReluDae(6, 5, 3);
        using var expected = Fit(first, options);
        using var second = new ReluDae(6, 5, 3);
        var written = File.GetLastWriteTimeUtc(Place());
        using var reread = Fit(second, options);
        AssertSame(first, second);
        Assert.Equal(expected.History, reread.History);
        Assert.Equal(written, File.GetLastWriteTimeUtc(Place()));
        Assert.True(expected.EmaWeights!["encoder"].equal(reread.EmaWeights!["encoder"]).all().item<bool>());
    }

    [Fact]
    public void AConstantRateRunCanBeLengthenedAndAScheduledOneCannot()
    {
        using var whole = new ReluDae(6, 5, 3);
        Fit(whole, Plain with { Steps = 70 }).Dispose();
        using var model = new ReluDae(6, 5, 3);
        Fit(model, Plain with { Steps = 35, CheckpointPath = Place() }).Dispose();
        Fit(model, Plain with { Steps = 70, CheckpointPath = Place() }).Dispose();
        AssertSame(whole, model);

        var cosine = Plain with
        {
            Schedule = LearningRateSchedule.Cosine,
            CheckpointPath = Place("cosine.safetensors"),
        };
        using var other = new ReluDae(6, 5, 3);
        Fit(other, cosine).Dispose();
        Assert.Contains(
            "its steps is 40, this run's 50",
            Assert.Throws<InvalidOperationException>(() => Fit(other, cosine with { Steps = 50 })).Message
        );
        Assert.Contains(
            "has made 70 steps",
            Assert
                .Throws<InvalidOperationException>(() =>
                    Fit(model, Plain with { Steps = 60, CheckpointPath = Place() })
                )
                .Message
        );
    }

    [Fact]
    public void ARunOfAnotherKindIsRefusedInOneSentenceAndNothingIsTouched()
    {
        var options = Plain with { CheckpointPath = Place(), BatchSize = 8 };
        using (var first = new ReluDae(6, 5, 3))
            Fit(first, options, 14).Dispose();
        var bytes = File.ReadAllBytes(Place());
        void Refused(string words, TrainingOptions other, torch.nn.Module? model = null, torch.Tensor? data = null)
        {
            using var same = new ReluDae(6, 5, 3);
            using var untouched = new ReluDae(6, 5, 3);
            var message = Assert.Throws<InvalidOperationException>(() => Fit(model ?? same, other, data: data)).Message;
            Assert.Contains(words, message);
            Assert.Contains("move this one away to begin anew", message);
            Assert.DoesNotContain('\n', message);
            AssertSame(untouched, same);
            Assert.Equal(bytes, File.ReadAllBytes(Place()));
        }
        Refused("its batch size is 8, this run's 4", options with { BatchSize = 4 });
        Refused(
            "its optimizer is Adam(betas 0.9 0.999, epsilon 1E-08), this run's AdamW",
            options with
            {
                Optimizer = OptimizerOptions.AdamW(),
            }
        );
        Refused("its learning rate is 0.01, this run's 0.02", options with { LearningRate = 0.02 });
        Refused("schedule", options with { Schedule = LearningRateSchedule.Cosine });
        Refused(
            "its regularization is none, this run's lambda 1",
            options with
            {
                Regularization = Regularization.FromLambda(1),
            }
        );
        Refused("noise", options with { Noise = new FixedSigma(0.3) });
        Refused("its seed is 0, this run's 5", options with { Seed = 5 });
        Refused("its EMA decay is none, this run's 0.9", options with { EmaDecay = 0.9 });
        Refused("gradient clip", options with { GradientClip = 1 });
        Refused(
            "its gradient is sampled, this run's projected with 1 noise a sample",
            options with
            {
                Gradient = GradientEstimator.Projected,
            }
        );
        using var moreUnits = new ReluDae(6, 7, 3);
        Refused("its 'encoder' has shape (5, 6), the model's (7, 6)", options, moreUnits);
        using var untied = new ReluDae(6, 5, 3, tied: false);
        Refused("it has no 'decoder'", options, untied);
        using var otherStart = new ReluDae(6, 5, 4);
        Refused("another seed", options, otherStart);
        using var otherData = Data(2);
        Refused("other data", options, data: otherData);

        using var fresh = new ReluDae(6, 5, 4);
        using var anew = Fit(fresh, options with { Resume = false });
        Assert.Equal(40, anew.StepsDone);
        Assert.NotEqual(bytes, File.ReadAllBytes(Place()));
    }

    [Fact]
    public void ADamagedCheckpointIsRefusedInOneSentenceAndNothingIsTouched()
    {
        var options = Plain with { CheckpointPath = Place() };
        using (var first = new ReluDae(6, 5, 3))
            Fit(first, options, 14).Dispose();
        var good = File.ReadAllBytes(Place());
        List<byte[]> damaged =
        [
            [],
            good[..5],
            good[..(good.Length / 2)],
            good[..^1],
            [.. good, 0],
            "not a checkpoint at all"u8.ToArray(),
        ];
        for (var position = 0; position < good.Length; position += 41)
        {
            var flipped = (byte[])good.Clone();
            flipped[position] ^= 0x10;
            damaged.Add(flipped);
        }
        using var untouched = new ReluDae(6, 5, 3);
        var refused = 0;
        foreach (var bytes in damaged)
        {
            File.WriteAllBytes(Place(), bytes);
            using var model = new ReluDae(6, 5, 3);
            // A flip inside the JSON of the header may leave a readable number, such as other seconds; anything else is
            // found.
            try
            {
                Fit(model, options, 14).Dispose();
                continue;
            }
            catch (Exception e) when (e is InvalidDataException or InvalidOperationException)
            {
                refused++;
                Assert.Contains("the checkpoint '", e.Message);
                Assert.DoesNotContain('\n', e.Message);
                AssertSame(untouched, model);
                Assert.Equal(bytes, File.ReadAllBytes(Place()));
            }
        }
        Assert.True(refused >= damaged.Count * 0.9, $"{refused} of {damaged.Count}");
    }

    [Fact]
    public void WeightsAloneCanBeLoadedAndTheirRunningMeansToo()
    {
        using var model = new ReluDae(6, 5, 3);
        using var result = Fit(model, Plain with { CheckpointPath = Place(), EmaDecay = 0.9 });
        using var copy = new ReluDae(6, 5, 8);
        Assert.Equal(40, TrainingCheckpoint.LoadWeights(Place(), copy));
        AssertSame(model, copy);
        TrainingCheckpoint.LoadWeights(Place(), copy, ema: true);
        Assert.True(copy.Encoder.equal(result.EmaWeights!["encoder"]).all().item<bool>());
        using var other = new ReluDae(6, 4, 8);
        Assert.Contains(
            "(5, 6)",
            Assert.Throws<ArgumentException>(() => TrainingCheckpoint.LoadWeights(Place(), other)).Message
        );
        Assert.Throws<FileNotFoundException>(() => TrainingCheckpoint.LoadWeights(Place("none"), other));
        Fit(model, Plain with { CheckpointPath = Place("plain") }).Dispose();
        Assert.Contains(
            "keeps no EMA of the weights",
            Assert
                .Throws<InvalidDataException>(() => TrainingCheckpoint.LoadWeights(Place("plain"), copy, ema: true))
                .Message
        );
    }

    [Fact]
    public void ACheckpointCrossesCultures()
    {
        var culture = CultureInfo.CurrentCulture;
        var options = Plain with
        {
            CheckpointPath = Place(),
            LearningRate = 0.0125,
            Noise = new LogUniformSigma(0.15, 1.5),
        };
        try
        {
            var german = (CultureInfo)CultureInfo.InvariantCulture.Clone();
            german.NumberFormat.NumberDecimalSeparator = ",";
            CultureInfo.CurrentCulture = german;
            using var model = new ReluDae(6, 5, 3);
            Fit(model, options, 14).Dispose();
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
        using var again = new ReluDae(6, 5, 3);
        using var result = Fit(again, options);
        Assert.Equal(40, result.StepsDone);
    }

    [Fact]
    public void APlaceThatCannotBeWrittenIsNamedBeforeAnythingIsTrained()
    {
        File.WriteAllText(Place("file"), "");
        using var model = new ReluDae(6, 5, 3);
        using var untouched = new ReluDae(6, 5, 3);
        Assert.Contains(
            "is a folder",
            Assert.Throws<ArgumentException>(() => Fit(model, Plain with { CheckpointPath = folder })).Message
        );
        Assert.Contains(
            "cannot be written",
            Assert
                .Throws<ArgumentException>(() =>
                    Fit(model, Plain with { CheckpointPath = Path.Combine(Place("file"), "below.safetensors") })
                )
                .Message
        );
        AssertSame(untouched, model);
    }

    [Fact]
    public void ALostDiskCostsTheCheckpointAndNotTheTraining()
    {
        var options = Plain with
        {
            CheckpointPath = Path.Combine(folder, "sub", "run.safetensors"),
            CheckpointEvery = 10,
        };
        using var data = Data();
        using var model = new ReluDae(6, 5, 3);
        using var whole = new ReluDae(6, 5, 3);
        Fit(whole, Plain).Dispose();
        using var result = Trainer.Fit(
            model,
            data,
            options,
            new CallbackProgress<TrainingProgress>(p =>
            {
                if (p.Step != 14)
                    return;
                Directory.Delete(Path.Combine(folder, "sub"), recursive: true);
                File.WriteAllText(Path.Combine(folder, "sub"), "in the way");
            })
        );
        Assert.Contains("could not be written at step 40", result.CheckpointFailure);
        AssertSame(whole, model);
    }

    [Fact]
    public void NothingButTheCheckpointIsLeftInItsFolder()
    {
        using var model = new ReluDae(6, 5, 3);
        Fit(model, Plain with { CheckpointPath = Place(), CheckpointEvery = 5 }).Dispose();
        Assert.Equal([Place()], Directory.GetFiles(folder));
    }
}
