using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Tests.Checkpoints;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

/// <summary>
/// Parts of Stable Diffusion v1 with random weights. The tiny ones come with what diffusers, transformers and CLIP's
/// own code make of given inputs (float32, CPU), and are not on every machine. The nano ones, in data/tiny, come with
/// the outputs (float64) of a plain NumPy computation which meets those of the tiny ones to 3e-6; some of their weights
/// are small, so that what normalizations add to a variance matters.
/// </summary>
internal static class StableDiffusionGolden
{
    /// <summary>The tolerance of an answer in float32, relative to its norm.</summary>
    public const double Tolerance = 1e-4;

    /// <summary>The tolerance of an answer in float64 that is kept in float32.</summary>
    public const double FineTolerance = 1e-6;

    /// <summary>The smallest U-Net that has every part.</summary>
    public static ConditionalUNetOptions NanoUNet { get; } =
        new()
        {
            SampleSize = 4,
            BlockChannels = [8, 16],
            Attends = [true, false],
            LayersPerBlock = 1,
            TextWidth = 6,
            Heads = 2,
            Groups = 4,
        };

    /// <summary>The smallest autoencoder that has every part.</summary>
    public static LatentAutoencoderOptions NanoAutoencoder { get; } =
        new()
        {
            SampleSize = 8,
            BlockChannels = [8, 16],
            LayersPerBlock = 1,
            Groups = 4,
        };

    /// <summary>A small text encoder of CLIP's vocabulary.</summary>
    public static ClipTextOptions NanoText { get; } =
        new()
        {
            Width = 6,
            Heads = 2,
            Layers = 2,
            HiddenUnits = 12,
        };

    public static string Shared(string name) => SharedData.Path("golden", $"{name}.safetensors");

    /// <summary>Compares and writes down.</summary>
    public static void Close(string name, torch.Tensor actual, torch.Tensor expected, double tolerance)
    {
        var difference = Difference(actual, expected);
        TestContext.Current.TestOutputHelper?.WriteLine($"{name} {difference:G3}");
        Assert.True(difference < tolerance, $"{name}: {difference}");
    }

    /// <summary>A bad argument ends in one sentence with these words.</summary>
    public static void Refused(string words, Func<object> attempt)
    {
        var message = Assert.ThrowsAny<ArgumentException>(attempt).Message;
        Assert.Contains(words, message);
        Assert.DoesNotContain('\n', message);
    }

    public static ConditionalUNet UNet()
    {
        using var tensors = Safetensors.Read(Shared("sd-unet-tiny"));
        return new ConditionalUNet(ConditionalUNetOptions.FromMetadata(tensors.Metadata), tensors);
    }

    /// <summary>The tokenizer's files cut down to the byte pairs that can meet in the prompts of the tests, under their
    /// true numbers and in their true order.</summary>
    public static ClipTokenizer Tokenizer() => new(File("clip-vocab.json"), File("clip-merges.txt"));

    /// <summary>A network of random numbers, each weight stirred, so that the parts that start at zero or one speak
    /// too.</summary>
    public static ConditionalUNet Nano(long seed = 1) => Stirred(new ConditionalUNet(NanoUNet, seed));

    public static T Stirred<T>(T network, long seed = 7)
        where T : torch.nn.Module
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        foreach (var parameter in network.parameters())
            parameter.add_(Normal(++seed, parameter.shape), 0.1);
        return network;
    }
}
