using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Tests.Networks.StableDiffusion;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public sealed class AutoencoderCheckpointTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private void Write(
        LatentAutoencoder network,
        Func<string, string>? rename = null,
        string file = "diffusion_pytorch_model.safetensors"
    )
    {
        File.WriteAllText(folder.File("config.json"), network.Options.ToConfig());
        Safetensors.Write(
            folder.File(file),
            [.. network.state_dict().Select(w => KeyValuePair.Create((rename ?? (n => n))(w.Key), w.Value))]
        );
    }

    [Theory]
    [InlineData(false, "diffusion_pytorch_model.safetensors")]
    [InlineData(true, "diffusion_pytorch_model.bin")]
    public void AFolderGivesTheNetworkBackAlsoUnderOlderNames(bool older, string file)
    {
        using var scope = torch.NewDisposeScope();
        using var network = StableDiffusionGolden.Stirred(
            new LatentAutoencoder(StableDiffusionGolden.NanoAutoencoder, 1)
        );
        Write(
            network,
            older
                ? n =>
                    n.Replace(".to_q.", ".query.")
                        .Replace(".to_k.", ".key.")
                        .Replace(".to_v.", ".value.")
                        .Replace(".to_out.0.", ".proj_attn.")
                : null,
            file
        );
        using var read = AutoencoderCheckpoint.Load(folder.Folder);
        Assert.False(read.training);
        Assert.Equal(network.Options, read.Options);
        var images = GaussianNoise.Draw([2, 3, 8, 8], 3).clamp_(-1, 1);
        var (mean, decoded) = (read.Encode(images).Mean, read.Decode(network.Encode(images).Mean));
        Assert.Equal(0, (mean - network.Encode(images).Mean).abs().max().item<float>());
        Assert.Equal(0, (decoded - network.Decode(network.Encode(images).Mean)).abs().max().item<float>());
    }

    [Fact]
    public void WhatLacksIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Contains(
            "has no config.json",
            Assert.Throws<FileNotFoundException>(() => AutoencoderCheckpoint.Load(folder.Folder)).Message
        );
        using var network = new LatentAutoencoder(StableDiffusionGolden.NanoAutoencoder, 1);
        Write(network, n => n == "quant_conv.bias" ? "quant_conv.offset" : n);
        var message = Assert.Throws<InvalidDataException>(() => AutoencoderCheckpoint.Load(folder.Folder)).Message;
        Assert.Contains("missing 'quant_conv.bias'", message);
        Assert.Contains("unexpected 'quant_conv.offset'", message);
        File.Delete(folder.File("diffusion_pytorch_model.safetensors"));
        Assert.Contains(
            "has neither diffusion_pytorch_model.safetensors nor diffusion_pytorch_model.bin",
            Assert.Throws<FileNotFoundException>(() => AutoencoderCheckpoint.Load(folder.Folder)).Message
        );
    }
}
