using System.Globalization;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Checkpoints;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Steering;

public class ModelFingerprintTests
{
    [Fact]
    public void ItSaysTypeAndNumberOfWeights()
    {
        using var dae = new ReluDae(60, 40, 1);
        using var untied = new ReluDae(60, 40, 1, tied: false);
        Assert.Matches("^ReluDae with 2,400 weights, checksum [0-9a-f]{8}$", ModelFingerprint.Of(dae));
        Assert.StartsWith("ReluDae with 4,800 weights", ModelFingerprint.Of(untied));
        var culture = CultureInfo.CurrentCulture;
        var elsewhere = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        elsewhere.NumberFormat.NumberGroupSeparator = ".";
        var here = ModelFingerprint.Of(dae);
        try
        {
            CultureInfo.CurrentCulture = elsewhere;
            Assert.Equal("2.400", $"{2400:N0}");
            Assert.Equal(here, ModelFingerprint.Of(dae));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
        Assert.Throws<ArgumentNullException>(() => ModelFingerprint.Of(null!));
    }

    [Fact]
    public void ANetworkSavedAndReadAgainHasIt()
    {
        using var folder = new TemporaryFolder();
        using var dae = new ReluDae(6, 4, 1, tied: false);
        using var diffusion = Diffusion();
        using var unet = UNet();
        using var dit = Dit();
        ReluDaeCheckpoint.Save(dae, folder.File("dae"));
        ReluDiffusionCheckpoint.Save(diffusion, folder.File("diffusion"));
        EdmCheckpoint.Save(unet, folder.File("unet"));
        DitCheckpoint.Save(dit.Network, folder.File("dit"));
        using var daeBack = ReluDaeCheckpoint.Load(folder.File("dae"));
        using var diffusionBack = ReluDiffusionCheckpoint.Load(folder.File("diffusion"));
        using var unetBack = EdmCheckpoint.Load(folder.File("unet"));
        using var ditBack = DitCheckpoint.Load(folder.File("dit"));
        foreach (
            var (saved, back) in new (torch.nn.Module, torch.nn.Module)[]
            {
                (dae, daeBack),
                (diffusion, diffusionBack),
                (unet, unetBack),
                (dit.Network, ditBack),
            }
        )
            Assert.Equal(ModelFingerprint.Of(saved), ModelFingerprint.Of(back));
    }

    [Fact]
    public void TheLastBitOfAnyWeightChangesIt()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var diffusion = Diffusion();
        using var dit = Dit();
        foreach (var model in new torch.nn.Module[] { diffusion, dit })
        {
            var seen = new HashSet<string> { ModelFingerprint.Of(model) };
            // The fixed position embedding is a buffer, and counts.
            var weights = model
                .named_parameters()
                .Select(p => (torch.Tensor)p.parameter)
                .Concat(model.named_buffers().Select(b => b.buffer))
                .ToList();
            foreach (var weight in weights)
            {
                var flat = weight.detach().view(-1);
                var last = flat[flat.shape[0] - 1].item<float>();
                flat[flat.shape[0] - 1] = torch.tensor(
                    BitConverter.Int32BitsToSingle(BitConverter.SingleToInt32Bits(last) ^ 1)
                );
                Assert.True(seen.Add(ModelFingerprint.Of(model)));
                flat[flat.shape[0] - 1] = torch.tensor(last);
                Assert.False(seen.Add(ModelFingerprint.Of(model)));
            }
            Assert.Equal(weights.Count + 1, seen.Count);
        }
    }

    [Fact]
    public void SeedTypeAndShapeChangeIt()
    {
        using var scope = torch.NewDisposeScope();
        using var twin = new ReluDae(6, 4, 1);
        using var one = new ReluDae(6, 4, 1);
        using var other = new ReluDae(6, 4, 2);
        Assert.Equal(ModelFingerprint.Of(one), ModelFingerprint.Of(twin));
        // The same numbers in another type and in another shape are other networks.
        using var zeros = new ReluDae(torch.zeros(4, 6));
        using var turned = new ReluDae(torch.zeros(6, 4));
        using var wide = new ReluDae(torch.zeros(4, 3, dtype: torch.float64));
        using var unet = new EdmPreconditioner(Nano, 1);
        Assert.Equal(
            6,
            new torch.nn.Module[] { one, other, zeros, turned, wide, unet }
                .Select(ModelFingerprint.Of)
                .Distinct()
                .Count()
        );
        Assert.NotEqual(ModelFingerprint.Of(unet), ModelFingerprint.Of(unet.Network));
    }

    [Fact]
    public void ItLeavesNoTensorBehindAndTheWeightsAsTheyWere()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit();
        var x = Normal(1, 2, 2, 4, 4);
        var before = dit.DenoiseAt(x, 0.5);
        ModelFingerprint.Of(dit);
        var live = Live;
        for (var i = 0; i < 20; i++)
            ModelFingerprint.Of(dit);
        Assert.Equal(live, Live);
        Assert.True(Same(before, dit.DenoiseAt(x, 0.5)));
        Assert.All(dit.parameters(), p => Assert.True(p.requires_grad));
    }
}
