using BalancedDiffusion.Datasets;
using BalancedDiffusion.Protocols;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public class ReluDiffusionPresetTests
{
    [Fact]
    public void TheMemorizedImagesAreLessAlikeThanTheFirstFiveAndTheSameOnEveryCall()
    {
        using var scope = torch.NewDisposeScope();
        var source = ImageSources.Open("faces");
        double LargestCosine(torch.Tensor x)
        {
            var unit = torch.nn.functional.normalize(x, dim: 1);
            return (unit.matmul(unit.t()) - 2 * torch.eye(x.shape[0])).max().item<float>();
        }
        var (once, again, first) = (
            ReluDiffusionPreset.Memorizing.Images(source),
            ReluDiffusionPreset.Memorizing.Images(source),
            source.Train(5)
        );
        Assert.Equal(5, once.Count);
        Assert.True(once.Vectors.eq(again.Vectors).all().item<bool>());
        Assert.True(LargestCosine(once.Vectors) < 0 && LargestCosine(first.Vectors) > 0);
    }

    [Fact]
    public void TheGeneralizingModelTakesTheFirstImagesAsManyAsAskedFor()
    {
        using var scope = torch.NewDisposeScope();
        var source = ImageSources.Open("faces");
        var images = ReluDiffusionPreset.Generalizing.Images(source, 7);
        Assert.True(images.Vectors.eq(source.Train(7).Vectors).all().item<bool>());
        Assert.Contains(
            "at least 2, was 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => ReluDiffusionPreset.Generalizing.Images(source, 1)).Message
        );
    }

    [Fact]
    public void EachPresetHasItsOwnFileForEachDataSet()
    {
        var files = ReluDiffusionPreset.All.SelectMany(p => ImageSources.Names.Select(p.File)).ToArray();
        Assert.Equal(6, files.Distinct().Count());
        Assert.Equal(
            "checkpoints/relu-diffusion-memorizing-faces.safetensors",
            ReluDiffusionPreset.Memorizing.File("faces")
        );
    }
}
