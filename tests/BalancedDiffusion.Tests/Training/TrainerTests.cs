using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

[Collection(GlobalGenerator.Name)]
public class TrainerTests
{
    private static torch.Tensor Data(long count = 12, long dimension = 6, long seed = 1)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn([count, dimension], generator: generator);
    }

    private static bool Same(torch.nn.Module a, torch.nn.Module b) =>
        a.state_dict().All(t => t.Value.equal(b.state_dict()[t.Key]).all().item<bool>());

    [Fact]
    public void AMemorizerStoresEachSampleWithTheNormOfCorollary32()
    {
        using var scope = torch.NewDisposeScope();
        const int d = 32,
            n = 3;
        const double sigma = 0.2,
            lambda = 0.5;
        // Three samples at 120 degrees in a random plane: pairwise cosines of -1/2, so separable with beta < 0.
        using var generator = Seeds.Generator(5);
        var plane = torch.linalg.qr(torch.randn([d, 2], dtype: torch.float64, generator: generator)).Q;
        var lengths = new[] { 3.0, 4.0, 5.0 };
        var data = torch
            .stack([
                .. lengths.Select(
                    (r, i) =>
                        (plane[.., 0] * Math.Cos(2 * Math.PI * i / n) + plane[.., 1] * Math.Sin(2 * Math.PI * i / n))
                        * r
                ),
            ])
            .to_type(torch.float32);
        using var model = new ReluDae(d, 20, 1);
        using var result = Trainer.Fit(
            model,
            data,
            TrainingRecipes.Memorizing with
            {
                Steps = 3000,
                LearningRate = 3e-3,
                Regularization = Regularization.FromLambda(lambda),
                Noise = new FixedSigma(sigma),
            }
        );
        using var noGrad = torch.no_grad();
        for (var i = 0; i < n; i++)
        {
            var square = lengths[i] * lengths[i];
            var predicted = Math.Sqrt((square - n * lambda) / (square + sigma * sigma));
            var cosines = torch.nn.functional.cosine_similarity(model.Encoder, data[i].unsqueeze(0), 1);
            var group = torch
                .where(cosines > 0.9, model.Encoder.square().sum(1), torch.zeros_like(cosines))
                .sum()
                .sqrt()
                .item<float>();
            Assert.Equal(predicted, group, 0.01);
        }
        // (1/n) Σ of the eigen-direction losses: reconstruction ‖x‖²(1-s)² + s²sigma², penalty 2 lambda r², s
        // = r².
        var objective = lengths
            .Select(r => (r * r, s: (r * r - n * lambda) / (r * r + sigma * sigma)))
            .Sum(v => (v.Item1 * (1 - v.s) * (1 - v.s) + v.s * v.s * sigma * sigma) / n + 2 * lambda * v.s);
        Assert.Equal(objective, result.History[^1].Objective * d, 0.02 * objective);
    }

    [Fact]
    public void TheStepByHandAndTheGeneralPathTrainTheSameModel()
    {
        foreach (var tied in new[] { true, false })
        foreach (var batch in new[] { 0, 8 })
        {
            using var scope = torch.NewDisposeScope();
            using var byHand = new ReluDae(6, 5, 3, tied);
            using var general = new ReluDae(6, 5, 3, tied);
            var options = new TrainingOptions
            {
                Steps = 60,
                BatchSize = batch,
                LearningRate = 5e-3,
                LogEvery = 7,
                EmaDecay = 0.9,
                GradientClip = 0.05,
                Regularization = Regularization.FromWeightDecay(0.01),
                Noise = new LogUniformSigma(0.1, 1),
            };
            using var first = Trainer.Fit(byHand, Data(), options);
            using var second = Trainer.Fit(new CoatedDae(general), Data(), options);
            Assert.True((byHand.Encoder - general.Encoder).abs().max().item<float>() < 1e-5);
            Assert.True((byHand.Decoder - general.Decoder).abs().max().item<float>() < 1e-5);
            Assert.Equal(first.History.Select(r => r.Step), second.History.Select(r => r.Step));
            foreach (var (a, b) in first.History.Zip(second.History))
            {
                Assert.Equal(a.Loss, b.Loss, 1e-5);
                Assert.Equal(a.Objective, b.Objective, 1e-5);
                Assert.Equal(a.LearningRate, b.LearningRate);
            }
            using var untrained = new ReluDae(6, 5, 3, tied);
            Assert.True((byHand.Encoder - untrained.Encoder).abs().max().item<float>() > 1e-2);
        }
    }

    [Theory]
    [InlineData(torch.ScalarType.Float32, 1e-6), InlineData(torch.ScalarType.Float64, 1e-13)]
    public void ARunIsThePlainLoopOverTheSameBatches(torch.ScalarType type, double tolerance)
    {
        using var scope = torch.NewDisposeScope();
        const long d = 64,
            p = 20,
            batch = 32;
        var data = Data(50, d).to_type(type);
        using var model = new ReluDae(d, p, 3, dtype: type);
        using var result = Trainer.Fit(
            model,
            data,
            TrainingRecipes.AuthorsGeneralizing with
            {
                Steps = 20,
                BatchSize = (int)batch,
                Seed = 7,
                LogEvery = 1,
            }
        );

        using var plain = new ReluDae(d, p, 3, dtype: type);
        using var adam = torch.optim.Adam([plain.Encoder], 1e-4, weight_decay: 1e-4);
        var seed = Seeds.Derive(7, "training");
        for (var step = 0; step < 20; step++)
        {
            using var generator = Seeds.Generator(Seeds.Derive(seed, step));
            var clean = data.index_select(0, torch.zeros([batch], dtype: torch.int64).random_(0, 50, generator));
            var noisy = clean + 0.2 * GaussianNoise.DrawEach([batch, d], seed, draw: step, dtype: type);
            var loss = torch.nn.functional.mse_loss(plain.call(noisy), clean);
            adam.zero_grad();
            loss.backward();
            adam.step();
            Assert.Equal(loss.to_type(torch.float64).item<double>(), result.History[step].Loss, tolerance);
        }
        Assert.True((model.Encoder - plain.Encoder).abs().max().to_type(torch.float64).item<double>() < tolerance);
    }

    [Theory]
    [InlineData(1), InlineData(2), InlineData(6)]
    public void AProjectedRunIsTheLoopOfItsStepsOverTheSameBatches(int draws)
    {
        using var scope = torch.NewDisposeScope();
        const long d = 64,
            p = 20,
            batch = 32;
        var data = Data(50, d);
        var noise = new LogUniformSigma(0.1, 1);
        using var model = new ReluDae(d, p, 3);
        using var result = Trainer.Fit(
            model,
            data,
            TrainingRecipes.AuthorsGeneralizing with
            {
                Steps = 20,
                BatchSize = (int)batch,
                Seed = 7,
                LogEvery = 1,
                Noise = noise,
                Gradient = GradientEstimator.Projected,
                NoiseDraws = draws,
            }
        );
        using var plain = new ReluDae(d, p, 3);
        using var adam = torch.optim.Adam([plain.Encoder], 1e-4, weight_decay: 1e-4);
        using var projected = new ProjectedStep(plain, batch, draws);
        var seed = Seeds.Derive(7, "training");
        using var noGrad = torch.no_grad();
        for (var step = 0; step < 20; step++)
        {
            using var generator = Seeds.Generator(Seeds.Derive(seed, step));
            var indices = torch.zeros([batch], dtype: torch.int64).random_(0, 50, generator);
            var clean = data.index_select(0, indices);
            var sigma = noise.Draw(batch, generator, torch.CPU);
            var pairs = Math.Max(1, draws / 2);
            projected.Clean.copy_(clean);
            projected.Normals.copy_(
                GaussianNoise.DrawEach([pairs * batch, p], seed, draw: step) * sigma.repeat([pairs]).unsqueeze(1)
            );
            var loss = projected.Compute(clean.square().sum(1));
            plain.Encoder.grad = projected.Gradients[0];
            adam.step();
            Assert.Equal(loss.to_type(torch.float64).item<double>(), result.History[step].Loss, 1e-6);
        }
        Assert.True((model.Encoder - plain.Encoder).abs().max().to_type(torch.float64).item<double>() < 1e-6);
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void BothGradientsLeadToTheSameExpectedLoss(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        // Fewer samples than units, so that every start ends in the same place: each sample is stored.
        const double lambda = 0.5;
        var data = Data(3, 16);
        using var exact = new ExactExpectedLoss(data, 0.3, lambda);
        double Reached(GradientEstimator estimator, int? draws)
        {
            using var model = new ReluDae(16, 8, 3, tied);
            var options = new TrainingOptions
            {
                Steps = 3000,
                LearningRate = 1e-2,
                Schedule = LearningRateSchedule.Cosine,
                Regularization = Regularization.FromLambda(lambda),
                Noise = new FixedSigma(0.3),
                Gradient = estimator,
                NoiseDraws = draws,
            };
            Trainer.Fit(model, data, options).Dispose();
            return exact.Value(model);
        }
        var sampled = Reached(GradientEstimator.Sampled, null);
        using var untrained = new ReluDae(16, 8, 3, tied);
        Assert.True(sampled < 0.8 * exact.Value(untrained));
        foreach (var draws in new[] { 1, 2, 8 })
            Assert.Equal(sampled, Reached(GradientEstimator.Projected, draws), 0.01 * sampled);
    }

    [Fact]
    public void TheCheaperGradientIsTakenAndReported()
    {
        using var scope = torch.NewDisposeScope();
        (GradientEstimator, int) Taken(long n, long d, long p, int batch, TrainingOptions? options = null)
        {
            using var model = new ReluDae(d, p, 3);
            var data = Data(n, d);
            options ??= new TrainingOptions();
            using var result = Trainer.Fit(model, data, options with { Steps = 1, BatchSize = batch });
            return (result.Gradient, result.NoiseDraws);
        }
        Assert.Equal((GradientEstimator.Projected, 1), Taken(300, 1024, 100, 256));
        // Five images in a batch: the Gram matrix of the units alone would cost more than the whole sampled step.
        Assert.Equal((GradientEstimator.Sampled, 1), Taken(5, 1024, 100, 0));
        Assert.Equal((GradientEstimator.Sampled, 1), Taken(300, 64, 512, 256));
        Assert.Equal((GradientEstimator.Projected, 6), Taken(5, 1024, 100, 0, new TrainingOptions { NoiseDraws = 6 }));
        var sampled = new TrainingOptions { Gradient = GradientEstimator.Sampled };
        Assert.Equal((GradientEstimator.Sampled, 1), Taken(300, 1024, 100, 256, sampled));
        using var network = new SmallNetwork(6, 3);
        using var other = Trainer.Fit(network, Data(), new TrainingOptions { Steps = 1 });
        Assert.Equal((GradientEstimator.Sampled, 1), (other.Gradient, other.NoiseDraws));
    }

    [Fact]
    public void AGradientThatAModelCannotHaveIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        static string Message(Action fit) => Assert.ThrowsAny<ArgumentException>(fit).Message;
        var projected = new TrainingOptions { Steps = 1, Gradient = GradientEstimator.Projected };
        using var network = new SmallNetwork(6, 3);
        Assert.Contains("SmallNetwork", Message(() => Trainer.Fit(network, Data(), projected)));
        using var model = new ReluDae(6, 5, 3, tied: false);
        Assert.Contains(
            "weighting",
            Message(() => Trainer.Fit(model, Data(), projected with { Weighting = LossWeighting.Edm() }))
        );
        Assert.Contains(
            "needs the projected gradient",
            Message(() =>
                Trainer.Fit(model, Data(), projected with { Gradient = GradientEstimator.Sampled, NoiseDraws = 2 })
            )
        );
        Assert.Contains("even", Message(() => projected = projected with { NoiseDraws = 5 }));
        Assert.Contains("Automatic", Message(() => projected = projected with { Gradient = (GradientEstimator)7 }));
        model.Decoder.requires_grad_(false);
        Assert.Contains("every parameter", Message(() => Trainer.Fit(model, Data(), projected)));
    }

    [Fact]
    public void ASilentModelsLossIsTheMeanSquareOfTheDataAndItsRowsStandWhereAskedFor()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(torch.zeros(5, 6));
        var data = Data();
        using var result = Trainer.Fit(
            model,
            data,
            new TrainingOptions
            {
                Steps = 25,
                LogEvery = 10,
                LearningRate = 0.5,
                Schedule = LearningRateSchedule.Cosine,
            }
        );
        Assert.Equal([10, 20, 25], result.History.Select(r => r.Step));
        Assert.All(result.History, r => Assert.Equal(data.square().mean().item<float>(), r.Loss, 1e-6));
        Assert.Equal(0.5 * (1 + Math.Cos(Math.PI * 24 / 25)) / 2, result.History[^1].LearningRate, 1e-12);
        Assert.Equal(25, result.StepsDone);
        Assert.False(result.Cancelled);
        Assert.Null(result.EmaWeights);
    }

    [Fact]
    public void TheObjectiveAddsThePenaltyOfTheWeightsAtThatStep()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (optimizer, share) in new[] { (OptimizerOptions.Adam(), 1), (OptimizerOptions.AdamW(), 0) })
        {
            using var model = new ReluDae(6, 5, 3, tied: false);
            using var result = Trainer.Fit(
                model,
                Data(),
                new TrainingOptions
                {
                    Steps = 5,
                    Optimizer = optimizer,
                    Regularization = Regularization.FromWeightDecay(0.3),
                }
            );
            var squares = model.Encoder.square().sum().item<float>() + model.Decoder.square().sum().item<float>();
            Assert.Equal(share * 0.15 * squares, result.History[^1].Objective - result.History[^1].Loss, 1e-6);
        }
    }

    [Fact]
    public void OneClippedStepOfDescentIsAsLongAsTheClip()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        using var before = model.Encoder.detach().clone();
        using var result = Trainer.Fit(
            model,
            Data(),
            new TrainingOptions
            {
                Steps = 1,
                Optimizer = OptimizerOptions.Sgd(),
                LearningRate = 1,
                GradientClip = 0.01,
            }
        );
        Assert.Equal(0.01, (model.Encoder - before).norm().item<float>(), 1e-5);
    }

    [Fact]
    public void TheRunningMeanBlendsOldAndNewWeights()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        using var before = model.Encoder.detach().clone();
        using var result = Trainer.Fit(
            model,
            Data(),
            new TrainingOptions
            {
                Steps = 1,
                EmaDecay = 0.75,
                LearningRate = 0.1,
            }
        );
        var mean = 0.75 * before + 0.25 * model.Encoder;
        Assert.True((result.EmaWeights!["encoder"] - mean).abs().max().item<float>() < 1e-6);
        using var copy = new ReluDae(6, 5, 9);
        result.CopyEmaTo(copy);
        Assert.True((copy.Encoder - mean).abs().max().item<float>() < 1e-6);
        using var other = new ReluDae(6, 4, 9);
        Assert.Contains("'encoder'", Assert.Throws<ArgumentException>(() => result.CopyEmaTo(other)).Message);
    }

    [Fact]
    public void TheResultOutlivesTheRunAndBelongsToTheCaller()
    {
        using var model = new ReluDae(6, 5, 3);
        using var data = Data();
        TrainingResult result;
        using (torch.NewDisposeScope())
            result = Trainer.Fit(model, data, new TrainingOptions { Steps = 2, EmaDecay = 0.5 });
        Assert.False(result.EmaWeights!["encoder"].IsInvalid);
        Assert.True(result.EmaWeights["encoder"].isfinite().all().item<bool>());
        result.Dispose();
        Assert.True(result.EmaWeights["encoder"].IsInvalid);
        Assert.False(data.IsInvalid);
        Assert.False(model.Encoder.IsInvalid);
    }

    [Fact]
    public void TheSeedDecidesEverything()
    {
        using var scope = torch.NewDisposeScope();
        ReluDae Train(long seed)
        {
            var model = new ReluDae(6, 5, 3);
            Trainer
                .Fit(
                    model,
                    Data(),
                    new TrainingOptions
                    {
                        Steps = 20,
                        BatchSize = 4,
                        Seed = seed,
                    }
                )
                .Dispose();
            return model;
        }
        Assert.True(Same(Train(1), Train(1)));
        Assert.False(Same(Train(1), Train(2)));
    }

    [Fact]
    public void BatchesAreDrawnFromTheWholeSetWithReplacement()
    {
        using var scope = torch.NewDisposeScope();
        // A silent model's loss at a step is the mean of the drawn samples' squares: sample i has the value i in every
        // entry.
        var data = torch.arange(4, dtype: torch.float32).unsqueeze(1).expand(4, 6).contiguous();
        using var model = new ReluDae(torch.zeros(2, 6));
        using var result = Trainer.Fit(
            model,
            data,
            new TrainingOptions
            {
                Steps = 2000,
                BatchSize = 1,
                LogEvery = 1,
            }
        );
        var counts = result.History.GroupBy(r => Math.Round(r.Loss, 3)).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal([0, 1, 4, 9], counts.Keys.Order());
        Assert.All(counts.Values, c => Assert.InRange(c, 400, 600));
    }

    [Fact]
    public void CancellingReturnsWhatThereIs()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        using var stop = new CancellationTokenSource();
        using var result = Trainer.Fit(
            model,
            Data(),
            new TrainingOptions { Steps = 1_000_000, LogEvery = 5 },
            new CallbackProgress<TrainingProgress>(p =>
            {
                if (p.Step == 15)
                    stop.Cancel();
            }),
            stop.Token
        );
        Assert.True(result.Cancelled);
        Assert.Equal(15, result.StepsDone);
        Assert.Equal([5, 10, 15], result.History.Select(r => r.Step));
        using var fifteen = new ReluDae(6, 5, 3);
        Trainer.Fit(fifteen, Data(), new TrainingOptions { Steps = 15 }).Dispose();
        Assert.True(Same(model, fifteen));
    }

    [Fact]
    public void ProgressTellsEveryRow()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        var reports = new List<TrainingProgress>();
        using var result = Trainer.Fit(
            model,
            Data(),
            new TrainingOptions { Steps = 20, LogEvery = 8 },
            new CallbackProgress<TrainingProgress>(reports.Add)
        );
        Assert.Equal(result.History, reports.Select(p => p.Row));
        Assert.Equal([0.4, 0.8, 1.0], reports.Select(p => p.Share));
        Assert.All(reports, p => Assert.True(p.StepsPerSecond > 0 && p.SecondsLeft >= 0));
        Assert.True(result.History.Zip(result.History.Skip(1)).All(p => p.First.Seconds <= p.Second.Seconds));
    }

    [Theory]
    [InlineData(false), InlineData(true)]
    public void ADivergedRunStopsWithASentenceAndFiniteWeights(bool general)
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        var options = new TrainingOptions
        {
            Steps = 500,
            Optimizer = OptimizerOptions.Sgd(),
            LearningRate = 40,
        };
        var data = Data() * 10;
        var e = general
            ? Assert.Throws<TrainingDivergedException>(() => Trainer.Fit(new CoatedDae(model), data, options))
            : Assert.Throws<TrainingDivergedException>(() => Trainer.Fit(model, data, options));
        Assert.Matches(@"at step \d+, where the learning rate was 40; lower LearningRate", e.Message);
        Assert.True(model.Encoder.isfinite().all().item<bool>());
        using var start = new ReluDae(6, 5, 3);
        Assert.Equal(0, e.Result.StepsDone);
        Assert.True(Same(model, start));
    }

    [Fact]
    public void ADivergedRunFallsBackToItsLastVerifiedStep()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        var options = new TrainingOptions
        {
            Steps = 400,
            LearningRate = 0.01,
            EmaDecay = 0.9,
            LogEvery = 50,
        };
        var e = Assert.Throws<TrainingDivergedException>(() =>
            Trainer.Fit(new CoatedDae(model) { FailsAtCall = 251 }, Data(), options)
        );
        Assert.Contains("the loss became NaN at step 251, where the learning rate was 0.01;", e.Message);
        Assert.Contains("weights of step 200", e.Message);
        Assert.Equal(200, e.Result.StepsDone);
        Assert.Equal([50, 100, 150, 200, 250], e.Result.History.Select(r => r.Step));
        using var twoHundred = new ReluDae(6, 5, 3);
        using var result = Trainer.Fit(new CoatedDae(twoHundred), Data(), options with { Steps = 200 });
        Assert.True(Same(model, twoHundred));
        Assert.True(
            e.Result.EmaWeights!["inner.encoder"].equal(result.EmaWeights!["inner.encoder"]).all().item<bool>()
        );
    }

    [Fact]
    public void TwoRunsSideBySideWithDropoutAreEachAsTheyAreAlone()
    {
        using var data = Data();
        void Train(SmallNetwork model, long seed) =>
            Trainer.Fit(model, data, new TrainingOptions { Steps = 60, Seed = seed }).Dispose();
        // Built beforehand: torch's layers draw their first weights from the global generator.
        using SmallNetwork first = new(6, 3),
            second = new(6, 3),
            firstBeside = new(6, 3),
            secondBeside = new(6, 3);
        Train(first, 1);
        Train(second, 2);
        Parallel.Invoke(() => Train(firstBeside, 1), () => Train(secondBeside, 2));
        using var scope = torch.NewDisposeScope();
        Assert.True(Same(first, firstBeside));
        Assert.True(Same(second, secondBeside));
        Assert.False(Same(first, second));
    }

    [Fact]
    public void TwoThousandStepsLeaveNoTensorBehind()
    {
        using var data = Data();
        foreach (var general in new[] { false, true })
        {
            using var model = new ReluDae(6, 5, 3);
            using var coat = new CoatedDae(model);
            var options = new TrainingOptions
            {
                Steps = 2000,
                BatchSize = 8,
                LogEvery = 50,
                EmaDecay = 0.9,
                GradientClip = 1,
                Noise = new LogUniformSigma(0.1, 1),
                Regularization = Regularization.FromWeightDecay(1e-3),
            };
            void Fit(int steps)
            {
                if (general)
                    Trainer.Fit(coat, data, options with { Steps = steps }).Dispose();
                else
                    Trainer.Fit(model, data, options with { Steps = steps }).Dispose();
            }
            Fit(3);
            var peak = 0L;
            var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
            var during = new List<long>();
            var watch = new CallbackProgress<TrainingProgress>(_ =>
                during.Add(DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount)
            );
            if (general)
                Trainer.Fit(coat, data, options, watch).Dispose();
            else
                Trainer.Fit(model, data, options, watch).Dispose();
            peak = during.Max();
            Assert.Equal(during[0], peak);
            Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
        }
    }

    [Fact]
    public void TrainingLeavesTheModeAndTheGlobalGeneratorAsTheyWere()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new SmallNetwork(6, 3);
        model.eval();
        torch.manual_seed(9);
        var expected = torch.rand(4);
        torch.manual_seed(9);
        Trainer.Fit(model, Data(), new TrainingOptions { Steps = 3, Noise = new LogUniformSigma(0.1, 1) }).Dispose();
        Assert.True(torch.rand(4).equal(expected).all().item<bool>());
        Assert.False(model.training);
        Assert.All(model.parameters(), p => Assert.Null(p.grad));
    }

    [Fact]
    public void AFrozenParameterStaysAsItIs()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3, tied: false);
        model.Decoder.requires_grad = false;
        using var before = model.Decoder.clone();
        using var start = new ReluDae(6, 5, 3, tied: false);
        Trainer
            .Fit(model, Data(), new TrainingOptions { Steps = 5, Regularization = Regularization.FromWeightDecay(0.1) })
            .Dispose();
        Assert.True(before.equal(model.Decoder).all().item<bool>());
        Assert.False(start.Encoder.equal(model.Encoder).all().item<bool>());
        model.Encoder.requires_grad = false;
        Assert.Contains(
            "nothing to train",
            Assert.Throws<ArgumentException>(() => Trainer.Fit(model, Data(), new TrainingOptions())).Message
        );
    }

    [Fact]
    public void DataThatDoNotFitAreRefusedAndTheModelIsUntouched()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(6, 5, 3);
        using var start = new ReluDae(6, 5, 3);
        string Refuse(torch.Tensor data) =>
            Assert
                .ThrowsAny<ArgumentException>(() => Trainer.Fit(model, data, new TrainingOptions { Steps = 2 }))
                .Message;
        Assert.Contains("(any, 6), was (12, 7)", Refuse(Data(dimension: 7)));
        Assert.Contains("(any, 6), was (6)", Refuse(torch.zeros(6)));
        Assert.Contains("empty", Refuse(torch.zeros(0, 6)));
        Assert.Contains("Float64", Refuse(Data().to_type(torch.float64)));
        var holed = Data();
        holed[2, 3] = float.NaN;
        Assert.Contains("NaN", Refuse(holed));
        Assert.Contains(
            "AdamW",
            Assert
                .Throws<ArgumentException>(() =>
                    Trainer.Fit(
                        model,
                        Data(),
                        new TrainingOptions
                        {
                            Optimizer = OptimizerOptions.AdamW(),
                            Regularization = Regularization.FromLambda(1),
                        }
                    )
                )
                .Message
        );
        Assert.True(Same(model, start));
    }

    [Fact]
    public void OptionsNameTheBadValue()
    {
        Assert.Contains(
            "Steps must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { Steps = 0 }).Message
        );
        Assert.Contains(
            "BatchSize must be at least 0, was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { BatchSize = -1 }).Message
        );
        foreach (var bad in new[] { 0, -1, double.NaN, double.PositiveInfinity })
        {
            Assert.Contains(
                "LearningRate must be positive",
                Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { LearningRate = bad }).Message
            );
            Assert.Contains(
                "GradientClip must be positive",
                Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { GradientClip = bad }).Message
            );
            Assert.Contains(
                "EmaDecay must be above 0",
                Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { EmaDecay = bad }).Message
            );
        }
        Assert.Contains(
            "LogEvery",
            Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { LogEvery = 0 }).Message
        );
        Assert.Contains(
            "CheckpointEvery",
            Assert.Throws<ArgumentOutOfRangeException>(() => new TrainingOptions { CheckpointEvery = -1 }).Message
        );
        Assert.Contains(
            "CheckpointPath",
            Assert.Throws<ArgumentException>(() => new TrainingOptions { CheckpointPath = " " }).Message
        );
        Assert.Throws<ArgumentNullException>(() => new TrainingOptions { Noise = null! });
    }

    [Fact]
    public void TheRecipesHoldTheAuthorsNumbers()
    {
        using var model = new ReluDae(1024, 2, 1);
        double Lambda(TrainingOptions o) => o.Regularization.Lambda(model, o.Optimizer);
        Assert.Equal(
            (50_000, 0, 1e-3, OptimizerKind.RmsProp),
            (
                TrainingRecipes.AuthorsMemorizing.Steps,
                TrainingRecipes.AuthorsMemorizing.BatchSize,
                TrainingRecipes.AuthorsMemorizing.LearningRate,
                TrainingRecipes.AuthorsMemorizing.Optimizer.Kind
            )
        );
        Assert.Equal(
            (50_000, 256, 1e-4, OptimizerKind.Adam),
            (
                TrainingRecipes.AuthorsGeneralizing.Steps,
                TrainingRecipes.AuthorsGeneralizing.BatchSize,
                TrainingRecipes.AuthorsGeneralizing.LearningRate,
                TrainingRecipes.AuthorsGeneralizing.Optimizer.Kind
            )
        );
        Assert.Equal(2.56, Lambda(TrainingRecipes.AuthorsMemorizing), 10);
        Assert.Equal(0.0256, Lambda(TrainingRecipes.AuthorsGeneralizing), 10);
        Assert.Equal(5.12, Lambda(TrainingRecipes.Memorizing), 10);
        Assert.Equal(0.0512, Lambda(TrainingRecipes.Generalizing), 10);
    }
}
