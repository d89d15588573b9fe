using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using TorchSharp;

namespace BalancedDiffusion.Tests.Datasets.Faces;

public class ParametricFacesTests
{
    [Fact]
    public void TheSourceIsEndlessAndMayBePublished()
    {
        var faces = new ParametricFaces(64, true, 9);
        Assert.Equal(
            ("faces", int.MaxValue, int.MaxValue, true, 9L),
            (faces.Name, faces.TrainCapacity, faces.TestCapacity, faces.MayBePublished, faces.Seed)
        );
        using var three = faces.Train(3);
        Assert.Equal([3, 3, 64, 64], three.Images.shape);
        Assert.Equal(torch.float32, three.Images.dtype);
    }

    [Fact]
    public void AnImageIsTheSameFromAnyStartAndAnyCount()
    {
        var faces = new ParametricFaces(seed: 11);
        using var all = faces.Train(300);
        using var again = faces.Train(300);
        using var part = faces.Render(137, 90);
        using var shared = all.Images.narrow(0, 137, 90);
        Assert.True(all.Images.equal(again.Images).all().item<bool>());
        Assert.True(part.Images.equal(shared).all().item<bool>());
        foreach (var name in FaceFactors.Names)
            Assert.Equal(all.Attributes[name].Skip(137).Take(90), part.Attributes[name]);
    }

    [Fact]
    public void ImagesAndAttributesAreThoseOfTheLawAndTheRenderer()
    {
        using var test = new ParametricFaces(32, true, 2).Test(150);
        var renderer = new FaceRenderer(32, true);
        var pixels = new float[renderer.Length];
        var images = test.Images.data<float>().ToArray();
        for (var i = 0; i < 150; i++)
        {
            var factors = FaceDistribution.Draw(2, (1L << 40) + i);
            renderer.Render(factors, pixels);
            Assert.Equal(pixels, images.AsSpan(i * pixels.Length, pixels.Length).ToArray());
            foreach (var name in FaceFactors.Names)
                Assert.Equal(factors[name], test.Attributes[name][i]);
        }
    }

    [Fact]
    public void TrainTestAndOtherSeedsShareNoImage()
    {
        using var train = new ParametricFaces().Train(500);
        using var test = new ParametricFaces().Test(500);
        using var other = new ParametricFaces(seed: 1).Train(500);
        using var vectors = torch.cat([train.Vectors, test.Vectors, other.Vectors]);
        var distinct = vectors
            .data<float>()
            .ToArray()
            .Chunk(1024)
            .Select(v => string.Join(' ', v.Take(200)))
            .Distinct()
            .Count();
        Assert.Equal(1500, distinct);
    }

    [Fact]
    public void FiveAmongTwoThousandGreyFacesHaveNegativeMutualCosines()
    {
        using var set = new ParametricFaces().Train(2000);
        using var unit = torch.nn.functional.normalize(set.Vectors, dim: 1);
        using var gram = unit.matmul(unit.t());
        var cosines = gram.data<float>().ToArray();
        var largest = Enumerable
            .Range(0, 2000)
            .Max(start =>
            {
                var (members, worst, last) = (1, new float[2000], start);
                Array.Fill(worst, -1f);
                while (true)
                {
                    for (var i = 0; i < 2000; i++)
                        worst[i] = Math.Max(worst[i], cosines[last * 2000 + i]);
                    last = Enumerable.Range(0, 2000).MinBy(i => worst[i]);
                    if (worst[last] >= 0)
                        return members;
                    members++;
                }
            });
        Assert.True(largest >= 5, $"the largest set found has {largest}");
    }

    [Fact]
    public void MeanBrightnessReachesFromDarkToBright()
    {
        using var set = new ParametricFaces().Train(2000);
        using var means = set.Vectors.mean([1]);
        var sorted = means.data<float>().ToArray().Order().ToArray();
        Assert.True(
            sorted[100] < -0.4 && sorted[1900] > 0.1,
            $"5 % of the means lie below {sorted[100]}, 5 % above {sorted[1900]}"
        );
    }

    [Theory]
    [InlineData(0, 0, "count must be at least 1, was 0")]
    [InlineData(0, -3, "count must be at least 1, was -3")]
    [InlineData(-1, 5, "start must be at least 0, was -1")]
    [InlineData(long.MaxValue - 2, 5, "start must leave 5 images")]
    public void BadRangesAreRefused(long start, int count, string message) =>
        Assert.Contains(
            message,
            Assert.Throws<ArgumentOutOfRangeException>(() => new ParametricFaces().Render(start, count)).Message
        );

    [Fact]
    public void NoImagesAndOtherSizesAreRefused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParametricFaces().Train(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParametricFaces().Test(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ParametricFaces(28));
    }
}
