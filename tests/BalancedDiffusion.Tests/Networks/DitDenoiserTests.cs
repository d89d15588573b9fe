using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Networks;

public class DitDenoiserTests
{
    private static readonly DitOptions Little = DitFixtures.Little with { Depth = 1, LearnSigma = false };

    private static Dit Stirred(DitOptions options, torch.ScalarType type = torch.ScalarType.Float64)
    {
        var model = new Dit(options, 1, type);
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in model.named_parameters())
            parameter.add_(0.3 * GaussianNoise.Draw(parameter.shape, Seeds.Derive(2, name), type));
        return model;
    }

    private static torch.Tensor Normal(long seed, params long[] shape) =>
        GaussianNoise.Draw(shape, seed, torch.ScalarType.Float64);

    [Fact]
    public void PreconditioningIsKarrasTable()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var denoiser = DitDenoiser.Preconditioned(Stirred(Little), 0.7);
        var noisy = Normal(3, 2, 2, 4, 4);
        double[] sigmas = [0.05, 12];
        var clean = denoiser.Denoise(noisy, torch.tensor(sigmas));
        for (var i = 0; i < 2; i++)
        {
            var (s, total, y) = (sigmas[i], sigmas[i] * sigmas[i] + 0.49, noisy.narrow(0, i, 1));
            var answer = denoiser.Network.call(y / Math.Sqrt(total), torch.tensor([Math.Log(s) / 4]), null);
            var expected = y * (0.49 / total) + answer * (s * 0.7 / Math.Sqrt(total));
            Assert.True((clean.narrow(0, i, 1) - expected).abs().max().item<double>() < 1e-12);
            Assert.True((denoiser.DenoiseAt(y, s) - expected).abs().max().item<double>() < 1e-12);
        }
    }

    [Fact]
    public void AFreshPreconditionedNetworkIsTheWienerFilterOfIndependentPixels()
    {
        using var scope = torch.NewDisposeScope();
        using var denoiser = DitDenoiser.Preconditioned(new Dit(Little, 1));
        var noisy = GaussianNoise.Draw([2, 2, 4, 4], 1);
        Assert.True((denoiser.DenoiseAt(noisy, 1) - noisy * 0.2).abs().max().item<float>() < 1e-6);
    }

    [Fact]
    public void ANoisePredictorIsAskedAtTheTimestepOfTheLevel()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var denoiser = DitDenoiser.NoisePrediction(Stirred(Little with { LearnSigma = true }));
        var noisy = Normal(3, 2, 2, 4, 4);
        var schedule = denoiser.Schedule!;
        int[] steps = [40, 700];
        double[] sigmas = [.. steps.Select(t => schedule.Sigma(t))];
        var clean = denoiser.Denoise(noisy, torch.tensor(sigmas));
        for (var i = 0; i < 2; i++)
        {
            using var z = VariancePreserving.FromExploding(noisy.narrow(0, i, 1), sigmas[i]);
            var noise = denoiser.Network.call(z, torch.tensor([(long)steps[i]]), null).narrow(1, 0, 2);
            var expected = VariancePreserving.CleanFromNoise(noisy.narrow(0, i, 1), noise, sigmas[i]);
            Assert.True(
                (clean.narrow(0, i, 1) - expected).abs().max().item<double>()
                    < 1e-9 * expected.abs().max().item<double>()
            );
        }
        // Beyond its ends the last timestep answers.
        foreach (var (sigma, time) in new[] { (0.001, 0L), (1000.0, 999L) })
        {
            var noise = denoiser
                .Network.call(VariancePreserving.FromExploding(noisy, sigma), torch.tensor([time, time]), null)
                .narrow(1, 0, 2);
            Assert.True(
                (denoiser.DenoiseAt(noisy, sigma) - VariancePreserving.CleanFromNoise(noisy, noise, sigma))
                    .abs()
                    .max()
                    .item<double>()
                    < 1e-9 * sigma + 1e-12
            );
        }
    }

    [Fact]
    public void ThePublishedScheduleIsTheProductOfItsBetas()
    {
        var schedule = new DiscreteLinearSchedule();
        var kept = 1.0;
        for (var t = 0; t < 1000; t++)
        {
            kept *= 1 - (1e-4 + (0.02 - 1e-4) * t / 999);
            Assert.Equal(1, schedule.Sigma(t) / Math.Sqrt((1 - kept) / kept), 1e-10);
            Assert.Equal(t, schedule.Time(schedule.Sigma(t)), 1e-9);
        }
        Assert.Equal(4.0358e-5, kept, 1e-8); // what Ho et al. 2020 leave of the signal
        Assert.Equal(Math.Sqrt(schedule.Sigma(20) * schedule.Sigma(21)), schedule.Sigma(20.5), 1e-12);
        Assert.Equal(11, schedule.Levels(10).Count);
        Assert.Contains(
            "sigma must be from",
            Assert.Throws<ArgumentOutOfRangeException>(() => schedule.Time(200)).Message
        );
        Assert.Contains(
            "betaEnd must be between",
            Assert.Throws<ArgumentOutOfRangeException>(() => new DiscreteLinearSchedule(0.02, 1e-4)).Message
        );
        Assert.Contains(
            "betaEnd must leave the greatest level finite",
            Assert.Throws<ArgumentOutOfRangeException>(() => new DiscreteLinearSchedule(0.9, 0.99)).Message
        );
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void GuidanceIsThatOfTwoDenoisers(bool preconditioned)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var denoiser = preconditioned
            ? DitDenoiser.Preconditioned(Stirred(Little))
            : DitDenoiser.NoisePrediction(Stirred(Little));
        var noisy = Normal(3, 2, 2, 4, 4);
        IDenoiser labelled = denoiser.WithLabels([2, 0]),
            empty = denoiser.WithLabel(3);
        Assert.True((empty.DenoiseAt(noisy, 0.5) - denoiser.DenoiseAt(noisy, 0.5)).abs().max().item<double>() < 1e-13);
        Assert.True(
            (labelled.DenoiseAt(noisy, 0.5) - denoiser.DenoiseAt(noisy, 0.5)).abs().max().item<double>() > 1e-3
        );
        foreach (var weight in new[] { -1.0, 0, 1, 4 })
        {
            var expected = new GuidedDenoiser(labelled, empty, weight).DenoiseAt(noisy, 0.5);
            Assert.True(
                (denoiser.WithLabels([2, 0], weight).DenoiseAt(noisy, 0.5) - expected).abs().max().item<double>()
                    < 1e-11
            );
            var first = denoiser.WithLabels([2, 0], weight, guidedChannels: 1).DenoiseAt(noisy, 0.5);
            Assert.True((first.narrow(1, 0, 1) - expected.narrow(1, 0, 1)).abs().max().item<double>() < 1e-11);
            Assert.True(
                (first.narrow(1, 1, 1) - labelled.DenoiseAt(noisy, 0.5).narrow(1, 1, 1)).abs().max().item<double>()
                    < 1e-11
            );
        }
        Assert.True(
            (denoiser.WithLabel(1).DenoiseAt(noisy, 0.5) - denoiser.WithLabels([1, 1]).DenoiseAt(noisy, 0.5))
                .abs()
                .max()
                .item<double>() < 1e-13
        );
    }

    [Fact]
    public void TrainedOnOneGaussianItComesNearTheBestEstimateAndIsSampledFrom()
    {
        using var scope = torch.NewDisposeScope();
        // Every pixel is the same Gaussian number: the best estimate is the mean of y's pixels times d/(d + sigma²),
        // with error sigma²/(d + sigma²) a pixel; a pixel by itself cannot know better than sigma²/(1 + sigma²).
        var data = GaussianNoise.Draw([2048, 1, 1, 1], 1).expand(2048, 1, 4, 4).contiguous();
        using var denoiser = DitDenoiser.Preconditioned(
            new Dit(
                new DitOptions
                {
                    InputSize = 4,
                    Channels = 1,
                    HiddenSize = 32,
                    Depth = 2,
                    Heads = 2,
                    Classes = 0,
                    LearnSigma = false,
                },
                2
            ),
            sigmaData: 1
        );
        using var result = Trainer.Fit(
            denoiser,
            data,
            new TrainingOptions
            {
                Steps = 400,
                BatchSize = 64,
                Optimizer = OptimizerOptions.Adam(),
                LearningRate = 3e-3,
                Schedule = LearningRateSchedule.Cosine,
                Noise = new LogUniformSigma(0.2, 3),
                Seed = 3,
            }
        );
        foreach (var sigma in new[] { 0.4, 1, 2 })
        {
            var noisy = data + sigma * GaussianNoise.Draw([2048, 1, 4, 4], 4);
            var error = (denoiser.DenoiseAt(noisy, sigma) - data).square().mean().item<float>();
            Assert.InRange(
                error,
                0.8 * sigma * sigma / (16 + sigma * sigma),
                0.5 * sigma * sigma / (1 + sigma * sigma)
            );
        }
        using var recorder = new ActivationRecorder(
            denoiser,
            name => name.EndsWith("mlp.act", StringComparison.Ordinal),
            Pooling.TokenMean,
            history: true
        );
        var samples = new HeunSampler().Draw(denoiser, 4, new GeometricSchedule(3, 0.2).Levels(5), 1);
        Assert.Equal([4, 1, 4, 4], samples.shape);
        Assert.Equal(["network.blocks.0.mlp.act", "network.blocks.1.mlp.act"], recorder.Modules);
        // Heun asks twice a step but in the last, which goes to 0.
        Assert.Equal(9, recorder.History("network.blocks.1.mlp.act").Count);
        Assert.All(recorder.History("network.blocks.1.mlp.act"), h => Assert.Equal([4, 128], h.shape));
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var denoiser = DitDenoiser.Preconditioned(new Dit(Little, 1));
        using var free = DitDenoiser.NoisePrediction(new Dit(Little with { Classes = 0 }, 1));
        using var always = DitDenoiser.NoisePrediction(new Dit(Little with { ClassDropout = 0 }, 1));
        using var learned = new Dit(Little with { LearnSigma = true }, 1);
        var noisy = torch.zeros(2, 2, 4, 4);
        void Refused(string words, Func<object> attempt)
        {
            var failure = Record.Exception(attempt);
            Assert.True(failure is ArgumentException, $"{words}: {failure}");
            Assert.Contains(words, failure.Message);
        }
        Refused(
            "noisy must have shape (any, 2, 4, 4), was (2, 2, 4)",
            () => denoiser.DenoiseAt(torch.zeros(2, 2, 4), 1)
        );
        Refused(
            "noisy must be Float32 like the network's weights, was Float64",
            () => denoiser.DenoiseAt(noisy.to_type(torch.float64), 1)
        );
        Refused("sigma must be positive and finite, was -1", () => denoiser.Denoise(noisy, torch.tensor([1.0, -1])));
        Refused("sigma must have shape () or (2), was (3)", () => denoiser.Denoise(noisy, torch.ones(3)));
        Refused("the network learns a variance", () => DitDenoiser.Preconditioned(learned));
        Refused("sigmaData must be positive and finite, was 0", () => DitDenoiser.Preconditioned(denoiser.Network, 0));
        Refused("made without classes", () => free.WithLabel(0));
        Refused("labels must hold at least one label", () => denoiser.WithLabels([]));
        Refused("labels from 0 to 3, was 4", () => denoiser.WithLabel(4));
        Refused("guidance needs an empty label", () => always.WithLabel(0, 2));
        Refused("guidedChannels must be from 0 to 2, was 3", () => denoiser.WithLabel(0, 2, 3));
        Refused("weight must be finite, was NaN", () => denoiser.WithLabel(0, double.NaN));
        Refused(
            "as many samples as there are labels, 3, was 2",
            () => denoiser.WithLabels([0, 1, 2]).DenoiseAt(noisy, 1)
        );
    }

    [Fact]
    public void ClassesGivenAsATensorAreThoseOfTheLabelledDenoiser()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var denoiser = DitDenoiser.Preconditioned(Stirred(Little));
        denoiser.eval();
        var (noisy, sigma) = (Normal(3, 3, 2, 4, 4), torch.tensor(0.4));
        Assert.Equal(3, denoiser.Classes);
        var byTensor = denoiser.Denoise(noisy, sigma, torch.tensor(new long[] { 2, 0, 1 }));
        Assert.True(byTensor.allclose(denoiser.WithLabels([2, 0, 1]).Denoise(noisy, sigma), 0, 0));
        Assert.False(byTensor.allclose(denoiser.Denoise(noisy, sigma), 1e-3, 1e-3));
    }

    [Fact]
    public void TrainingDropsTheShareOfClassesThatTheOptionsSay()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var denoiser = DitDenoiser.Preconditioned(Stirred(Little with { ClassDropout = 0.25 }));
        denoiser.train();
        torch.manual_seed(5);
        var (n, one) = (2000, Normal(3, 1, 2, 4, 4));
        var answers = denoiser.Denoise(
            one.expand(n, -1, -1, -1).contiguous(),
            torch.tensor(0.4),
            torch.ones(n, dtype: torch.int64)
        );
        var empty = denoiser.Denoise(one, torch.tensor(0.4));
        var dropped = (answers - empty).abs().amax([1L, 2L, 3L]).lt(1e-9).sum().item<long>();
        // Five standard deviations of a binomial.
        Assert.InRange(dropped, 500 - 97, 500 + 97);
    }

    [Fact]
    public void ItTrainsWithClasses()
    {
        using var scope = torch.NewDisposeScope();
        using var denoiser = DitDenoiser.Preconditioned(new Dit(Little with { ClassDropout = 0.1 }, 1));
        var classes = torch.tensor(new long[] { 0, 1, 2, 0 });
        // The class is all that tells the constant images apart.
        var data = classes.to_type(torch.float32).sub(1).view(4, 1, 1, 1).expand(4, 2, 4, 4).contiguous();
        using var result = Trainer.Fit(
            denoiser,
            data,
            classes,
            new TrainingOptions
            {
                Steps = 600,
                BatchSize = 32,
                LearningRate = 5e-3,
                Noise = new FixedSigma(3),
                Seed = 1,
            }
        );
        denoiser.eval();
        using var noGrad = torch.no_grad();
        var found = denoiser
            .Denoise(GaussianNoise.Draw([3, 2, 4, 4], 9) * 3, torch.tensor(3f), torch.tensor(new long[] { 0, 1, 2 }))
            .mean([1L, 2L, 3L])
            .data<float>()
            .ToArray();
        for (var k = 0; k < 3; k++)
            Assert.InRange(found[k], k - 1 - 0.35, k - 1 + 0.35);
    }

    [Fact]
    public void ClassesThatItDoesNotKnowAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var denoiser = DitDenoiser.Preconditioned(Stirred(Little));
        using var without = DitDenoiser.Preconditioned(Stirred(Little with { Classes = 0, ClassDropout = 0 }));
        var (noisy, sigma) = (Normal(3, 2, 2, 4, 4), torch.tensor(0.4));
        Assert.Contains(
            "0 to 2",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    denoiser.Denoise(noisy, sigma, torch.tensor(new long[] { 0, 3 }))
                )
                .Message
        );
        Assert.Throws<ArgumentException>(() => denoiser.Denoise(noisy, sigma, torch.tensor(new long[] { 0 })));
        Assert.Contains(
            "Classes = 0",
            Assert
                .Throws<ArgumentException>(() => without.Denoise(noisy, sigma, torch.tensor(new long[] { 0, 0 })))
                .Message
        );
    }
}
