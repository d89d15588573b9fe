using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

public class SamplersTests
{
    private static readonly ISampler[] All = SamplerLab.All;

    private sealed class Broken(Func<torch.Tensor, torch.Tensor, torch.Tensor> denoise) : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => [2];

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => denoise(noisy, sigma);
    }

    [Fact]
    public void SamplingWithTheEmpiricalDenoiserEndsOnTrainingSamples()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = new torch.Generator(1);
        var training = torch.randn([20, 1, 4, 4], generator: generator);
        using var denoiser = new EmpiricalDenoiser(training);
        foreach (var sampler in All)
        {
            var samples = sampler.Draw(denoiser, 30, new GeometricSchedule(20, 0.01).Levels(60), seed: 3);
            Assert.Equal([30L, 1, 4, 4], samples.shape);
            var nearest = torch.cdist(samples.flatten(1), training.flatten(1)).argmin(1);
            Assert.True((samples - training.index_select(0, nearest)).abs().max().item<float>() < 1e-3);
            Assert.True(nearest.data<long>().ToArray().Distinct().Count() > 8);
        }
    }

    [Fact]
    public void SamplesOfAMixtureHaveItsMoments()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = new GaussianMixture(
            GaussianComponent.Full(
                0.3,
                torch.tensor([2.0, 0]),
                torch.tensor(
                    new[,]
                    {
                        { 0.5, 0.2 },
                        { 0.2, 0.3 },
                    }
                )
            ),
            GaussianComponent.Full(0.7, torch.tensor([-1.0, 1]), torch.eye(2, dtype: torch.float64) * 0.2)
        );
        foreach (var sampler in All)
        {
            var samples = sampler
                .Draw(
                    new MixtureDenoiser(mixture),
                    8000,
                    new KarrasSchedule(30, 0.01, 3).Levels(120),
                    seed: 4,
                    batch: 8000
                )
                .to_type(torch.float64);
            Assert.True(torch.allclose(samples.mean([0L]), mixture.Mean(), 0, 0.09), $"{sampler}: mean");
            Assert.True(torch.allclose(samples.t().cov(), mixture.Covariance(), 0, 0.15), $"{sampler}: covariance");
        }
    }

    [Fact]
    public void ASampleIsTheSameAloneOrInABatch()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = GaussianMixture.SeparatedLowRank(5, 3, 2, 1, floor: 0.01);
        var denoiser = new MixtureDenoiser(mixture);
        var sigmas = new GeometricSchedule(5, 0.05).Levels(6);
        foreach (var sampler in All)
        {
            var all = sampler.Draw(denoiser, 7, sigmas, 9);
            Assert.True(torch.allclose(all, sampler.Draw(denoiser, 7, sigmas, 9, batch: 3), 1e-5, 1e-6));
            Assert.True(torch.allclose(all[5], sampler.Draw(denoiser, 1, sigmas, 9, firstIndex: 5)[0], 1e-5, 1e-6));
            Assert.False(torch.allclose(all, sampler.Draw(denoiser, 7, sigmas, 10), 1e-2, 1e-2));
        }
    }

    [Fact]
    public void TheAuthorsClampKeepsEveryStepInItsBounds()
    {
        using var scope = torch.NewDisposeScope();
        var far = new Broken((x, _) => torch.full_like(x, 3));
        Assert.Equal(
            [1f, 1],
            new ReverseDiffusionSampler(Clamp: 1).Sample(far, torch.zeros(1, 2), [2, 1, 0], 1).data<float>().ToArray()
        );
        Assert.Equal(
            [3f, 3],
            new ReverseDiffusionSampler().Sample(far, torch.zeros(1, 2), [2, 1, 0], 1).data<float>().ToArray()
        );
        Assert.NotEqual(
            [3f, 3],
            new ReverseDiffusionSampler(NoiseIntoZero: true)
                .Sample(far, torch.zeros(1, 2), [2, 1, 0], 1)
                .data<float>()
                .ToArray()
        );
    }

    [Fact]
    public void ABadDenoiserIsNamedWithItsStep()
    {
        using var scope = torch.NewDisposeScope();
        var nan = new Broken((x, sigma) => sigma.item<float>() < 1 ? x * float.NaN : x * 1);
        var shape = new Broken((_, _) => torch.zeros(1, 3));
        foreach (var sampler in All)
        {
            var message = Assert
                .Throws<InvalidOperationException>(() => sampler.Sample(nan, torch.ones(1, 2), [4, 2, 0.5, 0], 1))
                .Message;
            Assert.Matches(
                sampler is HeunSampler
                    ? "^the denoiser returned NaN or infinity at step 2 of 3 \\(sigma = 0.5\\)"
                    : "^the denoiser returned NaN or infinity at step 3 of 3 \\(sigma = 0.5\\)",
                message
            );
            Assert.StartsWith(
                "the denoiser returned shape (1, 3) for (1, 2) at step 1 of 1",
                Assert
                    .Throws<InvalidOperationException>(() => sampler.Sample(shape, torch.ones(1, 2), [4, 0], 1))
                    .Message
            );
        }
    }

    /// <summary>Levels 20, 19, …: the step that asks at level s is step 21 - s, wherever the loop looks.</summary>
    [Fact]
    public void TheStepIsNamedWhereverItLies()
    {
        using var scope = torch.NewDisposeScope();
        double[] levels = [.. Enumerable.Range(0, 21).Select(i => 20.0 - i)];
        foreach (var sampler in All.Append(new ReverseDiffusionSampler(Clamp: 5)))
        foreach (var bad in new[] { float.NaN, float.PositiveInfinity })
        foreach (var failing in new[] { 19, 13, 12, 11, 1 })
        {
            var denoiser = new Broken((x, sigma) => sigma.item<float>() == failing ? x * 0 + bad : x * 0.5);
            var message = Assert
                .Throws<InvalidOperationException>(() => sampler.Sample(denoiser, torch.ones(2, 2), levels, 1))
                .Message;
            // Heun asks at the lower end of a step first.
            var step = 21 - failing - (sampler is HeunSampler ? 1 : 0);
            Assert.StartsWith($"the denoiser returned NaN or infinity at step {step} of 20", message);
        }
    }

    [Fact]
    public void ADenoiserThatFailsOnceIsNamedWithItsSteps()
    {
        using var scope = torch.NewDisposeScope();
        double[] levels = [.. Enumerable.Range(0, 21).Select(i => 20.0 - i)];
        var calls = 0;
        var denoiser = new Broken((x, _) => ++calls == 5 ? x * float.NaN : x * 0.5);
        var message = Assert
            .Throws<InvalidOperationException>(() => new EulerSampler().Sample(denoiser, torch.ones(2, 2), levels, 1))
            .Message;
        Assert.Matches("^the samples are not finite between step \\d+ and step \\d+ of 20", message);
        Assert.Contains("same outputs", message);
    }

    [Theory]
    [InlineData(new[] { 1.0 }, "at least two")]
    [InlineData(new[] { 1.0, 2 }, "sigmas must decrease, but 2 at position 1 follows 1")]
    [InlineData(new[] { 1.0, 1, 0 }, "sigmas must decrease")]
    [InlineData(new[] { 1.0, 0, 0 }, "was 0 at position 1")]
    [InlineData(new[] { 1.0, -0.5 }, "was -0.5 at position 1")]
    [InlineData(new[] { double.NaN, 0 }, "was NaN at position 0")]
    public void BadLevelsAreNamed(double[] sigmas, string words)
    {
        using var start = torch.ones(1, 2);
        foreach (var sampler in All)
            Assert.Contains(
                words,
                Assert
                    .ThrowsAny<ArgumentException>(() => sampler.Sample(new Broken((x, _) => x * 1), start, sigmas, 1))
                    .Message
            );
    }

    [Fact]
    public void ProgressCancellationAndMemoryBehave()
    {
        using var scope = torch.NewDisposeScope();
        var start = torch.ones(3, 2);
        var half = new Broken((x, _) => x * 0.5);
        foreach (var sampler in All)
        {
            var steps = new SamplerLab.Steps();
            sampler.Sample(half, start, [3, 2, 1, 0], 1, steps).Dispose();
            Assert.Equal([1, 2, 3], steps.Seen);
            using var source = new CancellationTokenSource();
            source.Cancel();
            Assert.ThrowsAny<OperationCanceledException>(() =>
                sampler.Sample(half, start, [3, 2, 0], 1, cancellation: source.Token)
            );
            var drawn = new SamplerLab.Steps();
            sampler.Draw(half, 5, [3, 2, 0], 1, batch: 2, progress: drawn).Dispose();
            Assert.Equal([1, 2, 3, 4, 5, 6], drawn.Seen);
        }
        Assert.Equal(1, scope.DisposablesCount);
        Assert.Equal([1f, 1, 1, 1, 1, 1], start.data<float>().ToArray());
    }
}
