using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Tests.Checkpoints;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;
using File = System.IO.File;

namespace BalancedDiffusion.Tests.Protocols;

public sealed class StableDiffusionCheckpointTests : IDisposable
{
    private const string UNetFile = "unet/diffusion_pytorch_model.safetensors",
        VaeFile = "vae/diffusion_pytorch_model.safetensors",
        TextFile = "text_encoder/model.safetensors";
    private readonly StableDiffusionFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static void GivesTheReferencesAnswers(StableDiffusionV1 model, ClipTextEncoder textEncoder)
    {
        using var noGrad = torch.no_grad();
        using var unet = Safetensors.Read(Networks.UNetFixtures.File("sd-unet-nano-io.safetensors"));
        using var vae = Safetensors.Read(Networks.UNetFixtures.File("sd-vae-nano-io.safetensors"));
        Close(
            "unet",
            model.Network.call(unet["sample"], unet["timestep"], unet["encoder_hidden_states"]),
            unet["output"],
            Tolerance
        );
        using var distribution = model.Autoencoder.Encode(vae["image"]);
        Close("mean", distribution.Mean, vae["mean"], Tolerance);
        Close("decoded", model.Autoencoder.Decode(vae["mean"]), vae["decoded"], Tolerance);
        var tokens = model.Tokenizer.Encode("a photo of an astronaut riding a horse on mars");
        Assert.True(model.TextEncoder.call(tokens).equal(textEncoder.call(tokens)).all().item<bool>());
    }

    [Fact]
    public void AFolderBecomesAModelWhosePlanIsToldFirst()
    {
        using var scope = torch.NewDisposeScope();
        var said = new List<string>();
        using var model = StableDiffusionCheckpoint.Load(folder.Root, say: said.Add);
        GivesTheReferencesAnswers(model, folder.TextEncoder);
        Assert.Equal(new LatentSchedule(), model.Schedule);
        Assert.StartsWith(
            "needs 0.0 GB (unet 0.0 GB, vae 0.0 GB, text_encoder 0.0 GB, computing 0.0 GB), ",
            Assert.Single(said)
        );
        Assert.All(
            [model.Network, model.Autoencoder, (torch.nn.Module)model.TextEncoder],
            network => Assert.False(network.training)
        );
        Assert.All(model.Network.parameters(), weight => Assert.False(weight.requires_grad));
        var images = model.Images(model.Sample(["a photo"], steps: 2, seed: 1));
        Assert.Equal([1, 3, 32, 32], images.shape);
        Assert.True(torch.isfinite(images).all().item<bool>());
    }

    [Fact]
    public void ShardsNewerNamesAndAnOlderTextEncoderGiveTheSameModel()
    {
        using var scope = torch.NewDisposeScope();
        folder.ShardUNet();
        Assert.Equal(3, Directory.GetFiles(folder.At("unet"), "*.safetensors").Length);
        var renamed = 0;
        string Newer(string name)
        {
            var newer = name.Replace(".query.", ".to_q.")
                .Replace(".key.", ".to_k.")
                .Replace(".value.", ".to_v.")
                .Replace(".proj_attn.", ".to_out.0.");
            renamed += newer == name ? 0 : 1;
            return newer;
        }
        folder.Rewrite(VaeFile, (name, tensor) => (Newer(name), tensor));
        Assert.Equal(16, renamed);
        folder.Put(
            TextFile,
            [
                .. folder.TextEncoder.state_dict(),
                KeyValuePair.Create(
                    "text_model.embeddings.position_ids",
                    torch.arange(77, dtype: torch.int64).unsqueeze(0)
                ),
            ]
        );
        using var model = StableDiffusionCheckpoint.Load(folder.Root);
        GivesTheReferencesAnswers(model, folder.TextEncoder);
    }

    [Fact]
    public void FilesOfHalfPrecisionAreTakenForNetworksOfHalfPrecisionOnly()
    {
        using var scope = torch.NewDisposeScope();
        folder.Rewrite(UNetFile, (name, tensor) => (name, tensor.to_type(torch.float16)));
        File.Move(folder.At(UNetFile), folder.At("unet/diffusion_pytorch_model.fp16.safetensors"));
        using (var tensors = Safetensors.Read(Networks.UNetFixtures.File("sd-unet-nano.safetensors")))
            folder.Put(UNetFile, tensors.Select(t => KeyValuePair.Create(t.Key, t.Value * 2)).ToList());
        torch.Tensor Weight(StableDiffusionV1 model) => model.Network.state_dict()["conv_in.weight"];
        using var half = StableDiffusionCheckpoint.Load(folder.Root, torch.float16);
        using var full = StableDiffusionCheckpoint.Load(folder.Root);
        Assert.Equal(
            (torch.float16, torch.float16, torch.float16, torch.float32),
            (half.Network.Type, half.Autoencoder.Type, half.TextEncoder.Type, full.Network.Type)
        );
        Assert.True(Difference(Weight(half).to_type(torch.float32) * 2, Weight(full)) < 1e-3);
    }

