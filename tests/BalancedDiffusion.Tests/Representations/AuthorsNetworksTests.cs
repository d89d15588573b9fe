using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Tests.Checkpoints;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

/// <summary>The paper's figure of the two networks, from the authors' own weights and CelebA.</summary>
public class AuthorsNetworksTests
{
    [Fact]
    public void NormsAndCosinesOfBothNetworksAreThePublishedOnes()
    {
        using var scope = torch.NewDisposeScope();
        var images = SharedData.CelebA(10_000);
        using var memorizing = ReluDaeCheckpoint.Load(SharedData.Memorizing);
        // The published .11 and .10 are the largest cosines to the first 10,000 images; to the five training images
        // alone these columns have less.
        var stored = WeightGallery.Of(memorizing, images);
        foreach (
            var (column, norm, cosine) in stored.Zip([.98, .97, .95, .93, .92, .02, .02], [1.0, 1, 1, 1, 1, .11, .10])
        )
        {
            Assert.Equal(norm, column.Norm, 0.01);
            Assert.Equal(cosine, column.Cosine, 0.01);
        }
        Assert.Equal(SharedData.Five, stored.Take(5).Select(c => c.ImageIndex).Order());
        using var generalizing = ReluDaeCheckpoint.Load(SharedData.Generalizing);
        foreach (
            var (column, norm, cosine) in WeightGallery
                .Of(generalizing, images)
                .Zip([1.0, 1, 1, 1, 1, .99, .99], [.57, .71, .58, .60, .66, .58, .53])
        )
        {
            Assert.Equal(norm, column.Norm, 0.01);
            Assert.Equal(cosine, column.Cosine, 0.01);
        }
    }

    [Fact]
    public void PsnrOfTheNoisyImageAndOfBothNetworksIsThePublishedOne()
    {
        using var scope = torch.NewDisposeScope();
        var clean = SharedData.CelebA(1);
        using var generator = Seeds.Generator(123);
        var noisy = clean + 0.2 * torch.randn([1, 1024], generator: generator);
        double Decibels(torch.Tensor estimate) => Psnr.Of(estimate, clean, Psnr.PaperPeak).item<double>();
        using var memorizing = ReluDaeCheckpoint.Load(SharedData.Memorizing);
        using var generalizing = ReluDaeCheckpoint.Load(SharedData.Generalizing);
        Assert.Equal(14.05, Decibels(noisy), 0.1);
        Assert.Equal(24.12, Decibels(memorizing.Denoise(noisy, 0.2)), 0.1);
        Assert.Equal(14.91, Decibels(generalizing.Denoise(noisy, 0.2)), 0.1);
    }

    [Fact]
    public void OverManyDrawsTheMemorizedRepresentationIsTheSpikierOne()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(7);
        var noisy = SharedData.CelebA(1) + 0.2 * torch.randn([500, 1024], generator: generator);
        using var memorizing = ReluDaeCheckpoint.Load(SharedData.Memorizing);
        using var generalizing = ReluDaeCheckpoint.Load(SharedData.Generalizing);
        Assert.Equal(1.69, Spikiness.StandardDeviation(memorizing.Encode(noisy)).mean().item<double>(), 0.02);
        Assert.Equal(1.26, Spikiness.StandardDeviation(generalizing.Encode(noisy)).mean().item<double>(), 0.02);
    }
}
