using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Tests.Networks;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class DitCheckpointTests
{
    private static readonly DitOptions Little = DitFixtures.Little;

    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void ANetworkComesBackWithTheSameOutputsAndActivations(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var folder = new TemporaryFolder();
        using var model = new Dit(Little, 1, type);
        foreach (var parameter in model.parameters())
            parameter.add_(GaussianNoise.Draw(parameter.shape, 1, type), 0.2);
        DitCheckpoint.Save(model, folder.File("m"), new Dictionary<string, string> { ["data"] = "faces" });
        using var back = DitCheckpoint.Load(folder.File("m"));
        Assert.Equal((Little, type), (back.Options, back.Type));
        Assert.Equal("faces", DitCheckpoint.Provenance(folder.File("m"))["data"]);
        Assert.All(back.parameters(), p => Assert.True(p.requires_grad));
        var (x, t, y) = (
            GaussianNoise.Draw([3, 2, 4, 4], 2, type),
            torch.tensor([1.0, 20, 500]),
            torch.tensor([0L, 1, 3])
        );
        using var one = new ActivationRecorder(model, _ => true);
        using var two = new ActivationRecorder(back, _ => true);
        Assert.True(model.call(x, t, y).eq(back.call(x, t, y)).all().item<bool>());
        Assert.True(one.Modules.Count > 20);
        Assert.All(one.Modules, name => Assert.True(one.Last(name).eq(two.Last(name)).all().item<bool>(), name));
    }

    [Fact]
    public void ALoadedNetworkIsTrainedOn()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = new Dit(Little with { LearnSigma = false }, 1);
        DitCheckpoint.Save(model, folder.File("m"));
        using var denoiser = DitDenoiser.Preconditioned(DitCheckpoint.Load(folder.File("m")));
        using var same = DitDenoiser.Preconditioned(model);
        var data = GaussianNoise.Draw([8, 2, 4, 4], 1);
        var options = new TrainingOptions { Steps = 3, BatchSize = 4 };
        using var one = Trainer.Fit(denoiser, data, options);
        using var two = Trainer.Fit(same, data, options);
        Assert.True(denoiser.Network.state_dict()["final_layer.linear.weight"].abs().max().item<float>() > 1e-4);
        Assert.All(
            same.state_dict(),
            t => Assert.True(t.Value.eq(denoiser.state_dict()[t.Key]).all().item<bool>(), t.Key)
        );
    }

    [Fact]
    public void TheReferencesFileSavedAgainIsTheSameFile()
    {
        using var folder = new TemporaryFolder();
        using var model = DitGolden.Network();
        DitCheckpoint.Save(model, folder.File("m"));
        using var expected = Safetensors.Read(DitGolden.File("dit-tiny.safetensors"));
        using var actual = Safetensors.Read(folder.File("m"));
        Assert.Equal(expected.Metadata["config"].Replace("4.0", "4"), actual.Metadata["config"]);
        Assert.Equal(expected.Keys.Order(StringComparer.Ordinal), actual.Keys.Order(StringComparer.Ordinal));
        Assert.All(expected, t => Assert.True(t.Value.eq(actual[t.Key]).all().item<bool>(), t.Key));
    }

    [Fact]
    public void EveryFaultIsListedInOneMessage()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = new Dit(Little, 1);
        var tensors = model.state_dict();
        tensors.Remove("blocks.1.attn.proj.bias");
        tensors["extra"] = torch.ones(1);
        tensors["x_embedder.proj.bias"] = torch.ones(9);
        tensors["t_embedder.mlp.0.bias"] = torch.full([8], float.NaN);
        tensors["t_embedder.mlp.2.bias"] = torch.ones([8], torch.int64);
        Safetensors.Write(folder.File("x.safetensors"), tensors, Little.ToMetadata());
        var message = Assert
            .Throws<InvalidDataException>(() => DitCheckpoint.Load(folder.File("x.safetensors")))
            .Message;
        Assert.Contains("'x.safetensors' does not hold a DiT of these sizes", message);
        Assert.Contains("missing 'blocks.1.attn.proj.bias'", message);
        Assert.Contains("unexpected 'extra'", message);
        Assert.Contains("'x_embedder.proj.bias' must have shape (8), was (9)", message);
        Assert.Contains("'t_embedder.mlp.0.bias' holds NaN", message);
        Assert.Contains("'t_embedder.mlp.2.bias' must hold floating-point numbers", message);
    }

    [Fact]
    public void SizesComeFromTheFileOrTheCallerAndMayNotContradict()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var model = new Dit(Little, 1);
        Safetensors.Write(folder.File("bare"), model.state_dict());
        Assert.Contains(
            "'bare' does not say the sizes",
            Assert.Throws<ArgumentException>(() => DitCheckpoint.Load(folder.File("bare"))).Message
        );
        using (var back = DitCheckpoint.Load(folder.File("bare"), Little))
            Assert.Equal(Little, back.Options);
        DitCheckpoint.Save(model, folder.File("full"));
        Assert.Contains(
            "has other sizes than the options",
            Assert
                .Throws<ArgumentException>(() => DitCheckpoint.Load(folder.File("full"), Little with { Heads = 4 }))
                .Message
        );
        Assert.Contains(
            "leave that key out",
            Assert
                .Throws<ArgumentException>(() =>
                    DitCheckpoint.Save(model, folder.File("y"), new Dictionary<string, string> { ["config"] = "other" })
                )
                .Message
        );
        Safetensors.Write(
            folder.File("wrong"),
            model.state_dict(),
            new Dictionary<string, string> { ["config"] = "{}" }
        );
        Assert.Contains(
            "'wrong' cannot be read: the metadata's 'config' does not describe a DiT",
            Assert.Throws<InvalidDataException>(() => DitCheckpoint.Load(folder.File("wrong"))).Message
        );
        Assert.Contains(
            "there is no checkpoint",
            Assert.Throws<FileNotFoundException>(() => DitCheckpoint.Load(folder.File("z"))).Message
        );
    }
}