    [Theory]
    [InlineData(
        "unet/config.json",
        "cross_attention_dim",
        "1024",
        "the folder 'sd' holds Stable Diffusion of version 2 (a text width of 1024), and only version 1 is read here"
    )]
    [InlineData(
        "scheduler/scheduler_config.json",
        "prediction_type",
        "\"v_prediction\"",
        "the folder 'sd' holds Stable Diffusion of version 2 (prediction_type 'v_prediction')"
    )]
    [InlineData(
        "text_encoder/config.json",
        "hidden_size",
        "8",
        "the text encoder of 'sd' has width 8 and the U-Net reads width 6; take both from one model"
    )]
    [InlineData(
        "text_encoder/config.json",
        "vocab_size",
        "100",
        "the parts of 'sd' do not belong together: the tokenizer gives 49408 tokens, 77 a text, but the text "
            + "encoder knows 100, 77 a text"
    )]
    [InlineData(
        "text_encoder/config.json",
        "intermediate_size",
        "24",
        "'text_model.encoder.layers.0.mlp.fc1.weight' must have shape (24, 6), was (12, 6)"
    )]
    [InlineData(
        "unet/config.json",
        "layers_per_block",
        "2",
        "the part 'unet' of 'sd' cannot be read: the weights in 'diffusion_pytorch_model.safetensors' do not "
            + "fit the network: missing "
    )]
    [InlineData(
        "unet/config.json",
        "act_fn",
        "\"gelu\"",
        "the config does not describe the U-Net of a Stable Diffusion v1: 'act_fn' must be \"silu\" here"
    )]
    [InlineData(
        "vae/config.json",
        "latent_channels",
        "9",
        "the U-Net of 'sd' takes 4 channels and the autoencoder makes 9"
    )]
    public void AConfigThatDoesNotFitIsToldInOneSentence(string file, string key, string json, string words)
    {
        folder.Set(file, key, json);
        Refused(words);
    }

    [Theory]
    [InlineData("model_index.json", "the folder 'sd' lacks model_index.json; it was not copied or fetched whole")]
    [InlineData(
        "tokenizer/vocab.json",
        "the folder 'sd' lacks tokenizer/vocab.json; it was not copied or fetched whole"
    )]
    [InlineData(
        "tokenizer/merges.txt",
        "the folder 'sd' lacks tokenizer/merges.txt; it was not copied or fetched whole"
    )]
    [InlineData(UNetFile, "the part 'unet' of 'sd' has no weights that are read here")]
    public void AMissingFileIsNamed(string file, string words)
    {
        File.Delete(folder.At(file));
        Refused(words);
    }

    [Fact]
    public void ATruncatedOrMissingShardIsNamed()
    {
        folder.ShardUNet();
        var shard = folder.At("unet/diffusion_pytorch_model-00002-of-00003.safetensors");
        var bytes = File.ReadAllBytes(shard);
        File.WriteAllBytes(shard, bytes[..^100]);
        Refused(
            "the part 'unet' of 'sd' cannot be read: the file 'diffusion_pytorch_model-00002-of-00003.safetensors'"
        );
        File.WriteAllBytes(shard, bytes[..100]);
        Refused("'diffusion_pytorch_model-00002-of-00003.safetensors'");
        File.Delete(shard);
        Refused(
            "names 'diffusion_pytorch_model-00002-of-00003.safetensors', which is not beside it; fetch the "
                + "missing files"
        );
    }

    [Fact]
    public void NumbersThatAreNotFiniteATextEncoderOfAnotherWidthAndForeignTokenizersAreTold()
    {
        Refused("type must be Float16, BFloat16, Float32 or Float64, was Int64", torch.int64);
        folder.Rewrite(VaeFile, (name, tensor) => (name, name == "quant_conv.bias" ? tensor / 0 : tensor));
        Refused(
            "the part 'vae' of 'sd' cannot be read: the weights in 'diffusion_pytorch_model.safetensors' "
                + "hold NaN, infinity or numbers too large for the network's type in 'quant_conv.bias'"
        );
        using (var scope = torch.NewDisposeScope())
        {
            using var wide = new ClipTextEncoder(NanoText with { Width = 8 }, 1);
            folder.Put(TextFile, wide.state_dict());
        }
        Refused(
            "the part 'text_encoder' of 'sd' cannot be read: the weights in 'model.safetensors' do not fit "
                + "the network: 'text_model.embeddings.token_embedding.weight' must have shape (49408, 6), was "
                + "(49408, 8)"
        );
        folder.Write("tokenizer/merges.txt", "qqq zzz\n");
        Refused("the merges 'merges.txt' do not go with the vocabulary 'vocab.json'");
        folder.Write("tokenizer/vocab.json", "[]");
        Refused("the vocabulary is not that of a CLIP tokenizer");
        folder.Write("unet/config.json", "{\"in_channels\"");
        Refused("the config 'unet/config.json' is not valid JSON");
    }

    private void Refused(string words, torch.ScalarType? type = null)
    {
        using var scope = torch.NewDisposeScope();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        var message = Assert.ThrowsAny<Exception>(() => StableDiffusionCheckpoint.Load(folder.Root, type)).Message;
        Assert.Contains(words, message);
        Assert.DoesNotContain('\n', message);
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
