using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Networks;
using BalancedDiffusion.Tests.Networks.StableDiffusion;
using TorchSharp;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Denoisers;

/// <summary>A level given as a number and as a scalar tensor have one answer, and a sampler's number reaches the
/// denoiser that computes as a number.</summary>
public class DenoiseAtTests
{
    private static DitDenoiser NoisePrediction(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var network = new Dit(Little, 1, type);
        foreach (var (name, parameter) in network.named_parameters())
            parameter.add_(0.3 * GaussianNoise.Draw(parameter.shape, Seeds.Derive(2, name), type));
        var denoiser = DitDenoiser.NoisePrediction(network);
        denoiser.eval();
        return denoiser;
    }

    private static LatentDenoiser Latent(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var narrow = StableDiffusionGolden.Nano();
        var network = new ConditionalUNet(StableDiffusionGolden.NanoUNet, narrow.state_dict(), type);
        return new LatentDenoiser(network, GaussianNoise.Draw([1, 3, 6], 4, torch.ScalarType.Float32));
    }

    /// <summary>A denoiser of every class there is, with three samples.</summary>
    private static List<(string Name, IDenoiser Denoiser, torch.Tensor Noisy)> Every(torch.ScalarType type)
    {
        torch.Tensor Normal(params long[] shape) => Wide(3, shape).to_type(type);
        var dae = new ReluDae(6, 4, 1, dtype: type);
        var diffusion = Diffusion();
        diffusion.to(type);
        var unet = UNet(type: type);
        var classes = UNet(type: type, options: UNetFixtures.Nano with { LabelDim = 3 });
        var (dit, predicting) = (Dit(type: type), NoisePrediction(type));
        torch.Tensor vectors = Normal(3, 6),
            images = Normal(3, 1, 8, 8),
            small = Normal(3, 2, 4, 4);
        var mixture = new GaussianMixture(
            GaussianComponent.Full(1, torch.zeros(6, dtype: torch.float64), torch.eye(6, dtype: torch.float64))
        );
        return
        [
            ("tied", dae, vectors),
            ("untied", new ReluDae(6, 4, 1, tied: false, dtype: type), vectors),
            ("ReLU diffusion", diffusion, vectors),
            ("U-Net", unet, images),
            ("U-Net with labels", classes.WithLabels(0, 2, 1), images),
            ("U-Net without labels", classes.WithoutLabels(), images),
            ("DiT", dit, small),
            ("DiT that predicts noise", predicting, small),
            ("DiT with labels", predicting.WithLabels([0, 2, 1]), small),
            ("DiT under guidance", dit.WithLabel(1, 2.5), small),
            ("latents", Latent(type), Normal(3, 4, 4, 4)),
            ("guided", new GuidedDenoiser(dit.WithLabel(1), dit, 2.5), small),
            ("guided by 0", new GuidedDenoiser(dit.WithLabel(1), dit, 0), small),
            ("guided by 1", new GuidedDenoiser(dit.WithLabel(1), dit, 1), small),
            ("per level", new PerLevelDenoiser((0.1, dae), (1, diffusion), (5, diffusion)), vectors),
            (
                "steered",
                new SteeredDenoiser(
                    dit.WithLabel(1, 2.5),
                    Direction(dit, (Act, Vector(32))),
                    new SteeringOptions { Window = new SteeringWindow(0.2, 1) }
                ),
                small
            ),
            (
                "without units",
                new AblatedDenoiser(
                    dit.WithLabel(1, 2.5),
                    new Dictionary<string, IReadOnlyList<int>> { [Act] = [0, 3] },
                    dit
                ),
                small
            ),
            ("empirical", new EmpiricalDenoiser(Wide(8, 40, 6).to_type(type)), vectors),
            ("mixture", new MixtureDenoiser(mixture), vectors),
        ];
    }

