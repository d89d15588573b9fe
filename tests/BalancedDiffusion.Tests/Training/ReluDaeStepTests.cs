using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

public class ReluDaeStepTests
{
    private static (torch.Tensor Clean, torch.Tensor Noisy) Batch(long count, long dimension, torch.ScalarType type)
    {
        using var generator = Seeds.Generator(3);
        var clean = torch.randn([count, dimension], dtype: type, generator: generator);
        return (clean, clean + 0.4 * torch.randn([count, dimension], dtype: type, generator: generator));
    }

    [Theory]
    [InlineData(true, 1, 1, 1), InlineData(true, 7, 11, 5), InlineData(true, 64, 33, 40)]
    [InlineData(false, 1, 1, 1), InlineData(false, 7, 11, 5), InlineData(false, 64, 33, 40)]
    public void LossAndGradientsEqualAutograds(bool tied, long batch, long dimension, long units)
    {
        foreach (var (type, tolerance) in new[] { (torch.float32, 1e-6), (torch.float64, 1e-14) })
        {
            using var scope = torch.NewDisposeScope();
            using var model = new ReluDae(dimension, units, 5, tied, type);
            var (clean, noisy) = Batch(batch, dimension, type);
            var loss = (model.call(noisy) - clean).square().mean();
            loss.backward();
            using var step = new ReluDaeStep(model, batch);
            step.Noisy.copy_(noisy);
            var ours = step.Compute(clean);
            Assert.Equal(
                loss.to_type(torch.float64).item<double>(),
                ours.to_type(torch.float64).item<double>(),
                tolerance * 10
            );
            var expected = tied ? new[] { model.Encoder.grad! } : [model.Encoder.grad!, model.Decoder.grad!];
            Assert.Equal(expected.Length, step.Gradients.Count);
            foreach (var (theirs, own) in expected.Zip(step.Gradients))
                Assert.True(
                    (theirs - own).abs().max().to_type(torch.float64).item<double>()
                        <= tolerance * Math.Max(1, theirs.abs().max().to_type(torch.float64).item<double>())
                );
        }
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void TheGradientIsTheSlopeOfTheLoss(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new ReluDae(6, 4, 11, tied, torch.float64);
        var (clean, noisy) = Batch(5, 6, torch.float64);
        using var step = new ReluDaeStep(model, 5);
        step.Noisy.copy_(noisy);
        step.Compute(clean);
        var gradients = step.Gradients.Select(g => g.clone()).ToArray();
        double Loss() =>
            (torch.matmul(torch.matmul(noisy, model.Encoder.t()).clamp_min(0), model.Decoder) - clean)
                .square()
                .mean()
                .item<double>();
        foreach (var (weight, gradient) in new[] { model.Encoder, model.Decoder }.Zip(gradients))
            for (var i = 0; i < 4; i++)
            for (var j = 0; j < 6; j++)
            {
                const double h = 1e-6;
                var entry = weight[i, j];
                entry.add_(h);
                var above = Loss();
                entry.sub_(2 * h);
                var below = Loss();
                entry.add_(h);
                Assert.Equal((above - below) / (2 * h), gradient[i, j].item<double>(), 1e-7);
            }
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void EveryStepReadsTheWeightsAsTheyAreThen(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new ReluDae(6, 4, 11, tied);
        var (clean, noisy) = Batch(5, 6, torch.float32);
        using var step = new ReluDaeStep(model, 5);
        step.Noisy.copy_(noisy);
        step.Compute(clean);
        model.Encoder.zero_();
        Assert.Equal(clean.square().mean().item<float>(), step.Compute(clean).item<float>(), 1e-6);
        Assert.True((step.Gradients[0] == 0).all().item<bool>());
    }

    [Fact]
    public void ABatchOfAnotherSizeIsRefused()
    {
        using var model = new ReluDae(6, 4, 11);
        using var step = new ReluDaeStep(model, 5);
        using var clean = torch.zeros(4, 6);
        Assert.Contains("(5, 6)", Assert.Throws<ArgumentException>(() => step.Compute(clean)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new ReluDaeStep(model, 0));
    }
}
