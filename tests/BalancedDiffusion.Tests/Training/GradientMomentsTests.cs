using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

public class GradientMomentsTests
{
    private static readonly TrainingOptions Options = new() { Noise = new FixedSigma(0.4), Seed = 3 };

    private static torch.Tensor Data(long n, torch.ScalarType type = torch.ScalarType.Float64) =>
        GaussianNoise.Draw([n, 9], 1, torch.float64).to_type(type);

    [Theory]
    [InlineData(GradientEstimator.Sampled, null), InlineData(GradientEstimator.Projected, 2)]
    public void TheMeanIsTheGradientOfTheExpectedLoss(GradientEstimator estimator, int? draws)
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(9, 5, 3, tied: false, torch.float64);
        using var exact = new ExactExpectedLoss(Data(6), 0.4);
        using var gradient = exact.Gradient(model.Encoder, model.Decoder);
        var truth = torch.cat([gradient.Encoder.reshape(-1), gradient.Decoder!.reshape(-1)]) / 9;
        var options = Options with { Gradient = estimator, NoiseDraws = draws };
        using var found = GradientMoments.Measure(model, Data(6), options, 3000);
        var error = (found.Mean - truth).norm().item<double>();
        Assert.InRange(error, 0, 4 * found.MonteCarloError);
        Assert.True(found.MonteCarloError < 0.05 * truth.norm().item<double>());
    }

    [Fact]
    public void TheVarianceOfABatchOfOneIsThatOfTheSamplesWhereThereIsNoNoise()
    {
        // With next to no noise a gradient varies by its sample alone: here one of two, so that the variance is the
        // square of half their distance.
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(9, 5, 3, dtype: torch.float64);
        var options = Options with
        {
            Noise = new FixedSigma(1e-9),
            BatchSize = 1,
            Gradient = GradientEstimator.Sampled,
        };
        var data = Data(2);
        torch.Tensor Gradient(long sample)
        {
            using var step = new ReluDaeStep(model, 1);
            step.Noisy.copy_(data.narrow(0, sample, 1));
            step.Compute(data.narrow(0, sample, 1));
            return step.Gradients[0].clone();
        }
        var expected = ((Gradient(0) - Gradient(1)) / 2).square().sum().item<double>();
        using var found = GradientMoments.Measure(model, data, options, 2000);
        Assert.Equal(expected, found.Variance, 0.02 * expected);
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(9, 5, 3);
        Assert.Contains(
            "type",
            Assert.ThrowsAny<ArgumentException>(() => GradientMoments.Measure(model, Data(6), Options)).Message
        );
        Assert.ThrowsAny<ArgumentException>(() => GradientMoments.Measure(model, torch.zeros(3, 8), Options));
        var single = Data(6, torch.float32);
        Assert.ThrowsAny<ArgumentException>(() => GradientMoments.Measure(model, single, Options, 1));
    }
}