    [Fact]
    public void EveryDenoiserOfTheLibraryIsHere()
    {
        using var scope = torch.NewDisposeScope();
        var here = Every(torch.ScalarType.Float32).Select(d => d.Denoiser.GetType()).ToHashSet();
        var missing = typeof(IDenoiser)
            .Assembly.GetTypes()
            .Where(type => typeof(IDenoiser).IsAssignableFrom(type) && type.IsClass && !here.Contains(type))
            .Select(type => $"{type.DeclaringType?.Name}.{type.Name}");
        Assert.Empty(missing);
    }

    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void ANumberAndAScalarTensorHaveOneAnswerToTheBit(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (name, denoiser, noisy) in Every(type))
        {
            var answers = new List<torch.Tensor>();
            // None but 1 is exact in float32.
            foreach (var sigma in new[] { 0.0123, 0.1, 0.3, 1, 3.3, 77.7 })
            {
                var answer = denoiser.DenoiseAt(noisy, sigma);
                Assert.Equal(type, answer.dtype);
                Assert.False(answer.requires_grad);
                using (torch.no_grad())
                {
                    var level = torch.full([], sigma, dtype: type);
                    Assert.True(Same(answer, denoiser.Denoise(noisy, level)), $"{name} at {sigma}");
                }
                // The route that a denoiser without a member of its own takes.
                Assert.True(
                    Same(answer, ((IDenoiser)new Plain(denoiser)).DenoiseAt(noisy, sigma)),
                    $"{name} at {sigma}"
                );
                answers.Add(answer);
            }
            Assert.Equal(denoiser is not ReluDae, !Same(answers[2], answers[3]));
        }
    }

    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void TheArithmeticIsThatOfTheFormulasWithTensorsToTheBit(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        torch.Tensor Normal(params long[] shape) => Wide(3, shape).to_type(type);
        var (unet, images) = (UNet(type: type), Normal(3, 1, 8, 8));
        var (dit, predicting, small) = (Dit(type: type), NoisePrediction(type), Normal(3, 2, 4, 4));
        foreach (var sigma in new[] { 0.0123, 0.3, 1, 77.7 })
        {
            var level = torch.full([], sigma, dtype: type).reshape(-1, 1, 1, 1);
            var size = level.hypot(torch.full_like(level, 0.5));
            var raw = unet.Network.call(images / size, level.log().div(4).flatten(), null);
            var expected = images * size.reciprocal().mul(0.5).square() + raw * (level / size * 0.5);
            Assert.True(Same(expected, unet.DenoiseAt(images, sigma)), $"U-Net at {sigma}");

            var s = level.to_type(torch.float64).expand(3, 1, 1, 1);
            torch.Tensor Like(torch.Tensor coefficient) => coefficient.to_type(type);
            var total = s.square().add(0.25);
            var answer = dit.Network.call(small * Like(total.rsqrt()), s.log().div(4).flatten(), null);
            expected = small * Like(total.reciprocal().mul(0.25)) + answer * Like(s.mul(0.5).mul(total.rsqrt()));
            Assert.True(Same(expected, dit.DenoiseAt(small, sigma)), $"DiT at {sigma}");

            var time = predicting.Schedule!.Time(level.to_type(torch.float64).item<double>());
            var times = torch.tensor([time, time, time], dtype: torch.float64);
            var noise = predicting.Network.call(small * Like(s.square().add(1).rsqrt()), times, null);
            expected = small - Like(s) * noise.narrow(1, 0, 2);
            Assert.True(Same(expected, predicting.DenoiseAt(small, sigma)), $"noise at {sigma}");
        }
    }

    [Fact]
    public void ClassesAreToldAtANumberAsAtATensor()
    {
        using var scope = torch.NewDisposeScope();
        // A convolution may be computed otherwise where a gradient is wanted.
        using var noGrad = torch.no_grad();
        var classes = torch.tensor([2L, 0, 1]);
        var cases = new (IClassDenoiser Model, torch.Tensor Noisy)[]
        {
            (Dit(), Wide(3, 3, 2, 4, 4).to_type(torch.float32)),
            (UNet(options: UNetFixtures.Nano with { LabelDim = 3 }), Wide(3, 3, 1, 8, 8).to_type(torch.float32)),
        };
        foreach (var (model, noisy) in cases)
        {
            var answer = model.DenoiseAt(noisy, 0.3, classes);
            Assert.True(Same(answer, model.Denoise(noisy, torch.tensor(0.3f), classes)));
            Assert.True(Same(answer, ((IClassDenoiser)new Counting(model)).DenoiseAt(noisy, 0.3, classes)));
            Assert.False(Same(answer, model.DenoiseAt(noisy, 0.3, torch.tensor([0L, 0, 1]))));
            Refused<ArgumentOutOfRangeException>(
                "sigma must be positive and finite, was 0",
                () => model.DenoiseAt(noisy, 0, classes)
            );
        }
    }

    [Fact]
    public void BadLevelsAreNamedByEveryDenoiser()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (_, denoiser, noisy) in Every(torch.ScalarType.Float32))
        foreach (var sigma in new[] { 0, -1, double.NaN, double.PositiveInfinity })
            Refused<ArgumentOutOfRangeException>(
                $"sigma must be positive and finite, was {sigma}",
                () => denoiser.DenoiseAt(noisy, sigma)
            );
    }

    [Fact]
    public void ASamplersNumberReachesTheDenoiserThroughEveryWrapperAndIsNoTensorBefore()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        var counting = new Counting(dae);
        var steered = new SteeredDenoiser(counting, Direction(dae, ("relu", Vector(4))));
        var wrapped = new GuidedDenoiser(steered, new PerLevelDenoiser((0.1, counting), (3, counting)), 2.5);
        double[] levels = [3.3, 0.7, 0.1, 0];
        new EulerSampler().Sample(wrapped, Wide(3, 2, 6).to_type(torch.float32) * 3.3, levels);
        // Both halves of the guidance ask once a step, for the level of the step as it stands in the list.
        Assert.Equal([3.3, 3.3, 0.7, 0.7, 0.1, 0.1], counting.Numbers);
        Assert.Equal(0, counting.Tensors);
        // The tensor that the network needs is the only one that is made of the level.
        Assert.Equal(1, Conversions(new EulerSampler(), [3.3, 0]));
        Assert.Equal(3, Conversions(new EulerSampler(), levels));
    }

    [Fact]
    public void TheConditionNormHandsTheNumberOn()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit();
        var counting = new Counting(dit);
        using var score = new ConditionNormDetector(counting, [2, 0], counting, 0.3).Score(
            Wide(3, 2, 2, 4, 4).to_type(torch.float32),
            seed: 1
        );
        Assert.Equal([0.3, 0.3], counting.Numbers);
        Assert.Equal(0, counting.Tensors);
    }

    [Fact]
    public void TheModuleThatHoldsTheLayersIsFoundBehindAWrapper()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit();
        using var unet = UNet(options: UNetFixtures.Nano with { LabelDim = 3 });
        var latent = Latent(torch.ScalarType.Float32);
        Assert.Same(dit, ((IDenoiser)dit).Module);
        Assert.Same(dit, dit.WithLabel(1, 2).Module);
        Assert.Same(unet, unet.WithLabels(1).Module);
        Assert.Same(latent.Network, latent.Module);
        Assert.Same(dit, new SteeredDenoiser(dit.WithLabel(1), Direction(dit, (Act, Vector(32)))).Module);
        Assert.Null(((IDenoiser)new GuidedDenoiser(dit, dit, 2)).Module);
        Assert.Null(((IDenoiser)new EmpiricalDenoiser(Wide(1, 3, 6))).Module);
        using var recorder = new ActivationRecorder(dit.WithLabel(1).Module!, [Act]);
        dit.WithLabel(1).DenoiseAt(Wide(3, 2, 2, 4, 4).to_type(torch.float32), 0.3);
        Assert.Equal(2, recorder.Last(Act).shape[0]);
    }

    /// <summary>How many tensors a run makes of its levels for a denoiser that makes none but those.</summary>
    private static int Conversions(ISampler sampler, double[] levels)
    {
        var network = new OfATensor();
        sampler.Sample(new GuidedDenoiser(network, network, 1), torch.ones(2, 6), levels);
        return network.Levels.Distinct().Count();
    }

    /// <summary>A denoiser that has only the member with a tensor.</summary>
    private sealed class Plain(IDenoiser denoiser) : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => denoiser.SampleShape;

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => denoiser.Denoise(noisy, sigma);
    }

    /// <summary>Writes down the tensors that it is given as levels.</summary>
    private sealed class OfATensor : IDenoiser
    {
        public List<IntPtr> Levels { get; } = [];

        public IReadOnlyList<long> SampleShape => [6];

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
        {
            Assert.Empty(sigma.shape);
            Levels.Add(sigma.Handle);
            sigma.DetachFromDisposeScope(); // kept, so that no other has its handle
            return noisy * 0.5;
        }
    }

    /// <summary>Counts in which form levels come, and hands them on.</summary>
    private sealed class Counting(IDenoiser denoiser) : IClassDenoiser
    {
        public List<double> Numbers { get; } = [];

        public int Tensors { get; private set; }

        public IReadOnlyList<long> SampleShape => denoiser.SampleShape;

        public torch.nn.Module? Module => denoiser.Module;

        public long Classes => (denoiser as IClassDenoiser)?.Classes ?? 0;

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma)
        {
            Tensors++;
            return denoiser.Denoise(noisy, sigma);
        }

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma, torch.Tensor classes)
        {
            Tensors++;
            return ((IClassDenoiser)denoiser).Denoise(noisy, sigma, classes);
        }

        public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma)
        {
            Numbers.Add(sigma);
            return denoiser.DenoiseAt(noisy, sigma);
        }

        public torch.Tensor DenoiseAt(torch.Tensor noisy, double sigma, torch.Tensor classes)
        {
            Numbers.Add(sigma);
            return ((IClassDenoiser)denoiser).DenoiseAt(noisy, sigma, classes);
        }
    }
}
