using BalancedDiffusion.Datasets;
using BalancedDiffusion.Protocols;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public class SteeringConceptTests
{
    private static ImageDataset Images(params float[] young) =>
        new(
            "few",
            torch.zeros(young.Length, 1, 8, 8),
            attributes: new Dictionary<string, float[]> { ["Young"] = young }
        );

    [Fact]
    public void ReferencesOfTheFacesShowWhatTheyAreChosenFor()
    {
        var faces = new ParametricFaces();
        using var pool = SteeringConcept.References(faces, 400);
        foreach (var concept in SteeringConcept.Of(faces))
        {
            var (shown, notShown) = concept.Choose(pool, 15);
            using (shown)
            using (notShown)
            {
                Assert.Equal((15, 15), (shown.Count, notShown.Count));
                Assert.All(shown.Attributes[concept.Attribute], v => Assert.True(v >= concept.With));
                Assert.All(notShown.Attributes[concept.Attribute], v => Assert.True(v <= concept.Without));
            }
        }
    }

    [Fact]
    public void AConceptMayBeTheLackOfAnAttribute()
    {
        var old = new SteeringConcept("old", "Young", 0, 1);
        Assert.Equal(-1, old.Sign);
        using var images = Images(0, 1, 1, 0, 0);
        var (shown, notShown) = old.Choose(images, 2);
        using (shown)
        using (notShown)
            Assert.Equal(
                ([0f, 0f], [1f, 1f]),
                (shown.Attributes["Young"], notShown.Attributes["Young"]),
                (a, b) => a.Item1.SequenceEqual(b.Item1) && a.Item2.SequenceEqual(b.Item2)
            );
    }

    [Fact]
    public void ReferencesAndTheReadersImagesDoNotOverlap()
    {
        var source = new Counted(11);
        using var references = SteeringConcept.References(source, 100);
        using var regressor = SteeringConcept.ForAttributeRegressor(source, 100);
        Assert.Equal([0f, 2, 4, 6, 8, 10], references.Attributes["index"]);
        Assert.Equal([1f, 3, 5, 7, 9], regressor.Attributes["index"]);
        var faces = new ParametricFaces();
        using var a = SteeringConcept.References(faces, 20);
        using var b = SteeringConcept.ForAttributeRegressor(faces, 20);
        Assert.Empty(a.Attributes["Age"].Intersect(b.Attributes["Age"]));
    }

    [Fact]
    public void FashionHasNoConcepts() => Assert.Empty(SteeringConcept.Of(new Counted(3)));

    [Theory]
    [InlineData("faces", "Age", "Glasses", "Smile", "Beard", "LightX")]
    [InlineData("celeba", "Young", "Eyeglasses", "Smiling", "Male")]
    [InlineData("fashion-mnist")]
    [InlineData("Faces")]
    public void AttributesAreKnownFromTheNameOfADataSetAlone(string data, params string[] attributes) =>
        Assert.Equal(attributes, SteeringConcept.OfData(data).Select(c => c.Attribute));

    [Fact]
    public void RefusesWhatTheImagesDoNotHave()
    {
        using var images = Images(0, 1);
        Assert.Contains(
            "1 show 'old' and 1 do not",
            Assert.Throws<ArgumentException>(() => new SteeringConcept("old", "Young", 0, 1).Choose(images, 2)).Message
        );
        Assert.Contains(
            "has no attribute 'Smiling'",
            Assert
                .Throws<ArgumentException>(() => new SteeringConcept("smile", "Smiling", 1, 0).Choose(images, 1))
                .Message
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => new SteeringConcept("old", "Young", 0, 1).Choose(images, 0));
    }

    private sealed class Counted(int capacity) : IImageSource
    {
        public string Name => "counted";

        public int TrainCapacity => capacity;

        public int TestCapacity => capacity;

        public bool MayBePublished => true;

        public ImageDataset Train(int count) =>
            new(
                Name,
                torch.zeros(count, 1, 8, 8),
                attributes: new Dictionary<string, float[]>
                {
                    ["index"] = [.. Enumerable.Range(0, count).Select(i => (float)i)],
                }
            );

        public ImageDataset Test(int count) => Train(count);
    }
}
