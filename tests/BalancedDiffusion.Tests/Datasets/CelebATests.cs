using BalancedDiffusion.Datasets;
using TorchSharp;

namespace BalancedDiffusion.Tests.Datasets;

public class CelebATests
{
    private static readonly string[] Names = [.. Enumerable.Range(0, 40).Select(i => $"Attribute_{i}")];

    [Fact]
    public void TheFiveImagesOfThePaperAreSeparable()
    {
        TestData.RequireOrSkip("celeba/celeba-10k-32x32-rgb-idx4-ubyte.gz");
        using var five = CelebA.Open(folders: TestData.Search).At(CelebA.AuthorsMemorizedIndices);
        Assert.Equal([5, 1, 32, 32], five.Images.shape);
        using var scope = torch.NewDisposeScope();
        var unit = torch.nn.functional.normalize(five.Vectors, 2, 1);
        var cosines = unit.matmul(unit.T);
        for (var i = 0; i < 5; i++)
        for (var j = 0; j < i; j++)
            Assert.InRange(cosines[i, j].item<float>(), -0.325, -0.045); // -0.32 to -0.05 as printed, rounded
    }

    [Fact]
    public void ThePreparedFileHasItsPartsAndAttributes()
    {
        TestData.RequireOrSkip("celeba/celeba-10k-32x32-rgb-idx4-ubyte.gz");
        var source = CelebA.Open(rgb: true, TestData.Search);
        Assert.Equal(
            (10_000, 9_000, 1_000, false, "celeba"),
            (source.Capacity, source.TrainCapacity, source.TestCapacity, source.MayBePublished, source.Name)
        );
        using var test = source.Test(1000);
        using var same = source.At(9000, 9999);
        Assert.Equal([1000, 3, 32, 32], test.Images.shape);
        Assert.Equal(test.Images[0].data<float>().ToArray(), same.Images[0].data<float>().ToArray());
        Assert.Equal(test.Images[999].data<float>().ToArray(), same.Images[1].data<float>().ToArray());
        using var first = source.All(1);
        Assert.Equal(40, first.Attributes.Count);
        Assert.Equal(
            (1f, 0f, 1f),
            (first.Attributes["Smiling"][0], first.Attributes["Male"][0], first.Attributes["Young"][0])
        );
        // grey is the luma of the colours, up to its rounding
        using var grey = CelebA.Open(folders: TestData.Search).All(1);
        using var scope = torch.NewDisposeScope();
        var luma = 0.299 * first.Images[0, 0] + 0.587 * first.Images[0, 1] + 0.114 * first.Images[0, 2];
        Assert.True((luma - grey.Images[0, 0]).abs().max().item<float>() <= 0.5 / 127.5 + 1e-4);
    }

    [Fact]
    public void AnOfficialFolderIsResizedAsPillowDoesAndItsAttributesRead()
    {
        using var scratch = Official(images: 3);
        var source = CelebA.Open(rgb: true, new DataSearch(scratch.Path));
        Assert.Equal((3, 3, 0), (source.Capacity, source.TrainCapacity, source.TestCapacity));
        using var set = source.All(3);
        var expected = TestData.Fixture("pil-jpeg-32x32-rgb.bin");
        for (var c = 0; c < 3; c++)
        for (var i = 0; i < 1024; i++)
            Assert.Equal(expected[i * 3 + c] / 127.5 - 1, set.Images[2, c, i / 32, i % 32].item<float>(), 1e-6);
        Assert.Equal([1f, 0f, 1f], set.Attributes["Attribute_0"]);
        Assert.Equal([0f, 1f, 0f], set.Attributes["Attribute_1"]);
    }

