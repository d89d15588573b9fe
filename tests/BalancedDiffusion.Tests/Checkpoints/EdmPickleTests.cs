using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Tests.Networks;
using TorchSharp;

namespace BalancedDiffusion.Tests.Checkpoints;

/// <summary>The fixture was written by Python's own pickle and torch (tests/fixtures/pickles.py); the source text in it
/// ends a program that runs it.</summary>
public class EdmPickleTests
{
    private static readonly string Pickle = UNetFixtures.File("edm-skip-nano.pkl");

    [Fact]
    public void APickleOfWholeObjectsGivesTheNetworkThatItsWeightsAndArgumentsDescribe()
    {
        using var scope = torch.NewDisposeScope();
        using var plain = EdmCheckpoint.Load(UNetFixtures.File("edm-skip-nano.safetensors"));
        using var network = EdmCheckpoint.Load(Pickle);
        Assert.Equal((plain.Options, 0.5), (network.Options, network.SigmaData));
        var weights = network.state_dict();
        Assert.Equal(plain.state_dict().Keys, weights.Keys);
        foreach (var (name, weight) in plain.state_dict())
            Assert.True(weight.eq(weights[name]).all().item<bool>(), name);
    }

    [Fact]
    public void ItsNetworkAnswersAsTheReferenceImplementationDid()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var network = EdmCheckpoint.Load(Pickle);
        using var answers = Safetensors.Read(UNetFixtures.File("edm-skip-nano-io.safetensors"));
        var (x, sigma) = (answers["x"], answers["sigma"]);
        Assert.InRange(UNetFixtures.Difference(network.Denoise(x, sigma), answers["denoised"]), 0, 1e-4);
    }

    [Fact]
    public void ACutOrDamagedPickleIsRefusedOrReadAndNothingInItIsEverRun()
    {
        using var folder = new TemporaryFolder();
        using var scope = torch.NewDisposeScope();
        var whole = File.ReadAllBytes(Pickle);
        var path = folder.File("x.pkl");
        for (var part = 1; part < 20; part++)
        {
            File.WriteAllBytes(path, whole[..(whole.Length * part / 20)]);
            Assert.Throws<InvalidDataException>(() => EdmCheckpoint.Load(path));
        }
        var random = new Random(3);
        var refused = 0;
        for (var i = 0; i < 40; i++)
        {
            var damaged = whole.ToArray();
            for (var flip = 0; flip < 40; flip++)
                damaged[random.Next(2, damaged.Length)] ^= (byte)random.Next(1, 256);
            File.WriteAllBytes(path, damaged);
            try
            {
                EdmCheckpoint.Load(path).Dispose();
            }
            catch (InvalidDataException)
            {
                refused++;
            }
        }
        Assert.InRange(refused, 1, 40);
        Assert.Equal(0, scope.DisposablesCount);
    }

    [Fact]
    public void AnotherPickleIsRefusedWithOneSentence()
    {
        using var folder = new TemporaryFolder();
        var path = folder.File("x.pkl");
        File.WriteAllBytes(
            path,
            new PickleBytes()
                .Proto()
                .Dict()
                .Mark()
                .Text("ema")
                .Global("os", "system")
                .Mark()
                .Text("true")
                .Tuple()
                .Reduce()
                .SetItems()
                .Stop()
        );
        Assert.Contains(
            "'x.pkl' holds no weights under 'ema'; nothing in it was run",
            Assert.Throws<InvalidDataException>(() => EdmCheckpoint.Load(path)).Message
        );
        File.WriteAllBytes(
            path,
            new PickleBytes().Proto().Dict().Mark().Text("weights for another network").Int(1).SetItems().Stop()
        );
        Assert.Contains(
            "'x.pkl' is a bare pickle without a network under 'ema'",
            Assert.Throws<InvalidDataException>(() => EdmCheckpoint.Load(path)).Message
        );
        Assert.Contains(
            "is a bare pickle",
            Assert.Throws<InvalidDataException>(() => PthCheckpoint.Read(Pickle)).Message
        );
    }
}
