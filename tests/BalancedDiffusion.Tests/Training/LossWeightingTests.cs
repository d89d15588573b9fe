using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Tests.Checkpoints;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

public class LossWeightingTests
{
    private static torch.Tensor Data() => GaussianNoise.Draw([12, 6], 1, torch.ScalarType.Float32);

    // By hand: (0.04 + 0.25)/(0.2·0.5)² = 29, (1 + 0.25)/0.25 = 5, (4 + 1)/4 = 1.25.
    [Theory]
    [InlineData(0.2, 0.5, 29)]
    [InlineData(1, 0.5, 5)]
    [InlineData(2, 1, 1.25)]
    public void EdmsWeightIsTheInverseSquareOfWhatItsOutputIsScaledBy(double sigma, double sigmaData, double weight)
    {
        using var scope = torch.NewDisposeScope();
        Assert.Equal(
            weight,
            LossWeighting.Edm(sigmaData).Of(torch.tensor([sigma], torch.float64)).item<double>(),
            1e-12
        );
        Assert.Equal(1, LossWeighting.None.Of(torch.tensor([sigma], torch.float64)).item<double>());
    }

    [Fact]
    public void AtOneLevelItScalesTheLossAndTheStepOfGradientDescent()
    {
        using var scope = torch.NewDisposeScope();
        using var weighted = new ReluDae(6, 5, 3);
        using var plain = new ReluDae(6, 5, 3);
        // At sigma = 0.5 = s the weight is 8.
        var options = new TrainingOptions
        {
            Steps = 30,
            BatchSize = 4,
            LogEvery = 10,
            Optimizer = OptimizerOptions.Sgd(momentum: 0.9),
            LearningRate = 0.01,
            Noise = new FixedSigma(0.5),
        };
        using var first = Trainer.Fit(weighted, Data(), options with { Weighting = LossWeighting.Edm(0.5) });
        using var second = Trainer.Fit(plain, Data(), options with { LearningRate = 0.08 });
        Assert.True((weighted.Encoder - plain.Encoder).abs().max().item<float>() < 1e-5);
        foreach (var (a, b) in first.History.Zip(second.History))
            Assert.Equal(8 * b.Loss, a.Loss, 1e-4);
    }

    [Fact]
    public void EverySampleIsWeightedByItsOwnLevel()
    {
        using var scope = torch.NewDisposeScope();
        using var silent = new ReluDae(torch.zeros(5, 6));
        var distribution = new LogUniformSigma(0.1, 1);
        var data = Data();
        using var result = Trainer.Fit(
            silent,
            data,
            new TrainingOptions
            {
                Steps = 1,
                Noise = distribution,
                Weighting = LossWeighting.Edm(0.5),
                Seed = 4,
            }
        );
        // A silent network's error is the data itself; the mean weight over the draw is near its expectation, 4 + E
        // sigma^-2 = 4 + 99/(2 ln 10).
        var silentWithout = data.square().mean().item<float>();
        Assert.InRange(
            result.History[0].Loss / silentWithout,
            4 + 99 / (2 * Math.Log(10)) - 25,
            4 + 99 / (2 * Math.Log(10)) + 25
        );
        // And it is no common factor: two samples, one of them zero, at levels that differ from seed to seed.
        var ratios = Enumerable
            .Range(0, 6)
            .Select(seed =>
            {
                using var model = new ReluDae(torch.zeros(5, 6));
                using var lone = Trainer.Fit(
                    model,
                    torch.cat([torch.ones(1, 6), torch.zeros(1, 6)]),
                    new TrainingOptions
                    {
                        Steps = 1,
                        Noise = distribution,
                        Weighting = LossWeighting.Edm(0.5),
                        Seed = seed,
                    }
                );
                return lone.History[0].Loss / 0.5;
            })
            .ToList();
        // Each is the weight of the first sample alone: between λ(1) = 5 and λ(0.1) = 104.
        Assert.All(ratios, r => Assert.InRange(r, 5, 104));
        Assert.True(ratios.Max() > 1.5 * ratios.Min());
    }

    [Fact]
    public void ARunWithAWeightingDoesNotGoOnFromOneWithout()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        var options = new TrainingOptions { Steps = 3, CheckpointPath = folder.File("run.safetensors") };
        using var model = new ReluDae(6, 5, 3);
        Trainer.Fit(model, Data(), options).Dispose();
        Assert.Contains(
            "it has no fixed loss weighting, this run has EDM with sigma_data 0.5",
            Assert
                .Throws<InvalidOperationException>(() =>
                    Trainer.Fit(model, Data(), options with { Steps = 6, Weighting = LossWeighting.Edm() })
                )
                .Message
        );
        Trainer.Fit(model, Data(), options with { Steps = 6 }).Dispose();
    }

    [Fact]
    public void WeightingsAreComparedByValueAndBadOnesAreNamed()
    {
        Assert.Equal(LossWeighting.Edm(0.3), LossWeighting.Edm(0.3));
        Assert.NotEqual(LossWeighting.Edm(0.3), LossWeighting.Edm(0.4));
        Assert.NotEqual(LossWeighting.Edm(0.3), LossWeighting.None);
        foreach (var bad in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Assert.Contains(
                $"sigmaData must be positive and finite, was {bad}",
                Assert.Throws<ArgumentOutOfRangeException>(() => LossWeighting.Edm(bad)).Message
            );
        Assert.Throws<ArgumentNullException>(() => new TrainingOptions { Weighting = null! });
    }
}