    [Fact]
    public void WhatIsPreparedIsOpenedAgainWithTheSameImagesAndNeverOverwritten()
    {
        using var scratch = Official(images: 12);
        var file = CelebA.Prepare(scratch["celeba"], scratch["out"], 11);
        var prepared = CelebA.OpenPrepared(file);
        var official = CelebA.OpenOfficial(scratch["celeba"], 11);
        Assert.Equal((10, 1), (prepared.TrainCapacity, prepared.TestCapacity));
        using var a = prepared.All(11);
        using var b = official.All(11);
        Assert.Equal(b.Images.data<float>().ToArray(), a.Images.data<float>().ToArray());
        Assert.Equal(
            b.Attributes.OrderBy(x => x.Key).SelectMany(x => x.Value),
            a.Attributes.OrderBy(x => x.Key).SelectMany(x => x.Value)
        );

        var before = File.ReadAllBytes(file);
        Assert.Contains(
            "exists already",
            Assert.Throws<IOException>(() => CelebA.Prepare(scratch["celeba"], scratch["out"], 11)).Message
        );
        Assert.Equal(before, File.ReadAllBytes(file));
        Assert.Contains(
            "count must be at most 12",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => CelebA.Prepare(scratch["celeba"], scratch["out"], 13))
                .Message
        );
        Assert.Equal(2, Directory.GetFiles(scratch["out"]).Length);
    }

    [Fact]
    public void IndicesAndCountsOutsideAreRefusedByNumber()
    {
        using var scratch = Official(images: 12);
        var source = CelebA.OpenOfficial(scratch["celeba"]);
        Assert.Contains("was 12", Assert.Throws<ArgumentOutOfRangeException>(() => source.At(0, 12)).Message);
        Assert.Contains("was -1", Assert.Throws<ArgumentOutOfRangeException>(() => source.At(-1)).Message);
        Assert.Contains("at least one", Assert.Throws<ArgumentOutOfRangeException>(() => source.At()).Message);
        Assert.Contains("1 to 11", Assert.Throws<ArgumentOutOfRangeException>(() => source.Train(12)).Message);
        Assert.Contains("1 to 1,", Assert.Throws<ArgumentOutOfRangeException>(() => source.Test(2)).Message);
        Assert.Contains("1 to 12", Assert.Throws<ArgumentOutOfRangeException>(() => source.All(13)).Message);
    }

    [Fact]
    public void DamagedAndMissingPiecesOfTheOfficialFolderAreNamed()
    {
        using var scratch = Official(images: 3);
        var jpeg = TestData.Fixture("synthetic-178x218.jpg");
        CelebA Open() => CelebA.OpenOfficial(scratch["celeba"]);
        var second = scratch["celeba/img_align_celeba/000002.jpg"];

        File.WriteAllBytes(second, [1, 2, 3]);
        Assert.Contains(
            "000002.jpg' is not an image",
            Assert.Throws<InvalidDataException>(() => Open().All(3)).Message
        );
        File.WriteAllBytes(second, jpeg[..(jpeg.Length / 2)]);
        Assert.Contains(
            "000002.jpg' is a damaged image",
            Assert.Throws<InvalidDataException>(() => Open().All(3)).Message
        );
        using (var other = new SkiaSharp.SKBitmap(20, 10))
        using (var coded = other.Encode(SkiaSharp.SKEncodedImageFormat.Jpeg, 90))
            File.WriteAllBytes(second, coded.ToArray());
        Assert.Contains(
            "20 × 10, expected 178 × 218",
            Assert.Throws<InvalidDataException>(() => Open().All(3)).Message
        );
        File.Delete(second);
        Assert.Contains("000002.jpg", Assert.Throws<FileNotFoundException>(() => Open().All(3)).Message);
        using (var fine = Open().At(0, 2))
            Assert.Equal(2, fine.Count); // the others are not touched by it

        File.Delete(scratch["celeba/list_attr_celeba.txt"]);
        Assert.Contains("list_attr_celeba.txt", Assert.Throws<FileNotFoundException>(Open).Message);
        Assert.Contains(
            "img_align_celeba.zip",
            Assert.Throws<FileNotFoundException>(() => CelebA.OpenOfficial(scratch["out"])).Message
        );
    }

    [Theory]
    [InlineData("", "is empty")]
    [InlineData("hello", "begins with 'hello'")]
    [InlineData("3\nA B C\n", "names 3 different attributes")]
    [InlineData("3\nNAMES\n000001.jpg ROW\n", "ends after 1 of the 3 rows")]
    [InlineData("2\nNAMES\n000001.jpg ROW\n000003.jpg ROW\n", "line 4, is of '000003.jpg', expected 000002.jpg")]
    [InlineData("1\nNAMES\n000001.jpg 1 -1\n", "line 3, has 2 attributes")]
    [InlineData("1\nNAMES\n000001.jpg 2 ROW39\n", "the value '2'")]
    public void AMalformedListOfAttributesIsRefusedWithItsLine(string list, string reason)
    {
        using var scratch = Official(images: 1);
        var row = string.Join(' ', Enumerable.Repeat("-1", 40));
        File.WriteAllText(
            scratch["celeba/list_attr_celeba.txt"],
            list.Replace("NAMES", string.Join(' ', Names)).Replace("ROW39", row[..^3]).Replace("ROW", row)
        );
        Assert.Contains(
            reason,
            Assert.Throws<InvalidDataException>(() => CelebA.OpenOfficial(scratch["celeba"])).Message
        );
    }

    [Fact]
    public void APreparedFileWithoutItsTableOrOfAnotherShapeIsRefused()
    {
        using var scratch = Official(images: 3);
        var file = CelebA.Prepare(scratch["celeba"], scratch["out"], 2);
        var table = scratch["out/celeba-2-attributes.csv"];
        var rows = File.ReadAllLines(table);
        File.WriteAllLines(table, rows[..2]);
        Assert.Contains(
            "rows for 1 images",
            Assert.Throws<InvalidDataException>(() => CelebA.OpenPrepared(file)).Message
        );
        File.Delete(table);
        Assert.Contains(
            "celeba-2-attributes.csv",
            Assert.Throws<FileNotFoundException>(() => CelebA.OpenPrepared(file)).Message
        );
        IdxWriter.Write(scratch["out/x-32x32-y"], [1, 2, 2, 3], new byte[12]);
        Assert.Contains(
            "2 × 2 × 3, expected 32 × 32 × 3",
            Assert.Throws<InvalidDataException>(() => CelebA.OpenPrepared(scratch["out/x-32x32-y"])).Message
        );
        Assert.Contains(
            "data/README.md",
            Assert.Throws<MissingDataException>(() => CelebA.Open(folders: new DataSearch(scratch["out"]))).Message
        );
    }

    [Fact]
    public void SourcesAreOpenedByNameAndAnUnknownNameListsThem()
    {
        Assert.Equal("faces", ImageSources.Open(" Faces ", 32, 3).Name);
        Assert.Contains(
            "known are faces, fashion-mnist, celeba",
            Assert.Throws<ArgumentException>(() => ImageSources.Open("cifar")).Message
        );
        Assert.Contains(
            "was 64",
            Assert.Throws<ArgumentOutOfRangeException>(() => ImageSources.Open("celeba", 64)).Message
        );
    }

    // the same synthetic picture under every name; attribute a of image i is 1 where i + a is even
    private static ScratchFolder Official(int images)
    {
        var scratch = new ScratchFolder();
        var jpeg = TestData.Fixture("synthetic-178x218.jpg");
        var lines = new List<string> { $"{images}", string.Join(' ', Names) + " " };
        for (var i = 0; i < images; i++)
        {
            scratch.Write($"celeba/img_align_celeba/{i + 1:D6}.jpg", jpeg);
            lines.Add(
                $"{i + 1:D6}.jpg "
                    + $"{string.Join(' ', Enumerable.Range(0, 40).Select(a => (i + a) % 2 == 0 ? " 1" : "-1"))}"
            );
        }
        scratch.Write(
            "celeba/list_attr_celeba.txt",
            System.Text.Encoding.ASCII.GetBytes(string.Join("\r\n", lines) + "\r\n")
        );
        return scratch;
    }
}
