using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Generation;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Tests.Memorization;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public class PretrainedProtocolTests
{
    private static readonly DitOptions Large = DitOptions.Published("L", 4);

    private static GeneratedImage Image(long seed) => new($"{seed}.png", seed, "a network");

    [Fact]
    public void TheNoiseLevelOfTheDitIsTheOneThePaperPrints()
    {
        // Figure 5: t = 50, "sigma_t ≈ 0.17", the factor of the noise in z.
        Assert.Equal(0.17, VariancePreserving.NoiseScale(PretrainedProtocol.Dit(Large).Sigma), 0.005);
        Assert.Equal(
            10,
            PretrainedProtocol.StableDiffusion.Schedule!.Time(PretrainedProtocol.StableDiffusion.Sigma),
            1e-9
        );
        Assert.Equal(
            50,
            PretrainedProtocol
                .StableDiffusion.AtTimestep(50)
                .Schedule!.Time(PretrainedProtocol.StableDiffusion.AtTimestep(50).Sigma),
            1e-9
        );
        Assert.Contains(
            "has no timesteps; set Sigma instead",
            Assert.Throws<InvalidOperationException>(() => PretrainedProtocol.EdmCifar10.AtTimestep(50)).Message
        );
    }

    [Fact]
    public void EverySettingSaysWhereItComesFromAndAChangedOneThatItWasChanged()
    {
        foreach (
            var protocol in new[]
            {
                PretrainedProtocol.StableDiffusion,
                PretrainedProtocol.EdmCifar10,
                PretrainedProtocol.Dit(Large),
            }
        )
        {
            Assert.Equal(7, protocol.Settings.Count);
            Assert.DoesNotContain(
                protocol.Settings,
                s => s.Source.Length == 0 || s.Value.Length == 0 || s.Source == "set by the caller"
            );
            var moved = protocol with { Layer = "elsewhere", Guidance = 2 };
            Assert.Equal(
                ["layer", "guidance"],
                moved.Settings.Where(s => s.Source == "set by the caller").Select(s => s.Name)
            );
            // The paper's own row is last, and the best of its table.
            Assert.Equal(protocol.Published.Max(p => p.Auroc), protocol.PublishedHere.Auroc);
            Assert.False(protocol.PublishedHere.NeedsCondition);
        }
        Assert.Equal(
            "set by the caller",
            PretrainedProtocol.StableDiffusion.AtTimestep(50).Settings.Single(s => s.Name == "noise level").Source
        );
        Assert.Equal("blocks.12.mlp.act", PretrainedProtocol.Dit(Large).Layer);
    }

    [Fact]
    public void TheLayersAreThereInNetworksOfThePublishedLayout()
    {
        using var scope = torch.NewDisposeScope();
        // The decoder's layout depends on levels and blocks, not on widths.
        using var sd = new ConditionalUNet(
            new ConditionalUNetOptions
            {
                SampleSize = 8,
                BlockChannels = [8, 16, 24, 32],
                Attends = [true, true, true, false],
                TextWidth = 6,
                Heads = 2,
                Groups = 4,
            },
            1
        );
        using var edm = new EdmPreconditioner(SongUNetOptions.DdpmPlusPlus with { ModelChannels = 8 }, 1);
        using var dit = DitGolden.Network();
        Assert.Contains(PretrainedProtocol.StableDiffusion.Layer, ActivationRecorder.ModulesOf(sd));
        Assert.DoesNotContain("up_blocks.0.resnets.3", ActivationRecorder.ModulesOf(sd));
        Assert.Contains(PretrainedProtocol.Dit(dit.Options).Layer, ActivationRecorder.ModulesOf(dit));
        var blocks = ActivationRecorder
            .ModulesOf(edm)
            .Where(m =>
                m.StartsWith("model.dec.8x8_block", StringComparison.Ordinal)
                && m.EndsWith(".silu1", StringComparison.Ordinal)
            )
            .ToList();
        Assert.Equal(PretrainedProtocol.EdmCifar10.Layer, blocks[^1]);
        // The lowest resolution's last residual block: as wide as the widest level; Stable Diffusion's own has 1280
        // channels.
        using var recorder = new ActivationRecorder(
            sd,
            [PretrainedProtocol.StableDiffusion.Layer],
            PretrainedProtocol.StableDiffusion.Pooling
        );
        sd.call(torch.zeros(1, 4, 8, 8), torch.tensor([10L]), torch.zeros(1, 2, 6)).Dispose();
        Assert.Equal([1, 32], recorder.Last(PretrainedProtocol.StableDiffusion.Layer).shape);
        Assert.Equal(1280, new ConditionalUNetOptions().BlockChannels[^1]);
    }

    [Fact]
    public void TheDetectorScoresByTheCodeOfTheNoisedSampleUnderTheEmptyCondition()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = DitDenoiser.NoisePrediction(DitGolden.Network());
        dit.eval();
        var protocol = PretrainedProtocol.Dit(dit.Network.Options);
        var samples = GaussianNoise.Draw([5, 4, 8, 8], 3);
        var scores = DetectorLab.Scores(protocol.Detector(dit, dit.Network), samples, seed: 11);
        using var recorder = new ActivationRecorder(dit.Network, [protocol.Layer]);
        // In the variance-preserving notation, by hand: z = sqrt(alphaBar) x + sqrt(1 - alphaBar) eps at timestep 50,
        // the empty label is the last.
        var alphaBar = VariancePreserving.AlphaBar(protocol.Sigma);
        var z = samples * Math.Sqrt(alphaBar) + GaussianNoise.DrawEach(samples.shape, 11) * Math.Sqrt(1 - alphaBar);
        dit.Network.call(z, torch.full(5, 50.0), torch.full(5, dit.Classes, dtype: torch.int64)).Dispose();
        var h = recorder.Last(protocol.Layer).flatten(1).to_type(torch.float64);
        var expected = (h.square().mean([1L]) - h.mean([1L]).square()).sqrt().data<double>().ToArray();
        for (var i = 0; i < 5; i++)
            Assert.Equal(expected[i], scores[i], 1e-5 * expected[i]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ASampleHangsOnItsSeedAloneAlsoWithFreshNoise(bool fresh)
    {
        using var scope = torch.NewDisposeScope();
        using var dit = DitDenoiser.NoisePrediction(DitGolden.Network());
        dit.eval();
        var protocol = PretrainedProtocol.Dit(dit.Network.Options);
        protocol = protocol with
        {
            Levels = [.. protocol.Levels.Where((_, i) => i % 10 == 0)],
            Sampler = fresh ? new DdpmSampler() : new DdimSampler(),
        };
        IDenoiser Condition(IReadOnlyList<GeneratedImage> images) =>
            dit.WithLabels([.. images.Select(image => image.Class!.Value)], protocol.Guidance);
        GeneratedImage[] plan = [.. Enumerable.Range(0, 4).Select(i => Image(100 + i) with { Class = i })];
        var together = protocol.Draw(plan, Condition);
        Assert.Equal([4, 4, 8, 8], together.shape);
        for (var i = 0; i < 4; i++)
        {
            var difference = DitGolden.Difference(protocol.Draw([plan[i]], Condition), together[i..(i + 1)]);
            Assert.True(difference < 1e-3, $"{difference}");
        }
        Assert.False(torch.allclose(protocol.Draw([plan[0] with { Seed = 5 }], Condition), together[..1], 0.01, 0.01));
        Assert.False(torch.allclose(protocol.Draw([plan[0] with { Class = 9 }], Condition), together[..1], 0.01, 0.01));
        Assert.StartsWith(
            "images must hold at least one image",
            Assert.Throws<ArgumentException>(() => protocol.Draw([], Condition)).Message
        );
    }

    [Fact]
    public void TheSamplerIsDdimInItsOwnNotationFromAStandardNormalStart()
    {
        using var scope = torch.NewDisposeScope();
        var protocol = PretrainedProtocol.StableDiffusion;
        // eps(z) = c z: any network will do; DDIM by equation 12 of Song et al. in z and alphaBar, over the published
        // timesteps 981, 961 … 1 and alphaBar_0 at the end.
        var model = new DetectorLab.Answers([4], y => y * 0.7);
        var z = SamplerExtensions.Starts([4], 1, 1, 42).to_type(torch.float64);
        var times = Enumerable.Range(0, 50).Select(i => 981 - 20 * i).ToList();
        double AlphaBar(int t) => VariancePreserving.AlphaBar(new ScaledLinearSchedule().Sigma(t));
        for (var i = 0; i < 50; i++)
        {
            var (now, next) = (AlphaBar(times[i]), AlphaBar(i < 49 ? times[i + 1] : 0));
            var clean = z / Math.Sqrt(now) * 0.7;
            var noise = (z - Math.Sqrt(now) * clean) / Math.Sqrt(1 - now);
            z = Math.Sqrt(next) * clean + Math.Sqrt(1 - next) * noise;
        }
        Assert.True(
            (protocol.Draw([Image(42)], _ => model).to_type(torch.float64) / z - 1).abs().max().item<double>() < 1e-4
        );
        Assert.Equal(51, protocol.Levels.Count);
    }
}
