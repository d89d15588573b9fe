using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Sampling;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Protocols;

public class StableDiffusionV1Tests
{
    private static StableDiffusionV1 Model() =>
        new(
            Tokenizer(),
            Stirred(new ClipTextEncoder(NanoText, 1)),
            Nano(),
            Stirred(new LatentAutoencoder(NanoAutoencoder, 1))
        );

    [Fact]
    public void AConditionIsWhatTheEncoderMakesOfTheTokens()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        var condition = model.Condition("a photo of an astronaut riding a horse on mars", "");
        Assert.Equal([2, 77, 6], condition.shape);
        Assert.True(Difference(condition.narrow(0, 1, 1), model.TextEncoder.call(model.Tokenizer.Encode(""))) < 1e-6);
        Assert.False(condition.requires_grad);
        Assert.True(Difference(condition.narrow(0, 0, 1), condition.narrow(0, 1, 1)) > 1e-2);
    }

    [Fact]
    public void SamplesAreDdimUnderGuidanceFromStartsOfUnitVariance()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        string[] prompts = ["a photo", "a horse"];
        var latents = model.Sample(prompts, steps: 4, seed: 3, guidance: 2);
        Assert.Equal([2, 4, 4, 4], latents.shape);
        var levels = model.Schedule.Levels(4);
        var guided = new GuidedDenoiser(
            new LatentDenoiser(model.Network, model.Condition(prompts)),
            new LatentDenoiser(model.Network, model.Condition("")),
            2
        );
        var z = SamplerExtensions.Starts(guided.SampleShape, 2, 1, 3);
        var sampled = new DdimSampler().Sample(guided, VariancePreserving.ToExploding(z, levels[0]), levels);
        Assert.True(Difference(latents, VariancePreserving.FromExploding(sampled, levels[^1])) < 1e-5);
        // A sample depends on its own text, seed and number only.
        Assert.True(
            Difference(
                model.Sample(["a horse"], 4, 3, 2, options: new SamplingOptions { FirstIndex = 1, Seed = 99 }),
                latents.narrow(0, 1, 1)
            ) < 1e-4
        );
        Assert.True(Difference(model.Sample(prompts, 4, 4, 2), latents) > 1e-2);
        Assert.True(Difference(model.Sample(prompts, 4, 3, 2, without: "mars"), latents) > 1e-4);
        Assert.True(Difference(model.Sample(prompts, 4, 3, 2, sampler: new DpmSolverSampler()), latents) > 1e-4);
    }

    [Fact]
    public void GuidanceOfOneIsTheTextAlone()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        var noisy = Normal(3, 2, 4, 4, 4);
        var runs = 0;
        using var hook = new Counter(model.Network, () => runs++);
        var alone = model.Denoiser(["a photo"], guidance: 1).DenoiseAt(noisy, 0.5);
        Assert.Equal(1, runs);
        Assert.True(
            alone
                .eq(new LatentDenoiser(model.Network, model.Condition("a photo")).DenoiseAt(noisy, 0.5))
                .all()
                .item<bool>()
        );
        model.Denoiser(["a photo"]).DenoiseAt(noisy, 0.5).Dispose();
        Assert.Equal(4, runs);
    }

    [Fact]
    public void LatentsAreScaledAndImagesClipped()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        var image = Normal(5, 2, 3, 8, 8).clamp(-1, 1);
        var latents = model.Latents(image);
        using var distribution = model.Autoencoder.Encode(image);
        Assert.True(Difference(latents, distribution.Mean * 0.18215) < 1e-6);
        var images = model.Images(latents.to_type(torch.float64));
        Assert.Equal((torch.float32, true), (images.dtype, images.abs().max().item<float>() <= 1));
        Assert.True(Difference(images, model.Autoencoder.Decode(distribution.Mean).clamp(-1, 1)) < 1e-5);
        Assert.Equal([2, 3, 8, 8], images.shape);
    }

    [Fact]
    public void ManyImagesAreThoseOfEach()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        var size = model.Denoiser([""], 1).SampleShape;
        var latents = GaussianNoise.Draw([40, .. size], 3);
        var images = model.Images(latents);
        Assert.True(torch.allclose(images[39], model.Images(latents.narrow(0, 39, 1))[0], 1e-4, 1e-5));
        var back = model.Latents(images);
        Assert.True(torch.allclose(back[39], model.Latents(images.narrow(0, 39, 1))[0], 1e-4, 1e-4));
    }

    [Fact]
    public void NothingLeaks()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        model.Images(model.Sample(["a photo"], 2)).Dispose();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 3; i++)
        {
            using var latents = model.Sample(["a photo"], 2, i);
            using var images = model.Images(latents);
            model.Latents(images).Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void PartsOfDifferentModelsAreRefusedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model();
        var (tokenizer, text, network, autoencoder) = (
            model.Tokenizer,
            model.TextEncoder,
            model.Network,
            model.Autoencoder
        );
        Refused(
            "the text encoder gives vectors of width 8, but the U-Net takes 6; take both from one model",
            () =>
                new StableDiffusionV1(
                    tokenizer,
                    new ClipTextEncoder(NanoText with { Width = 8 }, 1),
                    network,
                    autoencoder
                )
        );
        Refused(
            "the tokenizer gives 49408 tokens, 77 a text, but the text encoder knows 100, 77 a text",
            () =>
                new StableDiffusionV1(
                    tokenizer,
                    new ClipTextEncoder(NanoText with { Vocabulary = 100 }, 1),
                    network,
                    autoencoder
                )
        );
        Refused(
            "but the text encoder knows 49408, 76 a text",
            () =>
                new StableDiffusionV1(
                    tokenizer,
                    new ClipTextEncoder(NanoText with { Positions = 76 }, 1),
                    network,
                    autoencoder
                )
        );
        Refused(
            "the autoencoder's latents have 3 channels, but the U-Net takes 4 and gives 4",
            () =>
                new StableDiffusionV1(
                    tokenizer,
                    text,
                    network,
                    new LatentAutoencoder(NanoAutoencoder with { LatentChannels = 3 }, 1)
                )
        );
        Refused(
            "but the U-Net takes 9 and gives 4; take both from one model that makes images of texts alone",
            () =>
                new StableDiffusionV1(
                    tokenizer,
                    text,
                    new ConditionalUNet(NanoUNet with { InChannels = 9 }, 1),
                    autoencoder
                )
        );
        Refused("texts must hold at least one text", () => model.Condition());
        Refused("weight must be finite, was NaN", () => model.Denoiser(["a photo"], double.NaN));
        Refused("steps must be at least 1, was 0", () => model.Sample(["a photo"], 0));
    }

    private sealed class Counter : IDisposable
    {
        private readonly Action remove;

        public Counter(torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor> module, Action count) =>
            remove = module
                .register_forward_hook(
                    (_, _, _, _, output) =>
                    {
                        count();
                        return output;
                    }
                )
                .remove;

        public void Dispose() => remove();
    }
}
