using BalancedDiffusion.Datasets;
using TorchSharp;

namespace BalancedDiffusion.Tests.Datasets;

public class DuplicateLadderTests
{
    [Fact]
    public void EightImagesOccurEachNumberOfTimesAmongFiftyThousandOthers()
    {
        var ladder = new DuplicateLadder(new CaptionedFaces());
        Assert.Equal((64, 50_064), (ladder.Counts.Chosen, ladder.Counts.Distinct));
        Assert.Equal(8 * (1 + 4 + 16 + 64 + 128 + 256 + 512 + 1024) + 50_000, ladder.Counts.Rows);
        var map = ladder.Counts.RowMap();
        Assert.Equal(ladder.Counts.Rows, map.Length);
        var counted = map.GroupBy(i => i).ToDictionary(group => group.Key, group => group.Count());
        Assert.Equal(ladder.Counts.Distinct, counted.Count);
        foreach (var (image, count) in counted)
            Assert.Equal(ladder.Counts.Occurrences(image), count);
        Assert.Equal(
            new[] { (1, 8 + 50_000), (4, 8), (16, 8), (64, 8), (128, 8), (256, 8), (512, 8), (1024, 8) },
            counted.Values.GroupBy(n => n).OrderBy(g => g.Key).Select(g => (g.Key, g.Count()))
        );
        foreach (
            var row in new[]
            {
                0,
                7,
                8,
                11,
                12,
                ladder.Counts.Rows - 50_001,
                ladder.Counts.Rows - 50_000,
                ladder.Counts.Rows - 1,
            }
        )
            Assert.Equal(map[row], ladder.Counts.DistinctOf(row));
        Assert.Equal(8, ladder.Counts.DistinctOf(11));
        Assert.Equal(9, ladder.Counts.DistinctOf(12));
    }

    [Fact]
    public void DuplicatesAreOneImageWithOneCaption()
    {
        using var scope = torch.NewDisposeScope();
        var faces = new CaptionedFaces(2);
        var ladder = new DuplicateLadder(faces, singles: 5, perStep: 2, steps: [1, 3]);
        Assert.Equal([0, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7, 8], ladder.Counts.RowMap());
        var images = ladder.Images(ladder.Counts.RowMap());
        Assert.Equal([13, 3, 64, 64], images.shape);
        Assert.True(images[2].equal(images[4]).all().item<bool>());
        Assert.False(images[4].equal(images[5]).all().item<bool>());
        using var rendered = faces.Render(0, 9);
        Assert.True(images[12].equal(rendered.Images[8]).all().item<bool>());
        Assert.Equal(faces.Caption(3), ladder.Caption(3));
        Assert.Equal(faces.Class(3), ladder.Class(3));
    }

    [Fact]
    public void BadNumbersAreRefused()
    {
        var faces = new CaptionedFaces();
        Assert.Contains(
            "ascending order, was (4, 1)",
            Assert.Throws<ArgumentException>(() => new DuplicateLadder(faces, steps: [4, 1])).Message
        );
        Assert.Throws<ArgumentException>(() => new DuplicateLadder(faces, steps: []));
        Assert.Throws<ArgumentException>(() => new DuplicateLadder(faces, steps: [0, 1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DuplicateLadder(faces, singles: -1));
        Assert.Throws<ArgumentOutOfRangeException>(() => new DuplicateLadder(faces, perStep: 0));
        var ladder = new DuplicateLadder(faces, 5, 2, [1, 3]);
        Assert.Contains(
            "distinct must be 0 to 8, was 9",
            Assert.Throws<ArgumentOutOfRangeException>(() => ladder.Caption(9)).Message
        );
        Assert.Contains(
            "row must be 0 to 12, was 13",
            Assert.Throws<ArgumentOutOfRangeException>(() => ladder.Counts.DistinctOf(13)).Message
        );
        Assert.Throws<ArgumentException>(() => ladder.Images());
        Assert.Throws<ArgumentOutOfRangeException>(() => ladder.Images(-1));
    }
}
