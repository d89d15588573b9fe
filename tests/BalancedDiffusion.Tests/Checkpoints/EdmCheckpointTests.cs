using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class EdmCheckpointTests
{
    private static readonly SongUNetOptions Every = UNetFixtures.Nano with
    {
        LabelDim = 3,
        LabelDropout = 0.1,
        AugmentDim = 9,
        Dropout = 0.2,
        Embedding = SongUNetEmbedding.Fourier,
        NoiseMultiplier = 2,
        Encoder = SongUNetEncoder.Residual,
        Decoder = SongUNetDecoder.Skip,
        ResampleFilter = [1, 3, 3, 1],
    };

    private static List<KeyValuePair<string, torch.Tensor>> Nano(string prefix = "model.")
    {
        using var model = new EdmPreconditioner(UNetFixtures.Nano, 4);
        return
        [
            .. model
                .state_dict()
                .Select(t => new KeyValuePair<string, torch.Tensor>(
                    prefix + t.Key["model.".Length..],
                    t.Value.detach().clone()
                )),
        ];
    }

    private static string Refusal(
        IEnumerable<KeyValuePair<string, torch.Tensor>> tensors,
        IReadOnlyDictionary<string, string>? metadata = null,
        SongUNetOptions? options = null
    )
    {
        using var folder = new TemporaryFolder();
        Safetensors.Write(folder.File("x.safetensors"), tensors, metadata);
        var message = Assert
            .Throws<InvalidDataException>(() => EdmCheckpoint.Load(folder.File("x.safetensors"), options))
            .Message;
        Assert.StartsWith("the checkpoint 'x.safetensors' does not hold an EDM network: ", message);
        return message;
    }

    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void ANetworkComesBackAsItWasWithTheSameAnswersAndActivations(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var folder = new TemporaryFolder();
        using var shaken = UNetFixtures.Shaken(Every, 3, type);
        using var model = new EdmPreconditioner(Every, 3, sigmaData: 0.37, dtype: type);
        model.load_state_dict(shaken.state_dict());
        EdmCheckpoint.Save(model, folder.File("m.safetensors"), new Dictionary<string, string> { ["data"] = "faces" });
        using var back = EdmCheckpoint.Load(folder.File("m.safetensors"));
        Assert.Equal((Every, 0.37, type, false), (back.Options, back.SigmaData, back.Network.Type, back.training));
        Assert.All(back.parameters(), p => Assert.True(p.requires_grad));
        var x = GaussianNoise.Draw([3, 1, 8, 8], 2, type);
        var names = model
            .named_modules()
            .Select(m => m.name)
            .Where(n => n.Contains('.') && n is not ("model.enc" or "model.dec" or "model.map_augment"))
            .ToList();
        torch.Tensor? before = null,
            after = null;
        var first = UNetFixtures.Record(model, names, () => before = model.WithLabels(0, 1, 2).DenoiseAt(x, 0.3));
        var second = UNetFixtures.Record(back, names, () => after = back.WithLabels(0, 1, 2).DenoiseAt(x, 0.3));
        Assert.True(after!.eq(before!).all().item<bool>());
        Assert.True(names.Count > 40);
        foreach (var name in names)
        {
            Assert.True(second[name].eq(first[name]).all().item<bool>(), name);
            first[name].Dispose();
            second[name].Dispose();
        }
        var provenance = EdmCheckpoint.Provenance(folder.File("m.safetensors"));
        Assert.Equal(("faces", "0.37"), (provenance["data"], provenance["sigma_data"]));
    }

    [Fact]
    public void TheNamesWithoutTheirPrefixAndWithoutFiltersLoadUnderGivenOptions()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        var tensors = Nano(prefix: "");
        Safetensors.Write(folder.File("x"), tensors.Where(t => !t.Key.EndsWith("resample_filter")));
        using var model = EdmCheckpoint.Load(folder.File("x"), UNetFixtures.Nano);
        foreach (var (name, value) in tensors)
            Assert.True(model.state_dict()["model." + name].eq(value).all().item<bool>(), name);
        Assert.Equal(0.5, model.SigmaData);
    }

    [Fact]
    public void HalfPrecisionLoadsAsSinglePrecision()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        var tensors = Nano();
        Safetensors.Write(
            folder.File("x"),
            tensors.Select(t => new KeyValuePair<string, torch.Tensor>(t.Key, t.Value.to(torch.float16)))
        );
        using var model = EdmCheckpoint.Load(folder.File("x"), UNetFixtures.Nano);
        Assert.All(model.state_dict().Values, t => Assert.Equal(torch.float32, t.dtype));
        foreach (var (name, value) in tensors)
            Assert.True((model.state_dict()[name] - value).abs().max().item<float>() < 1e-3, name);
    }

    [Fact]
    public void EveryFaultIsListedInOneMessage()
    {
        using var scope = torch.NewDisposeScope();
        var tensors = Nano()
            .Where(t => t.Key is not ("model.map_layer0.bias" or "model.enc.8x8_conv.weight"))
            .Select(t =>
                t.Key switch
                {
                    "model.dec.8x8_aux_conv.bias" => new("model.extra", t.Value),
                    "model.map_layer1.bias" => new(t.Key, torch.ones(3)),
                    "model.dec.4x4_in0.qkv.bias" => new(t.Key, torch.full_like(t.Value, double.NaN)),
                    "model.dec.4x4_in0.proj.bias" => new(t.Key, torch.zeros(t.Value.shape, torch.int64)),
                    _ => t,
                }
            );
        var message = Refusal(tensors, options: UNetFixtures.Nano);
        Assert.Contains(
            "missing 'model.map_layer0.bias', 'model.enc.8x8_conv.weight', 'model.dec.8x8_aux_conv.bias'",
            message
        );
        Assert.Contains("unexpected 'model.extra'", message);
        Assert.Contains("'model.map_layer1.bias' must have shape (32), was (3)", message);
        Assert.Contains("'model.dec.4x4_in0.qkv.bias' holds NaN or infinity", message);
        Assert.Contains("'model.dec.4x4_in0.proj.bias' must hold floating-point numbers, was Int64", message);
    }

    [Fact]
    public void AFileOfAnotherNetworkNamesAFewFaultsAndCountsTheRest()
    {
        using var scope = torch.NewDisposeScope();
        var message = Refusal(Nano(""), options: UNetFixtures.Nano with { ModelChannels = 16, LabelDim = 2 });
        Assert.Contains("missing 'map_label.weight', 'map_label.bias'", message);
        Assert.Matches(@"'map_layer0\.weight' must have shape \(64, 16\), was \(32, 8\).* and \d+ more", message);
        Assert.True(message.Length < 1000, message);
    }

    [Fact]
    public void AFileThatContradictsItsConfigOrSaysNoneIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Contains("holds no 'config'; give the options of the network", Refusal(Nano()));
        Assert.Contains(
            "is another filter than the config's",
            Refusal(Nano(), (UNetFixtures.Nano with { ResampleFilter = [1, 3] }).ToMetadata())
        );
        Assert.Contains(
            "does not describe a SongUNet: it is not valid JSON",
            Refusal(Nano(), new Dictionary<string, string> { ["config"] = "{" })
        );
        Assert.Contains(
            "its sigma_data must be a positive number, was '-1'",
            Refusal(Nano(), new Dictionary<string, string>(UNetFixtures.Nano.ToMetadata()) { ["sigma_data"] = "-1" })
        );
    }

    [Fact]
    public void WhatIsNotFiniteOrContradictsTheNetworkIsNotSaved()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var folder = new TemporaryFolder();
        using var model = new EdmPreconditioner(UNetFixtures.Nano, 4);
        Assert.Contains(
            "provenance says sigma_data = '1'",
            Assert
                .Throws<ArgumentException>(() =>
                    EdmCheckpoint.Save(model, folder.File("x"), new Dictionary<string, string> { ["sigma_data"] = "1" })
                )
                .Message
        );
        model.parameters().First().fill_(double.NaN);
        Assert.Contains(
            "model.map_layer0.weight holds NaN or infinity",
            Assert.Throws<ArgumentException>(() => EdmCheckpoint.Save(model, folder.File("x"))).Message
        );
        Assert.False(File.Exists(folder.File("x")));
        Assert.Throws<FileNotFoundException>(() => EdmCheckpoint.Load(folder.File("x")));
    }
}
