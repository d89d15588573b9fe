using BalancedDiffusion.Datasets;
using BalancedDiffusion.Protocols;
using TorchSharp;

namespace BalancedDiffusion.Tests.Protocols;

public sealed class PromptObedienceTests
{
    private static readonly CaptionedFaces Faces = new();

    private static (torch.Tensor Factors, IReadOnlyList<string> Captions) Known(int count)
    {
        using var set = Faces.Render(0, count);
        var columns = FaceFeatures.Factors.Select(name => set.Attributes[name]).ToArray();
        return (
            torch.tensor(
                Enumerable.Range(0, count).SelectMany(i => columns.Select(c => (double)c[i])).ToArray(),
                [count, columns.Length]
            ),
            Faces.Captions(0, count)
        );
    }

    [Fact]
    public void FacesShowWhatTheirOwnCaptionsSay()
    {
        using var scope = torch.NewDisposeScope();
        var (factors, captions) = Known(400);
        var rows = PromptObedience.Of(FaceFeatures.Factors, factors, captions);
        Assert.Equal(PromptObedience.Concepts, rows.Select(r => r.Concept));
        Assert.All(rows, row => Assert.True(row.Prompts > 10 && row.Obeyed == row.Prompts, $"{row}"));
        // Another face's caption is obeyed by chance only.
        var shuffled = PromptObedience.Of(FaceFeatures.Factors, factors.roll(1, 0), captions);
        Assert.All(shuffled, row => Assert.InRange(row.Share.Estimate, 0, 0.6));
    }

    [Fact]
    public void ReadingsOnEitherSideOfTheLimitAreTold()
    {
        using var scope = torch.NewDisposeScope();
        string[] names = ["Glasses", "Hat", "Beard", "Age"];
        var rows = PromptObedience.Of(
            names,
            torch.tensor(new[] { 0.6, 0, 0, 0.6, 0.4, 0, 0, 0.7, 0, 0, 0.9, 0.3 }, [3, 4]),
            ["an old face with glasses", "an old face with glasses", "a young face with a beard"]
        );
        Assert.Equal([(2, 1), (0, 0), (1, 1), (2, 1), (1, 1)], rows.Select(r => (r.Prompts, r.Obeyed)));
        Assert.True(double.IsNaN(rows[1].Share.Estimate));
        Assert.Equal(0.5, rows[0].Share.Estimate);
    }

    [Fact]
    public void BadInputsAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        Assert.Contains(
            "one for each of 2 pictures, were 1",
            Assert
                .Throws<ArgumentException>(() =>
                    PromptObedience.Of(["Glasses", "Hat", "Beard", "Age"], torch.zeros(2, 4), ["a face"])
                )
                .Message
        );
        Assert.Contains(
            "Age",
            Assert
                .Throws<ArgumentException>(() =>
                    PromptObedience.Of(["Glasses", "Hat", "Beard"], torch.zeros(1, 3), ["a face"])
                )
                .Message
        );
    }
}
