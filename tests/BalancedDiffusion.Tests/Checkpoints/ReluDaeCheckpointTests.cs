using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class ReluDaeCheckpointTests
{
    private static string Refusal(params KeyValuePair<string, torch.Tensor>[] tensors)
    {
        using var folder = new TemporaryFolder();
        Safetensors.Write(folder.File("x.safetensors"), tensors);
        return Assert.Throws<InvalidDataException>(() => ReluDaeCheckpoint.Load(folder.File("x.safetensors"))).Message;
    }

    [Theory]
    [InlineData(true, torch.ScalarType.Float32)]
    [InlineData(false, torch.ScalarType.Float32)]
    [InlineData(true, torch.ScalarType.Float64)]
    [InlineData(false, torch.ScalarType.Float64)]
    public void AModelComesBackAsItWasWithItsProvenance(bool tied, torch.ScalarType type)
    {
        using var folder = new TemporaryFolder();
        using var model = new ReluDae(7, 5, seed: 3, tied, type);
        ReluDaeCheckpoint.Save(
            model,
            folder.File("m"),
            new Dictionary<string, string> { ["data"] = "faces", ["seed"] = "3" }
        );
        ReluDae back;
        using (torch.NewDisposeScope())
            back = ReluDaeCheckpoint.Load(folder.File("m"));
        Assert.Equal(tied, back.IsTied);
        Assert.True(back.Encoder.eq(model.Encoder).all().item<bool>());
        Assert.True(back.Decoder.eq(model.Decoder).all().item<bool>());
        Assert.Equal(type, back.Encoder.dtype);
        Assert.True(back.Encoder.requires_grad);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["data"] = "faces",
                ["seed"] = "3",
                ["tied"] = tied ? "true" : "false",
            },
            ReluDaeCheckpoint.Provenance(folder.File("m"))
        );
        back.Dispose();
    }

    [Fact]
    public void AnUntiedModelWhoseHalvesAgreeStaysUntied()
    {
        using var folder = new TemporaryFolder();
        using var weights = torch.ones(2, 3);
        using var model = new ReluDae(weights.clone(), weights.clone());
        ReluDaeCheckpoint.Save(model, folder.File("m"));
        using var back = ReluDaeCheckpoint.Load(folder.File("m"));
        Assert.False(back.IsTied);
    }

    [Fact]
    public void EveryFaultIsListedInOneMessage()
    {
        using var scope = torch.NewDisposeScope();
        var message = Refusal(
            new("encoder.0.weight", torch.ones(3)),
            new("skip", torch.ones(1)),
            new("time_mlp.0.weight", torch.ones(1))
        );
        Assert.Contains("missing 'decoder.0.weight'", message);
        Assert.Contains("unexpected 'skip', 'time_mlp.0.weight'", message);
        Assert.Contains("'encoder.0.weight' must be a matrix, was (3)", message);
        Assert.Contains(
            "must have shape (3, 2) to fit the encoder of shape (2, 3), was (2, 3)",
            Refusal(new("encoder.0.weight", torch.ones(2, 3)), new("decoder.0.weight", torch.ones(2, 3)))
        );
        Assert.Contains(
            "floating-point",
            Refusal(new("encoder.0.weight", torch.ones([2, 3], torch.int64)), new("decoder.0.weight", torch.ones(3, 2)))
        );
        Assert.Contains(
            "NaN",
            Refusal(new("encoder.0.weight", torch.ones(2, 3)), new("decoder.0.weight", torch.full([3, 2], float.NaN)))
        );
    }

    [Fact]
    public void AFalseClaimAboutTyingIsRefused()
    {
        using var folder = new TemporaryFolder();
        using var encoder = torch.ones(2, 3);
        using var decoder = torch.zeros(3, 2);
        Safetensors.Write(
            folder.File("x"),
            [new("encoder.0.weight", encoder), new("decoder.0.weight", decoder)],
            new Dictionary<string, string> { ["tied"] = "true" }
        );
        Assert.Contains(
            "not the encoder's transpose",
            Assert.Throws<InvalidDataException>(() => ReluDaeCheckpoint.Load(folder.File("x"))).Message
        );
        using var model = new ReluDae(3, 2, 1);
        Assert.Contains(
            "leave that key out",
            Assert
                .Throws<ArgumentException>(() =>
                    ReluDaeCheckpoint.Save(
                        model,
                        folder.File("y"),
                        new Dictionary<string, string> { ["tied"] = "false" }
                    )
                )
                .Message
        );
    }

    [Fact]
    public void TheAuthorsCheckpointsLoadAsTiedModels()
    {
        foreach (var path in new[] { SharedData.Memorizing, SharedData.Generalizing })
        {
            using var model = ReluDaeCheckpoint.Load(path);
            Assert.True(model.IsTied);
            Assert.Equal((1024L, 100L), (model.Dimension, model.Units));
            Assert.Empty(ReluDaeCheckpoint.Provenance(path));
        }
    }
}
