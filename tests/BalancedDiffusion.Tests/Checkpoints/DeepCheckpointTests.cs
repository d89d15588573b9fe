using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

public class DeepCheckpointTests
{
    private const string Unet = "unet",
        Transformer = "dit";

    private static readonly DitOptions Little = DitFixtures.Little with
    {
        InputSize = 8,
        Channels = 1,
        Classes = 0,
        ClassDropout = 0,
        LearnSigma = false,
    };

    private static Dit LittleDit(torch.ScalarType type = torch.ScalarType.Float32, DitOptions? options = null)
    {
        using var noGrad = torch.no_grad();
        var dit = new Dit(options ?? Little, 1, type);
        foreach (var (name, parameter) in dit.named_parameters())
            parameter.add_(GaussianNoise.Draw(parameter.shape, Seeds.Derive(2, name), type), 0.2);
        return dit;
    }

    private static IDenoiser Network(string kind, torch.ScalarType type = torch.ScalarType.Float32)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        if (kind == Transformer)
            return DitDenoiser.Preconditioned(LittleDit(type), 0.37);
        using var shaken = UNetFixtures.Shaken(UNetFixtures.Nano, 3, type);
        var unet = new EdmPreconditioner(UNetFixtures.Nano, 3, 0.37, type);
        unet.load_state_dict(shaken.state_dict());
        return unet;
    }

    private static string Refusal(string path)
    {
        var message = Assert.Throws<InvalidDataException>(() => DeepCheckpoint.Load(path)).Message;
        Assert.DoesNotContain('\n', message);
        return message;
    }

    [Theory]
    [InlineData(Unet, torch.ScalarType.Float32)]
    [InlineData(Unet, torch.ScalarType.Float64)]
    [InlineData(Transformer, torch.ScalarType.Float32)]
    [InlineData(Transformer, torch.ScalarType.Float64)]
    public void ANetworkComesBackWithTheSameOutputsAndActivations(string kind, torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        var network = Network(kind, type);
        DeepCheckpoint.Save(
            network,
            folder.File("m.safetensors"),
            new Dictionary<string, string> { ["data"] = "faces" }
        );
        var back = DeepCheckpoint.Load(folder.File("m.safetensors"));
        var (one, two) = ((torch.nn.Module)network, (torch.nn.Module)back);
        Assert.IsType(network.GetType(), back);
        Assert.Equal(0.37, back is EdmPreconditioner unet ? unet.SigmaData : ((DitDenoiser)back).SigmaData);
        Assert.False(two.training);
        Assert.All(two.modules(), m => Assert.False(m.training, m.GetName()));
        Assert.All(two.parameters(), p => Assert.False(p.requires_grad));
        var noisy = GaussianNoise.Draw([3, 1, 8, 8], 2, type);
        Assert.False(back.Denoise(noisy, torch.tensor(0.5, type)).requires_grad);
        using var first = new ActivationRecorder(one, _ => true);
        using var second = new ActivationRecorder(two, _ => true);
        foreach (var sigma in new[] { 0.02, 0.5, 20 })
        {
            Assert.True(network.DenoiseAt(noisy, sigma).eq(back.DenoiseAt(noisy, sigma)).all().item<bool>());
            var seen = first.Modules.Where(name => Record.Exception(() => first.Last(name)) is null).ToList();
            Assert.True(seen.Count > 20, string.Join(", ", seen));
            Assert.All(seen, name => Assert.True(first.Last(name).eq(second.Last(name)).all().item<bool>(), name));
        }
        var provenance = DeepCheckpoint.Provenance(folder.File("m.safetensors"));
        Assert.Equal(("faces", "0.37"), (provenance["data"], provenance["sigma_data"]));
        one.Dispose();
        two.Dispose();
    }

    [Fact]
    public void TheFilesAreReadByTheReadersOfEachKindToo()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var unet = (EdmPreconditioner)Network(Unet);
        using var dit = (DitDenoiser)Network(Transformer);
        DeepCheckpoint.Save(unet, folder.File("u"));
        DeepCheckpoint.Save(dit, folder.File("d"));
        using var u = EdmCheckpoint.Load(folder.File("u"));
        using var d = DitCheckpoint.Load(folder.File("d"));
        Assert.All(unet.state_dict(), t => Assert.True(t.Value.eq(u.state_dict()[t.Key]).all().item<bool>(), t.Key));
        Assert.All(
            dit.Network.state_dict(),
            t => Assert.True(t.Value.eq(d.state_dict()[t.Key]).all().item<bool>(), t.Key)
        );
    }

    [Fact]
    public void AFileOfAnotherKindIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var relu = new ReluDiffusion(7, 5, 3, 4);
        using var published = new EdmPreconditioner(UNetFixtures.Nano, 3);
        ReluDiffusionCheckpoint.Save(relu, folder.File("relu.safetensors"));
        EdmCheckpoint.Save(published, folder.File("edm.safetensors"));
        foreach (var file in new[] { "relu.safetensors", "edm.safetensors" })
            Assert.Equal(
                $"the file '{file}' does not say that it holds a deep network of this repository ('network' "
                    + "is missing); read it with EdmCheckpoint or DitCheckpoint",
                Refusal(folder.File(file))
            );
        Safetensors.Write(
            folder.File("other"),
            relu.state_dict(),
            new Dictionary<string, string> { ["network"] = "a\nforest" }
        );
        Assert.Contains("('network' is 'a?forest')", Refusal(folder.File("other")));
        PickleBytes.Save(folder, PickleBytes.One("FloatStorage", 6, 0, [6], [1]), new byte[24]);
        Assert.Contains("'network' is missing", Refusal(Directory.GetFiles(folder.Folder, "*.pth").Single()));
    }

    [Theory]
    [InlineData(Unet, "does not hold an EDM network")]
    [InlineData(Transformer, "does not hold a DiT of these sizes")]
    public void WeightsOfAnotherNetworkAreListed(string kind, string sentence)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var network = (torch.nn.Module)Network(kind);
        using var relu = new ReluDiffusion(7, 5, 3, 4);
        DeepCheckpoint.Save((IDenoiser)network, folder.File("good"));
        Safetensors.Write(folder.File("x"), relu.state_dict(), DeepCheckpoint.Provenance(folder.File("good")));
        var message = Refusal(folder.File("x"));
        Assert.Contains(sentence, message);
        Assert.Contains("unexpected '", message);
    }

    [Theory]
    [InlineData(Unet)]
    [InlineData(Transformer)]
    public void DamagedAndMissingFilesAreRefused(string kind)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var network = (torch.nn.Module)Network(kind);
        DeepCheckpoint.Save((IDenoiser)network, folder.File("x"));
        var whole = File.ReadAllBytes(folder.File("x"));
        foreach (var length in new[] { 0, 1, 7, 8, 100, whole.Length / 2, whole.Length - 1 })
        {
            File.WriteAllBytes(folder.File("x"), whole[..length]);
            Assert.Contains("'x'", Refusal(folder.File("x")));
        }
        Assert.Contains(
            "there is no checkpoint at",
            Assert.Throws<FileNotFoundException>(() => DeepCheckpoint.Load(folder.File("y"))).Message
        );
        Assert.Contains(
            "there is no checkpoint at",
            Assert.Throws<FileNotFoundException>(() => DeepCheckpoint.Provenance(folder.File("y"))).Message
        );
        Assert.Throws<ArgumentException>(() => DeepCheckpoint.Load(" "));
    }

    [Theory]
    [InlineData(Unet, "-1", "its sigma_data must be a positive number, was '-1'")]
    [InlineData(Unet, "half", "its sigma_data must be a positive number, was 'half'")]
    [InlineData(Transformer, "0", "its sigma_data must be a positive number, was '0'")]
    [InlineData(Transformer, "Infinity", "its sigma_data must be a positive number, was 'Infinity'")]
    [InlineData(Transformer, "NaN", "its sigma_data must be a positive number, was 'NaN'")]
    [InlineData(Transformer, "0,5x", "its sigma_data must be a positive number, was '0,5x'")]
    [InlineData(Transformer, null, "its sigma_data must be a positive number, was 'missing'")]
    public void ADeviationThatCannotBeIsRefused(string kind, string? sigma, string sentence)
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var network = (torch.nn.Module)Network(kind);
        DeepCheckpoint.Save((IDenoiser)network, folder.File("x"));
        using var tensors = Safetensors.Read(folder.File("x"));
        var metadata = new Dictionary<string, string>(tensors.Metadata);
        metadata.Remove("sigma_data");
        if (sigma is not null)
            metadata["sigma_data"] = sigma;
        Safetensors.Write(folder.File("bad"), tensors, metadata);
        Assert.Contains(sentence, Refusal(folder.File("bad")));
    }

    [Fact]
    public void ATransformerWithoutSizesOrWithAVarianceIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var network = (DitDenoiser)Network(Transformer);
        var says = new Dictionary<string, string> { ["network"] = "preconditioned DiT", ["sigma_data"] = "0.5" };
        Safetensors.Write(folder.File("bare"), network.Network.state_dict(), says);
        Assert.Contains("'bare' does not say the sizes of its network", Refusal(folder.File("bare")));
        using var variance = LittleDit(options: Little with { LearnSigma = true });
        DitCheckpoint.Save(variance, folder.File("variance"), says);
        Assert.Contains("the network learns a variance", Refusal(folder.File("variance")));
    }

    [Fact]
    public void WhatCannotBeReadBackIsNotSaved()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var dae = new ReluDae(4, 3, 1);
        using var noise = DitDenoiser.NoisePrediction(LittleDit());
        using var unet = (EdmPreconditioner)Network(Unet);
        string Refused(IDenoiser network, Dictionary<string, string>? provenance = null) =>
            Assert.Throws<ArgumentException>(() => DeepCheckpoint.Save(network, folder.File("x"), provenance)).Message;
        Assert.StartsWith(
            "network must be an EdmPreconditioner or a preconditioned DitDenoiser, was ReluDae",
            Refused(dae)
        );
        Assert.StartsWith(
            "network must be an EdmPreconditioner or a preconditioned DitDenoiser, was DitDenoiser",
            Refused(noise)
        );
        Assert.StartsWith(
            "provenance says network = 'preconditioned DiT', but the model has network = EDM U-Net",
            Refused(unet, new() { ["network"] = "preconditioned DiT" })
        );
        Assert.StartsWith(
            "provenance says sigma_data = '1', but the model has sigma_data = 0.37",
            Refused(unet, new() { ["sigma_data"] = "1" })
        );
        using (torch.no_grad())
            unet.parameters().First().fill_(double.NaN);
        Assert.Contains("holds NaN or infinity", Refused(unet));
        Assert.False(File.Exists(folder.File("x")));
    }

    // The first bytes of a safetensors are the length of its header, in which some lengths look like the first bytes of
    // a pickle (0x80) or of a zip ("PK").
    [Fact]
    public void AFileLoadsWhateverTheLengthOfItsHeader()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var network = (DitDenoiser)Network(Transformer);
        long Header(int note)
        {
            DeepCheckpoint.Save(
                network,
                folder.File("x"),
                new Dictionary<string, string> { ["note"] = new('n', note) }
            );
            return BitConverter.ToInt64(File.ReadAllBytes(folder.File("x")), 0);
        }
        const int zip = 'P' + 256 * 'K';
        var plain = (int)Header(0);
        List<long> lengths = [],
            failed = [];
        foreach (var note in Enumerable.Range(0, 32).Select(i => 8 * i).Append(zip - plain))
        {
            lengths.Add(Header(note));
            if (Record.Exception(() => ((torch.nn.Module)DeepCheckpoint.Load(folder.File("x"))).Dispose()) is not null)
                failed.Add(lengths[^1]);
        }
        Assert.Contains(lengths, length => length % 256 == 0x80);
        Assert.Contains(zip, lengths);
        Assert.Empty(failed);
    }

    [Theory]
    [InlineData(Unet)]
    [InlineData(Transformer)]
    public void NothingLeaksAndTheWeightsOutliveTheScope(string kind)
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        using var network = (torch.nn.Module)Network(kind);
        DeepCheckpoint.Save((IDenoiser)network, folder.File("x"));
        ((torch.nn.Module)DeepCheckpoint.Load(folder.File("x"))).Dispose();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        DeepCheckpoint.Save((IDenoiser)network, folder.File("x"));
        torch.nn.Module back;
        using (torch.NewDisposeScope())
            back = (torch.nn.Module)DeepCheckpoint.Load(folder.File("x"));
        Assert.False(back.parameters().First().IsInvalid);
        back.Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
