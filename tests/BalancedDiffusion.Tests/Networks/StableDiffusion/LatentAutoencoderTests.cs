using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Representations;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class LatentAutoencoderTests
{
    private static readonly (string Newer, string Older)[] Names =
    [
        (".to_q.", ".query."),
        (".to_k.", ".key."),
        (".to_v.", ".value."),
        (".to_out.0.", ".proj_attn."),
    ];

    [Fact]
    public void LatentsAndImagesAreThoseOfTheReference() =>
        MeetsTheReference(Shared("sd-vae-tiny"), Shared("sd-vae-tiny-io"), torch.float32, Tolerance);

    [Fact]
    public void LatentsAndImagesOfANanoNetworkAreThoseOfAPlainComputation() =>
        MeetsTheReference(
            File("sd-vae-nano.safetensors"),
            File("sd-vae-nano-io.safetensors"),
            torch.float64,
            FineTolerance
        );

    private static void MeetsTheReference(string weights, string answers, torch.ScalarType type, double tolerance)
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = Safetensors.Read(weights);
        using var io = Safetensors.Read(answers);
        using var model = new LatentAutoencoder(LatentAutoencoderOptions.FromMetadata(tensors.Metadata), tensors, type);
        using var distribution = model.Encode(io["image"].to_type(type));
        Close("mean", distribution.Mean, io["mean"], tolerance);
        Close("logvar", distribution.LogVariance, io["logvar"], tolerance);
        Close("decoded", model.Decode(io["mean"].to_type(type)), io["decoded"], tolerance);
        Assert.Equal(tensors.Count, model.state_dict().Count);
    }

    [Fact]
    public void OlderAndNewerNamesAreOneNetwork()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Stirred(new LatentAutoencoder(NanoAutoencoder, 1));
        var newer = model.state_dict().ToDictionary(t => t.Key, t => t.Value);
        var older = newer.ToDictionary(
            t => Names.Aggregate(t.Key, (name, words) => name.Replace(words.Newer, words.Older)),
            t => t.Value
        );
        Assert.Equal(16, older.Keys.Except(newer.Keys).Count());
        using var again = new LatentAutoencoder(NanoAutoencoder, older);
        var latents = Normal(2, 1, 4, 3, 3);
        Assert.True(again.Decode(latents).eq(model.Decode(latents)).all().item<bool>());
        older.Add("decoder.mid_block.attentions.0.to_q.weight", older["decoder.mid_block.attentions.0.query.weight"]);
        Assert.Contains(
            "'decoder.mid_block.attentions.0.to_q.weight' comes twice",
            Assert.Throws<InvalidDataException>(() => new LatentAutoencoder(NanoAutoencoder, older)).Message
        );
        newer.Remove("decoder.mid_block.attentions.0.to_out.0.bias");
        newer.Add("decoder.extra", newer["quant_conv.bias"]);
        newer["quant_conv.bias"] = torch.zeros(7);
        Assert.Equal(
            "the tensors are not those of a Stable Diffusion autoencoder of these sizes: missing "
                + "'decoder.mid_block.attentions.0.to_out.0.bias'; unexpected 'decoder.extra'; 'quant_conv.bias' "
                + "must have shape (8), was (7)",
            Assert.Throws<InvalidDataException>(() => new LatentAutoencoder(NanoAutoencoder, newer)).Message
        );
    }

    [Fact]
    public void TheCountIsThePublishedOne() => Assert.Equal(83_653_863, new LatentAutoencoderOptions().ParameterCount);

    [Fact]
    public void HooksSeeWhatIsRecomputedFromTheirNeighbours()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(new LatentAutoencoder(NanoAutoencoder, 1));
        var state = model.state_dict();
        const string attention = "encoder.mid_block.attentions.0";
        using var recorder = new ActivationRecorder(
            model,
            [
                "encoder.down_blocks.0.resnets.0",
                "encoder.down_blocks.0.downsamplers.0",
                "encoder.mid_block.resnets.0",
                attention,
                "encoder",
                "decoder.up_blocks.0.resnets.1",
                "decoder.up_blocks.0.upsamplers.0",
            ]
        );
        using var distribution = model.Encode(Normal(2, 2, 3, 8, 6));
        model.Decode(distribution.Mean).Dispose();
        torch.Tensor Convolved(torch.Tensor x, string name, long stride, long padding) =>
            torch.nn.functional.conv2d(
                x,
                state[$"{name}.weight"],
                state[$"{name}.bias"],
                strides: [stride, stride],
                padding: [padding, padding]
            );
        var padded = torch.zeros(2, 8, 9, 7);
        padded.narrow(2, 0, 8).narrow(3, 0, 6).copy_(recorder.Last("encoder.down_blocks.0.resnets.0"));
        Assert.True(
            Difference(
                recorder.Last("encoder.down_blocks.0.downsamplers.0"),
                Convolved(padded, "encoder.down_blocks.0.downsamplers.0.conv", 2, 0)
            ) < 1e-5
        );
        var x = recorder.Last("encoder.mid_block.resnets.0");
        var tokens = torch
            .nn.functional.group_norm(
                x,
                4,
                state[$"{attention}.group_norm.weight"],
                state[$"{attention}.group_norm.bias"],
                1e-6
            )
            .reshape(2, 16, 12)
            .transpose(1, 2);
        torch.Tensor Linear(torch.Tensor t, string name) =>
            torch.matmul(t, state[$"{attention}.{name}.weight"].t()) + state[$"{attention}.{name}.bias"];
        var scores = torch.softmax(
            torch.matmul(Linear(tokens, "to_q"), Linear(tokens, "to_k").transpose(1, 2)) / 4,
            -1
        );
        Assert.True(
            Difference(
                recorder.Last(attention),
                x
                    + Linear(torch.matmul(scores, Linear(tokens, "to_v")), "to_out.0")
                        .transpose(1, 2)
                        .reshape(2, 16, 4, 3)
            ) < 1e-5
        );
        var moments = Convolved(recorder.Last("encoder"), "quant_conv", 1, 0);
        Assert.True(Difference(distribution.Mean, moments.narrow(1, 0, 4)) < 1e-6);
        var doubled = recorder.Last("decoder.up_blocks.0.resnets.1").repeat_interleave(2, 2).repeat_interleave(2, 3);
        Assert.True(
            Difference(
                recorder.Last("decoder.up_blocks.0.upsamplers.0"),
                Convolved(doubled, "decoder.up_blocks.0.upsamplers.0.conv", 1, 1)
            ) < 1e-5
        );
    }

    [Fact]
    public void SamplesHaveTheMeanAndStandardDeviationOfTheDistribution()
    {
        using var scope = torch.NewDisposeScope();
        var variances = torch.tensor([-4f, 0, 2]).reshape(1, 3, 1, 1).expand(1, 3, 100, 100).contiguous();
        using var distribution = new DiagonalGaussian(torch.full([1, 3, 100, 100], 2f), variances);
        var drawn = distribution.Draw(1).reshape(3, -1);
        for (var i = 0; i < 3; i++)
        {
            var deviation = Math.Exp(variances[0, i, 0, 0].item<float>() / 2);
            Assert.Equal(2, drawn[i].mean().item<float>(), 5 * deviation / 100);
            Assert.InRange(drawn[i].std().item<float>() / deviation, 0.96, 1.04); // 5 errors of 1/sqrt(2 · 10,000)
        }
        Assert.True(distribution.Draw(1).eq(distribution.Draw(1)).all().item<bool>());
        Assert.False(distribution.Draw(1).eq(distribution.Draw(2)).any().item<bool>());
    }

    [Fact]
    public void NothingLeaks()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new LatentAutoencoder(NanoAutoencoder, 1);
        var image = Normal(2, 1, 3, 8, 8);
        model.Encode(image).Dispose();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 10; i++)
        {
            using var distribution = model.Encode(image);
            model.Decode(distribution.Mean).Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void ConfigsAreReadAndOthersRefused()
    {
        const string published = """
            { "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
              "down_block_types":
                ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
              "in_channels": 3, "latent_channels": 4, "layers_per_block": 2, "out_channels": 3, "sample_size": 512,
              "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"] }
            """;
        Assert.Equal(new LatentAutoencoderOptions(), LatentAutoencoderOptions.FromConfig(published));
        Assert.Equal(8, new LatentAutoencoderOptions().Reduction);
        var other = NanoAutoencoder with { ScalingFactor = 0.5 };
        Assert.Equal(other, LatentAutoencoderOptions.FromConfig(other.ToConfig()));
        void Refused(string from, string to, string words)
        {
            Assert.Contains(from, published);
            Assert.Contains(
                words,
                Assert
                    .Throws<InvalidDataException>(() =>
                        LatentAutoencoderOptions.FromConfig(published.Replace(from, to))
                    )
                    .Message
            );
        }
        Refused("\"latent_channels\": 4,", "", "missing 'latent_channels'");
        Refused("\"out_channels\": 3", "\"out_channels\": 4", "'out_channels' must be 3 here, was 4");
        Refused(
            "[128, 256, 512, 512]",
            "[128, 256, 512]",
            "'down_block_types' must name DownEncoderBlock2D once for each level"
        );
        Refused(
            "[128, 256, 512, 512]",
            "[128, 256, 500, 512]",
            "BlockChannels must be multiples of Groups = 32, was 500"
        );
        Refused("\"act_fn\": \"silu\"", "\"use_quant_conv\": false", "'use_quant_conv' must be true here, was false");
        Refused("\"sample_size\": 512", "\"scaling_factor\": 0", "ScalingFactor must be positive and finite, was 0");
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new LatentAutoencoder(NanoAutoencoder, 1);
        Refused(
            "images must have shape (any, 3, any, any), was (1, 1, 8, 8)",
            () => model.Encode(torch.zeros(1, 1, 8, 8))
        );
        Refused(
            "images must have a height and width divisible by 2, were 8 by 7",
            () => model.Encode(torch.zeros(1, 3, 8, 7))
        );
        Refused(
            "images must be Float32 like the network's weights, were Float64",
            () => model.Encode(torch.zeros([1, 3, 8, 8], dtype: torch.float64))
        );
        Refused(
            "images lie on meta, the network on cpu",
            () => model.Encode(torch.zeros([1, 3, 8, 8], device: torch.META))
        );
        Refused(
            "latents must have shape (any, 4, any, any), was (1, 3, 8, 8)",
            () => model.Decode(torch.zeros(1, 3, 8, 8))
        );
        Refused("latents must have at least one place, were 0 by 8", () => model.Decode(torch.zeros(1, 4, 0, 8)));
        Refused(
            "BlockChannels must be multiples of Groups = 5, was 8",
            () => new LatentAutoencoder(NanoAutoencoder with { Groups = 5 }, 1)
        );
    }
}
