using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Steering;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class LatentDenoiserTests
{
    private const string Representation = "up_blocks.0.resnets.1.nonlinearity";

    private static ConditionalUNet Wide()
    {
        using var narrow = Nano();
        return new ConditionalUNet(NanoUNet, narrow.state_dict(), torch.float64);
    }

    private static torch.Tensor Noisy(int batch = 2) => Normal(3, batch, 4, 4, 4).to_type(torch.float64);

    private static torch.Tensor Text(int rows = 1, long seed = 4) => Normal(seed, rows, 3, 6);

    [Fact]
    public void FiveStepsOfDdimUnderGuidanceAreThoseOfTheReference()
    {
        using var scope = torch.NewDisposeScope();
        using var model = UNet();
        using var io = Safetensors.Read(File("sd-ddim-io.safetensors"));
        var schedule = new LatentSchedule();
        var levels = schedule.Levels(5);
        var guided = new GuidedDenoiser(
            new LatentDenoiser(model, io["cond"]),
            new LatentDenoiser(model, io["uncond"]),
            7.5
        );
        using var record = new Trajectory();
        var end = new DdimSampler().Sample(
            guided,
            VariancePreserving.ToExploding(io["latents"], levels[0]),
            levels,
            new SamplingOptions { Record = record }
        );
        var expected = io["trajectory_cfg7.5"];
        for (var i = 0; i <= 5; i++)
            Close(
                $"step {i}",
                VariancePreserving.FromExploding(i < 5 ? record.Points[i] : end, levels[i]),
                expected[i],
                Tolerance
            );
    }

    [Fact]
    public void TheNetworkIsAskedForNoiseAtTheTimestepOfTheLevel()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Wide();
        var (noisy, text, schedule) = (Noisy(), Text(2), new ScaledLinearSchedule());
        var denoiser = new LatentDenoiser(model, text);
        int[] times = [40, 700];
        double[] sigmas = [.. times.Select(t => schedule.Sigma(t))];
        var clean = denoiser.Denoise(noisy, torch.tensor(sigmas));
        for (var i = 0; i < 2; i++)
        {
            var row = noisy.narrow(0, i, 1);
            var noise = model.call(
                VariancePreserving.FromExploding(row, sigmas[i]),
                torch.tensor([(long)times[i]]),
                text.narrow(0, i, 1)
            );
            Assert.True(
                Difference(clean.narrow(0, i, 1), VariancePreserving.CleanFromNoise(row, noise, sigmas[i])) < 1e-9
            );
        }
        // Beyond the ends the last timestep answers.
        foreach (var (sigma, time) in new[] { (0.001, 0L), (100.0, 999L) })
        {
            var noise = model.call(VariancePreserving.FromExploding(noisy, sigma), torch.tensor([time, time]), text);
            Assert.True(
                Difference(denoiser.DenoiseAt(noisy, sigma), VariancePreserving.CleanFromNoise(noisy, noise, sigma))
                    < 1e-9
            );
        }
    }

    [Fact]
    public void SamplersStepAsTheirPapersSayInTheVariancePreservingNotation()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Wide();
        var (text, schedule) = (Text(), new LatentSchedule());
        var (times, levels) = (schedule.Timesteps(6), schedule.Levels(6));
        var denoiser = new LatentDenoiser(model, text);
        var start = Noisy();
        torch.Tensor Noise(torch.Tensor z, int time) =>
            model.call(z, torch.full([2], time, dtype: torch.int64), text.expand(2, -1, -1));
        int After(int i) => i + 1 < times.Count ? times[i + 1] : 0;

        // DDIM: Song et al. 2021, equation 12.
        var z = start.clone();
        for (var i = 0; i < times.Count; i++)
        {
            var (alpha, next, noise) = (schedule.AlphaBar(times[i]), schedule.AlphaBar(After(i)), Noise(z, times[i]));
            z = (z - Math.Sqrt(1 - alpha) * noise) / Math.Sqrt(alpha) * Math.Sqrt(next) + Math.Sqrt(1 - next) * noise;
        }
        var sampled = new DdimSampler().Sample(denoiser, VariancePreserving.ToExploding(start, levels[0]), levels);
        Assert.True(Difference(VariancePreserving.FromExploding(sampled, levels[^1]), z) < 1e-8);

        // DPM-Solver++(2M): Lu et al. 2022, algorithm 2.
        z = start.clone();
        torch.Tensor? before = null;
        double Lambda(int time) => 0.5 * Math.Log(schedule.AlphaBar(time) / (1 - schedule.AlphaBar(time)));
        for (var i = 0; i < times.Count; i++)
        {
            var (alpha, next) = (schedule.AlphaBar(times[i]), schedule.AlphaBar(After(i)));
            var clean = (z - Math.Sqrt(1 - alpha) * Noise(z, times[i])) / Math.Sqrt(alpha);
            var h = Lambda(After(i)) - Lambda(times[i]);
            var extrapolated = clean;
            if (before is not null)
            {
                var r = (Lambda(times[i]) - Lambda(times[i - 1])) / h;
                extrapolated = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * before;
            }
            z = Math.Sqrt((1 - next) / (1 - alpha)) * z - Math.Sqrt(next) * (Math.Exp(-h) - 1) * extrapolated;
            before = clean;
        }
        sampled = new DpmSolverSampler().Sample(denoiser, VariancePreserving.ToExploding(start, levels[0]), levels);
        Assert.True(Difference(VariancePreserving.FromExploding(sampled, levels[^1]), z) < 1e-8);
    }

    [Fact]
    public void GuidanceMixesTheTwoNoisesAndIsTheConditionAtOne()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Wide();
        var (noisy, with, without) = (Noisy(), Text(), Text(1, 9));
        IDenoiser conditional = new LatentDenoiser(model, with),
            empty = new LatentDenoiser(model, without);
        var sigma = new ScaledLinearSchedule().Sigma(500);
        Assert.True(
            new GuidedDenoiser(conditional, empty, 1)
                .DenoiseAt(noisy, sigma)
                .eq(conditional.DenoiseAt(noisy, sigma))
                .all()
                .item<bool>()
        );
        Assert.True(
            new GuidedDenoiser(conditional, empty, 0)
                .DenoiseAt(noisy, sigma)
                .eq(empty.DenoiseAt(noisy, sigma))
                .all()
                .item<bool>()
        );
        torch.Tensor Noise(torch.Tensor text) =>
            model.call(
                VariancePreserving.FromExploding(noisy, sigma),
                torch.tensor([500L, 500]),
                text.expand(2, -1, -1)
            );
        var (a, b) = (Noise(with), Noise(without));
        var expected = VariancePreserving.CleanFromNoise(noisy, b + 7.5 * (a - b), sigma);
        Assert.True(Difference(new GuidedDenoiser(conditional, empty, 7.5).DenoiseAt(noisy, sigma), expected) < 1e-9);
        Assert.True(Difference(a, b) > 1e-3);
    }

    [Fact]
    public void SteeringAtStrengthZeroIsNoneAndElseMovesTheConditionalHalfOnly()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Wide();
        var (noisy, sigma) = (Noisy(), 1.5);
        IDenoiser conditional = new LatentDenoiser(model, Text()),
            empty = new LatentDenoiser(model, Text(1, 9));
        var direction = SteeringDirection.FromVectors(
            model,
            new Dictionary<string, double[]>
            {
                [Representation] = [.. Enumerable.Range(0, 16).Select(i => Math.Sin(i + 1))],
            }
        );
        var plain = conditional.DenoiseAt(noisy, sigma);
        var steered = new SteeredDenoiser(
            conditional,
            direction,
            new SteeringOptions { Network = model, Strength = 0 }
        );
        Assert.True(steered.DenoiseAt(noisy, sigma).eq(plain).all().item<bool>());
        var strong = steered.WithStrength(2);
        var moved = strong.DenoiseAt(noisy, sigma);
        Assert.True(Difference(moved, plain) > 1e-3);
        Assert.True(
            Difference(
                new GuidedDenoiser(strong, empty, 3).DenoiseAt(noisy, sigma),
                empty.DenoiseAt(noisy, sigma) * -2 + moved * 3
            ) < 1e-9
        );
        // What is added is one vector at every place of the representation, which the rest of the network goes on from.
        torch.Tensor Added(torch.Tensor output) =>
            output + 2 * torch.tensor([.. direction[Representation]], [1, 16, 1, 1]);
        var hook = (
            (torch.nn.Module<torch.Tensor, torch.Tensor>)
                model.named_modules().Single(m => m.name == Representation).module
        ).register_forward_hook((_, _, output) => Added(output));
        Assert.True(Difference(conditional.DenoiseAt(noisy, sigma), moved) < 1e-9);
        hook.remove();
        Assert.True(conditional.DenoiseAt(noisy, sigma).eq(plain).all().item<bool>());
    }

    [Fact]
    public void ANetworkOfHalfPrecisionTakesWideLatents()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Nano();
        using var half = new ConditionalUNet(NanoUNet, model.state_dict(), torch.bfloat16);
        var noisy = Normal(3, 2, 4, 4, 4);
        var (expected, clean) = (
            new LatentDenoiser(model, Text()).DenoiseAt(noisy, 0.7),
            new LatentDenoiser(half, Text()).DenoiseAt(noisy, 0.7)
        );
        Assert.Equal(torch.float32, clean.dtype);
        // Only the noise is rounded, to eight bits in about twenty layers.
        Assert.True(Difference(noisy - clean, noisy - expected) < 20.0 / 256);
    }

    [Fact]
    public void ALatentOfAnotherSizeMayBeAskedFor()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Nano();
        var denoiser = new LatentDenoiser(model, Text(), height: 6, width: 3);
        Assert.Equal([4, 6, 3], denoiser.SampleShape);
        Assert.Equal([5, 4, 6, 3], new DdimSampler().Draw(denoiser, 5, new LatentSchedule().Levels(3), 1).shape);
        Assert.Equal([4, 4, 4], new LatentDenoiser(model, Text()).SampleShape);
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Nano();
        var two = new LatentDenoiser(model, Text(2));
        Refused(
            "text must have shape (any, any, 6), was (1, 3, 7)",
            () => new LatentDenoiser(model, torch.zeros(1, 3, 7))
        );
        Refused(
            "text must hold at least one row and one token, was (0, 3, 6)",
            () => new LatentDenoiser(model, torch.zeros(0, 3, 6))
        );
        Refused(
            "text holds NaN or infinity",
            () => new LatentDenoiser(model, torch.full([1, 3, 6], double.NaN, dtype: torch.float32))
        );
        Refused("height must be at least 1, was 0", () => new LatentDenoiser(model, Text(), height: 0));
        Refused("noisy must have shape (any, 4, 4, 4), was (2, 64)", () => two.DenoiseAt(torch.zeros(2, 64), 1));
        Refused(
            "noisy must have as many samples as there are texts, 2, was 3",
            () => two.DenoiseAt(torch.zeros(3, 4, 4, 4), 1)
        );
        Refused(
            "noisy must hold floating-point numbers, was Int64",
            () => two.Denoise(torch.zeros([2, 4, 4, 4], dtype: torch.int64), torch.tensor(1f))
        );
        Refused(
            "sigma must be positive and finite, was -3",
            () => two.Denoise(torch.zeros(2, 4, 4, 4), torch.tensor([1f, -3]))
        );
    }
}
