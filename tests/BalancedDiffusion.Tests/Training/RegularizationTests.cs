using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

public class RegularizationTests
{
    [Theory]
    [InlineData(true), InlineData(false)]
    public void LossGradientPlusDecayIsTheGradientOfThePapersObjectiveDividedByD(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        const double lambda = 0.37;
        const int n = 9,
            d = 12;
        using var generator = Seeds.Generator(4);
        using var model = new ReluDae(d, 5, 2, tied, torch.float64);
        var clean = torch.randn([n, d], dtype: torch.float64, generator: generator);
        var noisy = clean + 0.3 * torch.randn([n, d], dtype: torch.float64, generator: generator);

        // The paper's objective from its definition, W1 and W2 of shape (d, p), differentiated by autograd.
        torch.Tensor w1 = model.Encoder.t(),
            w2 = model.Decoder.t();
        var fit = torch.zeros([], dtype: torch.float64);
        for (var i = 0; i < n; i++)
            fit = fit + (w2.matmul(w1.t().matmul(noisy[i]).relu()) - clean[i]).square().sum() / n;
        var objective = fit + lambda * (w1.square().sum() + w2.square().sum());
        (objective / d).backward();

        using var step = new ReluDaeStep(model, n);
        step.Noisy.copy_(noisy);
        step.Compute(clean);
        var decay = Regularization.FromLambda(lambda).WeightDecay(model, OptimizerOptions.Adam());
        using var noGrad = torch.no_grad();
        foreach (var (weight, gradient) in new[] { model.Encoder, model.Decoder }.Zip(step.Gradients))
            Assert.True((weight.grad! - (gradient + decay * weight)).abs().max().item<double>() < 1e-14);
    }

    [Theory]
    [
        InlineData(false, 1e-2, 5.12),
        InlineData(false, 1e-4, 0.0512),
        InlineData(true, 1e-2, 2.56),
        InlineData(true, 2e-2, 5.12)
    ]
    public void LambdaAndDecayConvertBothWaysAtTheAuthorsSize(bool tied, double decay, double lambda)
    {
        using var model = new ReluDae(1024, 2, 1, tied);
        foreach (
            var optimizer in new[] { OptimizerOptions.Adam(), OptimizerOptions.RmsProp(), OptimizerOptions.Sgd(0.9) }
        )
        {
            Assert.Equal(lambda, Regularization.FromWeightDecay(decay).Lambda(model, optimizer), 12);
            Assert.Equal(decay, Regularization.FromLambda(lambda).WeightDecay(model, optimizer), 12);
            Assert.Equal(lambda, Regularization.FromLambda(lambda).Lambda(model, optimizer));
            Assert.Equal(decay, Regularization.FromWeightDecay(decay).WeightDecay(model, optimizer));
        }
    }

    [Fact]
    public void AdamWHasNoLambda()
    {
        using var model = new ReluDae(8, 2, 1);
        Assert.Contains(
            "AdamW",
            Assert
                .Throws<ArgumentException>(() =>
                    Regularization.FromLambda(1).WeightDecay(model, OptimizerOptions.AdamW())
                )
                .Message
        );
        Assert.Contains(
            "AdamW",
            Assert
                .Throws<ArgumentException>(() =>
                    Regularization.FromWeightDecay(1).Lambda(model, OptimizerOptions.AdamW())
                )
                .Message
        );
        Assert.Equal(0.5, Regularization.FromWeightDecay(0.5).WeightDecay(model, OptimizerOptions.AdamW()));
        Assert.Equal(0, Regularization.None.Lambda(model, OptimizerOptions.AdamW()));
    }

    [Fact]
    public void AnotherModelHasNoLambda()
    {
        using var model = new SmallNetwork(4, 1);
        Assert.Contains(
            nameof(SmallNetwork),
            Assert
                .Throws<ArgumentException>(() =>
                    Regularization.FromLambda(1).WeightDecay(model, OptimizerOptions.Adam())
                )
                .Message
        );
    }

    [Theory]
    [InlineData(-1.0), InlineData(double.NaN), InlineData(double.PositiveInfinity)]
    public void ValuesThatAreNegativeOrNotFiniteAreNamed(double bad)
    {
        Assert.Contains(
            "lambda must be zero or more",
            Assert.Throws<ArgumentOutOfRangeException>(() => Regularization.FromLambda(bad)).Message
        );
        Assert.Contains(
            "weightDecay must be zero or more",
            Assert.Throws<ArgumentOutOfRangeException>(() => Regularization.FromWeightDecay(bad)).Message
        );
    }
}
