using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Denoisers;

public class ReluDiffusionTests
{
    private static ReluDiffusion Random(GainActivation activation = GainActivation.SiLU)
    {
        var model = new ReluDiffusion(5, 4, 1, width: 3, activation, torch.ScalarType.Float64);
        using var noGrad = torch.no_grad();
        var seed = 10;
        foreach (var (name, parameter) in model.named_parameters())
            if (name != "encoder.weight")
                parameter.copy_(0.5 * Normal(seed++, parameter.shape));
        return model;
    }

    private static torch.Tensor Normal(long seed, params long[] shape) =>
        GaussianNoise.Draw(shape, seed, torch.ScalarType.Float64);

    [Theory]
    [InlineData(GainActivation.SiLU), InlineData(GainActivation.ReLU)]
    public void TheOutputIsTheFormulaWrittenOutInScalars(GainActivation activation)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Random(activation);
        var p = model.named_parameters().ToDictionary(x => x.name, x => x.parameter);
        double At(string name, params long[] index) =>
            p[name][[.. index.Select(i => torch.TensorIndex.Single(i))]].item<double>();
        var y = Normal(2, 3, 5);
        double[] sigmas = [0.02, 0.7, 2];
        var output = model.Denoise(y, torch.tensor(sigmas));
        for (var b = 0; b < 3; b++)
        {
            var hidden = Enumerable
                .Range(0, 3)
                .Select(k => At("time_mlp.0.weight", k, 0) * Math.Log(sigmas[b]) + At("time_mlp.0.bias", k))
                .Select(v => activation == GainActivation.SiLU ? v / (1 + Math.Exp(-v)) : Math.Max(v, 0))
                .ToArray();
            for (var i = 0; i < 5; i++)
            {
                var expected = p["skip"].item<double>() * y[b, i].item<double>();
                for (var j = 0; j < 4; j++)
                {
                    var m = Enumerable.Range(0, 5).Sum(k => At("encoder.weight", j, k) * y[b, k].item<double>());
                    var gain = Math.Exp(
                        At("time_mlp.2.bias", j)
                            + Enumerable.Range(0, 3).Sum(k => At("time_mlp.2.weight", j, k) * hidden[k])
                    );
                    expected += Math.Max(m, 0) * gain * At("encoder.weight", j, i);
                }
                Assert.Equal(expected, output[b, i].item<double>(), 1e-12);
            }
        }
    }

    [Fact]
    public void ANewModelHasGainsOfOneNoSkipAndTheAuthorsNames()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDiffusion(10, 7, 3);
        Assert.True(model.Gains(torch.tensor(new[] { 0.02f, 2f })).eq(1).all().item<bool>());
        Assert.Equal(0, model.Skip.item<float>());
        var largest = model.Encoder.abs().max().item<float>();
        Assert.InRange(largest, 0.8 * Math.Sqrt(0.6), Math.Sqrt(0.6));
        var shapes = model.state_dict().ToDictionary(t => t.Key, t => t.Value.shape);
        Assert.Equal(
            ["encoder.weight", "skip", "time_mlp.0.bias", "time_mlp.0.weight", "time_mlp.2.bias", "time_mlp.2.weight"],
            shapes.Keys.Order(StringComparer.Ordinal)
        );
        Assert.Equal([7, 10], shapes["encoder.weight"]);
        Assert.Equal([256, 1], shapes["time_mlp.0.weight"]);
        Assert.Equal([7, 256], shapes["time_mlp.2.weight"]);
        Assert.Empty(shapes["skip"]);
    }

    [Fact]
    public void OneLevelForAllIsThatLevelForEach()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Random();
        var y = Normal(4, 6, 5);
        Assert.True(
            (model.DenoiseAt(y, 0.3) - model.Denoise(y, torch.full([6], 0.3, torch.ScalarType.Float64)))
                .abs()
                .max()
                .item<double>() < 1e-14
        );
        Assert.True(
            (model.DenoiseAt(y, 0.3) - model.Decode(model.Encode(y), y, torch.tensor(0.3, torch.ScalarType.Float64)))
                .abs()
                .max()
                .item<double>() < 1e-14
        );
    }

    [Fact]
    public void ItsGradientAgreesWithFiniteDifferences()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Random();
        var (y, x, sigma) = (Normal(5, 8, 5), Normal(6, 8, 5), Normal(7, 8).abs() + 0.1);
        torch.Tensor Loss() => (model.Denoise(y, sigma) - x).square().mean();
        Loss().backward();
        foreach (var (name, parameter) in model.named_parameters())
        {
            var direction = Normal(8, parameter.shape);
            var predicted = (parameter.grad! * direction).sum().item<double>();
            using var noGrad = torch.no_grad();
            parameter.add_(direction, 1e-6);
            var up = Loss().item<double>();
            parameter.add_(direction, -2e-6);
            var down = Loss().item<double>();
            parameter.add_(direction, 1e-6);
            Assert.True(
                Math.Abs((up - down) / 2e-6 - predicted) < 1e-6 * Math.Max(1, Math.Abs(predicted)),
                $"{name}: {(up - down) / 2e-6} against {predicted}"
            );
        }
    }

    [Fact]
    public void TrainedOnOneGaussianAxisItComesNearTheWienerFilterAtEveryLevel()
    {
        using var scope = torch.NewDisposeScope();
        // x is Gaussian along the first of six axes with variance 1: the best estimate is y1/(1 + sigma²) there and 0
        // elsewhere, with error sigma²/(1 + sigma²).
        var data = torch.zeros(4096, 6);
        data[torch.TensorIndex.Colon, 0] = GaussianNoise.Draw([4096], 1, torch.ScalarType.Float32);
        using var model = new ReluDiffusion(6, 16, 2, width: 32);
        using var result = Trainer.Fit(
            model,
            data,
            new TrainingOptions
            {
                Steps = 1500,
                BatchSize = 128,
                Optimizer = OptimizerOptions.Adam(),
                LearningRate = 1e-2,
                Schedule = LearningRateSchedule.Cosine,
                Noise = new LogUniformSigma(0.05, 2),
                Seed = 3,
            }
        );
        foreach (var sigma in new[] { 0.1, 0.5, 1.5 })
        {
            var noisy = data + sigma * GaussianNoise.Draw([4096, 6], 4, torch.ScalarType.Float32);
            var error = (model.DenoiseAt(noisy, sigma) - data).square().sum(1L).mean().item<float>();
            var best = sigma * sigma / (1 + sigma * sigma);
            Assert.InRange(error, 0.85 * best, 1.25 * best + 0.01);
        }
    }

    [Fact]
    public void ItMovesToAnotherTypeWhole()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Random();
        var y = Normal(4, 6, 5);
        var expected = model.DenoiseAt(y, 0.3);
        var names = model.state_dict().Keys.ToList();
        model.to(torch.float32);
        Assert.Equal(names, model.state_dict().Keys);
        Assert.All(model.state_dict().Values, tensor => Assert.Equal(torch.float32, tensor.dtype));
        Assert.Equal((torch.float32, torch.float32), (model.Encoder.dtype, model.Skip.dtype));
        Assert.True((model.DenoiseAt(y.to_type(torch.float32), 0.3) - expected).abs().max().item<double>() < 1e-5);
    }

    [Fact]
    public void BadShapesAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Random();
        Assert.Contains(
            "must have shape (any, 5)",
            Assert.Throws<ArgumentException>(() => model.DenoiseAt(Normal(1, 3, 4), 1)).Message
        );
        Assert.Contains(
            "one level for each of the 3 samples, had 2",
            Assert.Throws<ArgumentException>(() => model.Denoise(Normal(1, 3, 5), torch.ones(2))).Message
        );
        Assert.Contains("was (2, 2)", Assert.Throws<ArgumentException>(() => model.Gains(torch.ones(2, 2))).Message);
        Assert.Contains(
            "noisy must be Float64 like the model's weights, was Float32",
            Assert.Throws<ArgumentException>(() => model.DenoiseAt(torch.ones(3, 5), 1)).Message
        );
        Assert.Contains("units", Assert.Throws<ArgumentOutOfRangeException>(() => new ReluDiffusion(5, 0, 1)).Message);
        Assert.Contains(
            "activation must be SiLU or ReLU",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new ReluDiffusion(5, 1, 1, activation: (GainActivation)9))
                .Message
        );
    }
}
