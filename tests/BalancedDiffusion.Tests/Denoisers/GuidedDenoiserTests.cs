using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;

namespace BalancedDiffusion.Tests.Denoisers;

public class GuidedDenoiserTests
{
    private static GaussianMixture One(double mean, double variance) =>
        new(
            GaussianComponent.Full(
                1,
                torch.full(2, mean, dtype: torch.float64),
                torch.eye(2, dtype: torch.float64) * variance
            )
        );

    [Fact]
    public void TheScoreIsThatOfTheTiltedDensity() =>
        Prop.ForAll(
                Gen.Choose(-30, 120).ToArbitrary(),
                Gen.Choose(1, 40).ToArbitrary(),
                (tenths, levels) =>
                {
                    // s_uncond + w (s_cond - s_uncond) is the gradient of ln p (p_cond/p)^w; for two Gaussians it is
                    // linear in y.
                    using var scope = torch.NewDisposeScope();
                    var (w, sigma) = (tenths / 10.0, levels / 10.0);
                    using MixtureOwner with = new(One(1, 0.3)),
                        without = new(One(-0.5, 1));
                    var y = GaussianNoise.Draw([6, 2], 2, torch.float64) * 2;
                    var tilted = (y - 1) * (-w / (0.3 + sigma * sigma)) + (y + 0.5) * (-(1 - w) / (1 + sigma * sigma));
                    using var score = new GuidedDenoiser(with.Denoiser, without.Denoiser, w).Score(y, sigma);
                    Assert.True(torch.allclose(tilted, score, 1e-8, 1e-8));
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void WeightOneIsTheConditionAloneAndZeroIgnoresIt()
    {
        using var scope = torch.NewDisposeScope();
        using MixtureOwner with = new(One(1, 0.3)),
            without = new(One(-0.5, 1));
        var y = GaussianNoise.Draw([6, 2], 2);
        Assert.Equal(
            with.Denoiser.DenoiseAt(y, 1).data<float>().ToArray(),
            new GuidedDenoiser(with.Denoiser, without.Denoiser, 1).DenoiseAt(y, 1).data<float>().ToArray()
        );
        Assert.Equal(
            without.Denoiser.DenoiseAt(y, 1).data<float>().ToArray(),
            new GuidedDenoiser(with.Denoiser, without.Denoiser, 0).DenoiseAt(y, 1).data<float>().ToArray()
        );
    }

    [Fact]
    public void SamplesWithTheConditionAreItsComponentAndMoreGuidanceLeavesTheOther()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = new GaussianMixture(
            GaussianComponent.Full(0.5, torch.tensor([0.8, 0.0]), torch.eye(2, dtype: torch.float64) * 0.2),
            GaussianComponent.Full(0.5, torch.tensor([-0.8, 0.0]), torch.eye(2, dtype: torch.float64) * 0.2)
        );
        using var right = new MixtureOwner(
            new GaussianMixture(
                GaussianComponent.Full(1, torch.tensor([0.8, 0.0]), torch.eye(2, dtype: torch.float64) * 0.2)
            )
        );
        torch.Tensor Draw(double w) =>
            new HeunSampler()
                .Draw(
                    new GuidedDenoiser(right.Denoiser, new MixtureDenoiser(mixture), w),
                    4000,
                    new KarrasSchedule(30, 0.02).Levels(40),
                    seed: 3,
                    batch: 4000
                )
                .to_type(torch.float64);
        var conditional = Draw(1);
        Assert.True(
            (conditional.mean([0L]) - torch.tensor([0.8, 0.0])).abs().max().item<double>() < 5 * Math.Sqrt(0.2 / 4000)
        );
        Assert.InRange(conditional.var(0).mean().item<double>(), 0.2 * 0.93, 0.2 * 1.07);
        Assert.True(Draw(3)[.., 0].mean().item<double>() > 0.95);
    }

    [Fact]
    public void BadGuidanceIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        using ReluDae two = new(2, 3, 1),
            three = new(3, 3, 1);
        Assert.StartsWith(
            "weight must be finite, was NaN",
            Assert.Throws<ArgumentOutOfRangeException>(() => new GuidedDenoiser(two, two, double.NaN)).Message
        );
        Assert.StartsWith(
            "the two denoisers must have one sample shape, were (2) and (3)",
            Assert.Throws<ArgumentException>(() => new GuidedDenoiser(two, three, 2)).Message
        );
    }

    private sealed class MixtureOwner(GaussianMixture mixture) : IDisposable
    {
        public MixtureDenoiser Denoiser { get; } = new(mixture);

        public void Dispose() => mixture.Dispose();
    }
}
