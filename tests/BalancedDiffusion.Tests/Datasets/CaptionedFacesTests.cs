using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using TorchSharp;

namespace BalancedDiffusion.Tests.Datasets;

public class CaptionedFacesTests
{
    [Fact]
    public void ImageCaptionAndClassAreThoseOfOneFace()
    {
        using var scope = torch.NewDisposeScope();
        var faces = new CaptionedFaces(5);
        using var set = faces.Render(10, 20);
        Assert.Equal([20, 3, 64, 64], set.Images.shape);
        var captions = faces.Captions(10, 20);
        var pixels = new float[3 * 64 * 64];
        for (var i = 0; i < 20; i++)
        {
            var factors = FaceDistribution.Draw(5, 10 + i);
            Assert.Equal(factors, faces.Factors(10 + i));
            new FaceRenderer(64, true).Render(factors, pixels);
            Assert.Equal(pixels, set.Images[i].data<float>().ToArray());
            Assert.Equal(FaceCaptions.Of(factors, 5, 10 + i), captions[i]);
            Assert.Equal(captions[i], faces.Caption(10 + i));
            Assert.Equal(FaceClasses.Of(factors), set.Labels![i]);
            Assert.Equal(factors.Age, set.Attributes["Age"][i]);
        }
        using var picked = faces.Images(29, 10, 10);
        foreach (var (place, row) in new[] { (0, 19), (1, 0), (2, 0) })
            Assert.True(picked[place].equal(set.Images[row]).all().item<bool>());
    }

    [Fact]
    public void HeldOutImagesAreNoTrainingImages()
    {
        var faces = new CaptionedFaces();
        using var heldOut = faces.HeldOut(50);
        using var train = faces.Render(0, 50);
        Assert.Empty(Rows(heldOut).Intersect(Rows(train)));
        Assert.Equal(50, Rows(heldOut).Union(Rows(heldOut)).Count());
        Assert.Equal(faces.Caption(ParametricFaces.FirstTestIndex + 7), faces.HeldOutCaptions(8)[7]);
        static IEnumerable<string> Rows(ImageDataset set) =>
            set.Images.data<float>().ToArray().Chunk(set.Dimension).Select(row => string.Join(' ', row.Take(2000)));
    }

    [Fact]
    public void BadIndicesAreRefused()
    {
        var faces = new CaptionedFaces();
        Assert.Throws<ArgumentOutOfRangeException>(() => faces.Caption(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => faces.Captions(0, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => faces.Images(3, -2));
        Assert.Throws<ArgumentException>(() => faces.Images());
        Assert.Throws<ArgumentOutOfRangeException>(() => faces.HeldOut(0));
    }

    [Fact]
    public void ClassesAreAsFrequentAsTheDistributionSays()
    {
        // The tree of classes, with the probabilities that the distribution states; faces without a hat, then without
        // glasses, then without long hair.
        const int count = 20000;
        double bare = 1 - 0.12,
            eyes = bare * (1 - 0.22),
            cropped = eyes * (1 - 0.28);
        double[] expected =
        [
            0.12,
            bare * 0.22 / 2,
            bare * 0.22 / 2,
            eyes * 0.28 / 2,
            eyes * 0.28 / 2,
            cropped * 0.34 / 2,
            cropped * 0.34 / 2,
            cropped * 0.66 / 3,
            cropped * 0.66 / 3,
            cropped * 0.66 / 3,
        ];
        Assert.Equal(1, expected.Sum(), 1e-12);
        Assert.Equal(10, FaceClasses.Names.Distinct().Count());
        var found = new double[10];
        for (var i = 0; i < count; i++)
            found[FaceClasses.Of(FaceDistribution.Draw(1, i))] += 1.0 / count;
        // Five standard errors of a share of a tenth.
        for (var i = 0; i < 10; i++)
            Assert.InRange(
                found[i],
                expected[i] - 5 * Math.Sqrt(0.1 / count),
                expected[i] + 5 * Math.Sqrt(0.1 / count)
            );
    }

    [Fact]
    public void AClassIsWhatItsNameSays()
    {
        var face = new FaceFactors { Age = 0.2f };
        string Name(FaceFactors factors) => FaceClasses.Names[FaceClasses.Of(factors)];
        Assert.Equal("plain, young", Name(face));
        Assert.Equal("plain, middle-aged", Name(face with { Age = 0.5f }));
        Assert.Equal("plain, old", Name(face with { Age = 0.9f }));
        Assert.Equal("beard, older", Name(face with { Age = 0.9f, Beard = 0.4f }));
        Assert.Equal("long hair, younger", Name(face with { HairLength = 0.7f, Beard = 0.4f }));
        Assert.Equal("glasses, older", Name(face with { Age = 0.5f, Glasses = 0.7f, HairLength = 0.7f }));
        Assert.Equal("hat", Name(face with { Hat = 0.7f, Glasses = 0.7f }));
    }
}
