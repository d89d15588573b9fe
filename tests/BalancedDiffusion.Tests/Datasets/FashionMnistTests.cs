using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Tests.Datasets;

public class FashionMnistTests
{
    [Fact]
    public void TheRealDataSetHasItsSizesLabelsAndPixels()
    {
        TestData.RequireOrSkip("fashion-mnist/train-images-idx3-ubyte.gz");
        var source = FashionMnist.Open(folders: TestData.Search);
        Assert.Equal(
            (60_000, 10_000, true, "fashion-mnist"),
            (source.TrainCapacity, source.TestCapacity, source.MayBePublished, source.Name)
        );
        using var train = source.Train(2000);
        Assert.Equal([2000, 1, 28, 28], train.Images.shape);
        Assert.Equal([9, 0, 0, 3, 0, 2, 7, 2, 5, 5], train.Labels!.Take(10)); // the published first labels
        Assert.Equal("Ankle boot", FashionMnist.ClassNames[train.Labels![0]]);
        Assert.Equal((-1f, 1f), (train.Images.min().item<float>(), train.Images.max().item<float>()));
        using var test = source.Test(10_000);
        Assert.Equal([9, 2, 1, 1, 6], test.Labels!.Take(5));
        Assert.All(Enumerable.Range(0, 10), label => Assert.Equal(1000, test.Labels!.Count(l => l == label)));
        // the published mean and standard deviation of the training pixels are .2860 and .3530 on [0, 1]
        using var all = source.Train(60_000);
        Assert.Equal(0.2860, (all.Images.mean().item<float>() + 1) / 2, 1e-3);
        Assert.Equal(0.3530, all.Images.std().item<float>() / 2, 1e-3);
    }

    [Fact]
    public void PixelsAreScaledAndAMarginIsBlack()
    {
        using var scratch = Fake(images: 3);
        var plain = FashionMnist.Open(28, new DataSearch(scratch.Path)).Train(2);
        var padded = FashionMnist.Open(32, new DataSearch(scratch.Path)).Train(2);
        Assert.Equal([2, 1, 32, 32], padded.Images.shape);
        for (var n = 0; n < 2; n++)
        for (var y = 0; y < 32; y++)
        for (var x = 0; x < 32; x++)
        {
            var inside = x is >= 2 and < 30 && y is >= 2 and < 30;
            var expected = inside ? Pixel(n, y - 2, x - 2) / 127.5 - 1 : -1;
            Assert.Equal(expected, padded.Images[n, 0, y, x].item<float>(), 1e-6);
            if (inside)
                Assert.Equal(expected, plain.Images[n, 0, y - 2, x - 2].item<float>(), 1e-6);
        }
        plain.Dispose();
        padded.Dispose();
    }

    [Fact]
    public void TheSameCallGivesTheSameImagesAndCapacityIsGuarded()
    {
        using var scratch = Fake(images: 3);
        var source = FashionMnist.Open(28, new DataSearch(scratch.Path));
        using var a = source.Train(3);
        using var b = source.Train(3);
        using var c = source.Train(1);
        Assert.Equal(a.Images.data<float>().ToArray(), b.Images.data<float>().ToArray());
        Assert.Equal(a.Images.data<float>().ToArray()[..784], c.Images.data<float>().ToArray());
        Assert.Contains(
            "1 to 3, the number of training images of fashion-mnist, was 4",
            Assert.Throws<ArgumentOutOfRangeException>(() => source.Train(4)).Message
        );
        Assert.Contains("was 0", Assert.Throws<ArgumentOutOfRangeException>(() => source.Test(0)).Message);
        Assert.Contains("was 30", Assert.Throws<ArgumentOutOfRangeException>(() => FashionMnist.Open(30)).Message);
    }

    [Fact]
    public void MissingFilesAreToldWithTheNameOfTheirEntry()
    {
        using var scratch = new ScratchFolder();
        var missing = Assert.Throws<MissingDataException>(() =>
            FashionMnist.Open(folders: new DataSearch(scratch.Path))
        );
        Assert.Equal("fashion-mnist", missing.EntryName);
        Assert.Equal("fashion-mnist/train-images-idx3-ubyte.gz", missing.FileName);
        Assert.StartsWith("'fashion-mnist/train-images-idx3-ubyte.gz' of 'fashion-mnist' was not", missing.Message);
        Assert.Contains(scratch.Path, missing.Message);
    }

    [Fact]
    public void FilesThatDoNotBelongTogetherAreRefused()
    {
        using var scratch = Fake(images: 3);
        var search = new DataSearch(scratch.Path);
        IdxWriter.Write(scratch["train-labels-idx1-ubyte"], [2], [1, 2]);
        Assert.Contains(
            "2 labels for the 3 images",
            Assert.Throws<InvalidDataException>(() => FashionMnist.Open(28, search).Train(1)).Message
        );
        IdxWriter.Write(scratch["train-labels-idx1-ubyte"], [3], [1, 2, 10]);
        Assert.Contains(
            "image 2 the label 10",
            Assert.Throws<InvalidDataException>(() => FashionMnist.Open(28, search).Train(1)).Message
        );
        IdxWriter.Write(scratch["train-images-idx3-ubyte"], [1, 2, 2], [1, 2, 3, 4]);
        Assert.Contains(
            "2 × 2 pixels",
            Assert.Throws<InvalidDataException>(() => FashionMnist.Open(28, search)).Message
        );
    }

    // directly in a data folder, without the folder fashion-mnist, and unpacked
    private static ScratchFolder Fake(int images)
    {
        var scratch = new ScratchFolder();
        var pixels = new byte[images * 784];
        for (var n = 0; n < images; n++)
        for (var y = 0; y < 28; y++)
        for (var x = 0; x < 28; x++)
            pixels[(n * 28 + y) * 28 + x] = Pixel(n, y, x);
        foreach (var part in new[] { "train", "t10k" })
        {
            IdxWriter.Write(scratch[$"{part}-images-idx3-ubyte"], [images, 28, 28], pixels);
            IdxWriter.Write(scratch[$"{part}-labels-idx1-ubyte"], [images], new byte[images]);
        }
        return scratch;
    }

    private static byte Pixel(int n, int y, int x) => (byte)(n * 91 + y * 13 + x * 7);
}
