using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class ReluDiffusionCheckpointTests
{
    private static KeyValuePair<string, torch.Tensor>[] Good() =>
        [
            new("encoder.weight", torch.ones(4, 5)),
            new("skip", torch.zeros(1)),
            new("time_mlp.0.weight", torch.ones(3, 1)),
            new("time_mlp.0.bias", torch.ones(3)),
            new("time_mlp.2.weight", torch.ones(4, 3)),
            new("time_mlp.2.bias", torch.ones(4)),
        ];

    private static string Refusal(params KeyValuePair<string, torch.Tensor>[] tensors)
    {
        using var folder = new TemporaryFolder();
        Safetensors.Write(folder.File("x.safetensors"), tensors);
        return Assert
            .Throws<InvalidDataException>(() => ReluDiffusionCheckpoint.Load(folder.File("x.safetensors")))
            .Message;
    }

    private static string RefusalWith(string name, torch.Tensor instead) =>
        Refusal([.. Good().Select(t => t.Key == name ? new(name, instead) : t)]);

    [Theory]
    [InlineData(GainActivation.SiLU, torch.ScalarType.Float32)]
    [InlineData(GainActivation.ReLU, torch.ScalarType.Float64)]
    public void AModelComesBackAsItWasAndAnswersTheSame(GainActivation activation, torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var folder = new TemporaryFolder();
        using var model = new ReluDiffusion(7, 5, 3, 4, activation, type);
        foreach (var parameter in model.parameters())
            parameter.add_(GaussianNoise.Draw(parameter.shape, 1, type), 0.1);
        ReluDiffusionCheckpoint.Save(model, folder.File("m"), new Dictionary<string, string> { ["data"] = "faces" });
        using var back = ReluDiffusionCheckpoint.Load(
            folder.File("m"),
            activation == GainActivation.SiLU ? GainActivation.ReLU : GainActivation.SiLU
        );
        Assert.Equal((activation, type, 4), (back.Activation, back.Encoder.dtype, back.Width));
        var y = GaussianNoise.Draw([3, 7], 2, type);
        Assert.True(back.DenoiseAt(y, 0.3).eq(model.DenoiseAt(y, 0.3)).all().item<bool>());
        Assert.True(back.Encoder.requires_grad);
        Assert.Equal("faces", ReluDiffusionCheckpoint.Provenance(folder.File("m"))["data"]);
    }

    [Fact]
    public void AFileWithoutOurMetadataLoadsWithTheSkipAsAVectorAndTheActivationAsked()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        Safetensors.Write(folder.File("x"), Good());
        using var model = ReluDiffusionCheckpoint.Load(folder.File("x"), GainActivation.ReLU);
        Assert.Equal((5, 4, 3, GainActivation.ReLU), (model.Dimension, model.Units, model.Width, model.Activation));
    }

    [Fact]
    public void EveryFaultIsListedInOneMessage()
    {
        using var scope = torch.NewDisposeScope();
        var message = Refusal(
            new("encoder.weight", torch.ones(3)),
            new("skip", torch.ones([1], torch.ScalarType.Int64)),
            new("decoder.weight", torch.ones(1))
        );
        Assert.Contains(
            "missing 'time_mlp.0.weight', 'time_mlp.0.bias', 'time_mlp.2.weight', 'time_mlp.2.bias'",
            message
        );
        Assert.Contains("unexpected 'decoder.weight'", message);
        Assert.Contains("'skip' must hold floating-point numbers", message);
        Assert.Contains("'encoder.weight' must be a matrix, was (3)", RefusalWith("encoder.weight", torch.ones(3)));
        Assert.Contains("'skip' must be one number, was (2)", RefusalWith("skip", torch.ones(2)));
        Assert.Contains(
            "'time_mlp.2.weight' must have shape (4, 3), was (3, 4)",
            RefusalWith("time_mlp.2.weight", torch.ones(3, 4))
        );
        Assert.Contains(
            "'time_mlp.2.bias' must have shape (4), was (5)",
            RefusalWith("time_mlp.2.bias", torch.ones(5))
        );
        Assert.Contains("NaN", RefusalWith("time_mlp.2.bias", torch.full([4], float.NaN)));
    }

    [Fact]
    public void AnUnknownActivationAndAContradictionAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        Safetensors.Write(folder.File("x"), Good(), new Dictionary<string, string> { ["gain_activation"] = "GELU" });
        Assert.Contains(
            "must be SiLU or ReLU",
            Assert.Throws<InvalidDataException>(() => ReluDiffusionCheckpoint.Load(folder.File("x"))).Message
        );
        using var model = new ReluDiffusion(3, 2, 1, 2);
        Assert.Contains(
            "leave that key out",
            Assert
                .Throws<ArgumentException>(() =>
                    ReluDiffusionCheckpoint.Save(
                        model,
                        folder.File("y"),
                        new Dictionary<string, string> { ["gain_activation"] = "ReLU" }
                    )
                )
                .Message
        );
        Assert.False(File.Exists(folder.File("y")));
        Assert.Contains(
            "there is no checkpoint",
            Assert.Throws<FileNotFoundException>(() => ReluDiffusionCheckpoint.Load(folder.File("z"))).Message
        );
    }
}
