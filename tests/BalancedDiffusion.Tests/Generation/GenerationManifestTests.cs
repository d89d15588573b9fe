using System.Text;
using System.Text.Json;
using BalancedDiffusion.Generation;
using BalancedDiffusion.Tests.Datasets;

namespace BalancedDiffusion.Tests.Generation;

public sealed class GenerationManifestTests : IDisposable
{
    private readonly ScratchFolder scratch = new();

    private string ListPath => scratch["set/images.jsonl"];

    public void Dispose() => scratch.Dispose();

    private GeneratedImage Drawn(int number, string network = "TensorModule with 3 weights, checksum 00000001")
    {
        scratch.Write($"set/images/{number:0000}.png", (byte)number);
        return new GeneratedImage($"images/{number:0000}.png", number, network)
        {
            Prompt = $"prompt \"{number}\" ü\n…",
            Group = "memorized",
        };
    }

    [Fact]
    public void ImagesComeBackAsTheyWereListedAndEachLineIsAnObjectOfItsOwn()
    {
        var image = Drawn(2) with { Class = 207, Settings = "50 steps, guidance 7.5" };
        using (var manifest = GenerationManifest.Open(ListPath))
        {
            Assert.Empty(manifest.Images);
            Assert.True(manifest.Append(Drawn(1)));
            Assert.True(manifest.Append(image));
        }
        var lines = File.ReadAllLines(ListPath);
        Assert.Equal(2, lines.Length);
        using (var json = JsonDocument.Parse(lines[1]))
            Assert.Equal(
                ("images/0002.png", 2, 207, image.Prompt),
                (
                    json.RootElement.GetProperty("file").GetString(),
                    json.RootElement.GetProperty("seed").GetInt32(),
                    json.RootElement.GetProperty("class").GetInt32(),
                    json.RootElement.GetProperty("prompt").GetString()
                )
            );
        Assert.False(JsonDocument.Parse(lines[0]).RootElement.TryGetProperty("class", out _));
        Assert.Equal([Drawn(1), image], GenerationManifest.Read(ListPath));
    }

    [Fact]
    public void AListCutAnywhereGoesOnFromItsLastWholeLine()
    {
        using (var manifest = GenerationManifest.Open(ListPath))
            foreach (var number in new[] { 1, 2, 3 })
                manifest.Append(Drawn(number));
        var whole = File.ReadAllBytes(ListPath);
        var ends = whole.Select((b, i) => (b, i)).Where(x => x.b == '\n').Select(x => x.i + 1).ToArray();
        for (var length = 0; length <= whole.Length; length++)
        {
            // every place near the ends of lines, and every ninth between them
            if (length % 9 != 0 && !ends.Any(end => Math.Abs(end - length) < 4))
                continue;
            File.WriteAllBytes(ListPath, whole[..length]);
            var kept = ends.Count(end => end <= length);
            Assert.Equal(kept, GenerationManifest.Read(ListPath).Count);
            using (var manifest = GenerationManifest.Open(ListPath))
            {
                Assert.Equal(
                    (kept, length - (kept == 0 ? 0 : ends[kept - 1])),
                    (manifest.Images.Count, manifest.Dropped)
                );
                foreach (var image in manifest.Missing([Drawn(1), Drawn(2), Drawn(3), Drawn(3)]).ToList())
                    Assert.True(manifest.Append(image));
            }
            Assert.Equal(whole, File.ReadAllBytes(ListPath));
        }
    }

    [Fact]
    public void WhatIsListedIsNotListedTwiceAndAnotherNetworkOrSettingIsAnotherImage()
    {
        using var manifest = GenerationManifest.Open(ListPath);
        var image = Drawn(1);
        Assert.True(manifest.Append(image));
        Assert.False(manifest.Append(image with { File = "images/elsewhere.png" }));
        Assert.True(manifest.Contains(image));
        var other = Drawn(9, "another network");
        GeneratedImage[] plan =
        [
            image,
            image with
            {
                Seed = 2,
            },
            image with
            {
                Seed = 2,
                File = "b.png",
            },
            image with
            {
                Settings = "5 steps",
            },
            image with
            {
                Network = other.Network,
            },
            image with
            {
                Group = null,
            },
        ];
        Assert.Equal([plan[1], plan[3], plan[4], plan[5]], manifest.Missing(plan));
    }

    [Fact]
    public void AnImageMustBeThereInsideTheFolderAndUnderANameOfItsOwn()
    {
        using var manifest = GenerationManifest.Open(ListPath);
        manifest.Append(Drawn(1));
        var length = new FileInfo(ListPath).Length;
        Assert.Contains(
            "'images/none.png' is not there; write the image first",
            Assert.Throws<ArgumentException>(() => manifest.Append(Drawn(2) with { File = "images/none.png" })).Message
        );
        Assert.Contains(
            "was '../x.png'",
            Assert.Throws<ArgumentException>(() => manifest.Append(Drawn(2) with { File = "../x.png" })).Message
        );
        Assert.Contains(
            "was '/x.png'",
            Assert.Throws<ArgumentException>(() => manifest.Append(Drawn(2) with { File = "/x.png" })).Message
        );
        Assert.Contains(
            "is the file of another image",
            Assert.Throws<ArgumentException>(() => manifest.Append(Drawn(2) with { File = "images/0001.png" })).Message
        );
        Assert.Equal(length, new FileInfo(ListPath).Length);
    }

    [Fact]
    public void TwoRunsCannotWriteOneList()
    {
        using var first = GenerationManifest.Open(ListPath);
        Assert.Contains(
            "see that no other run is drawing the same images",
            Assert.Throws<IOException>(() => GenerationManifest.Open(ListPath)).Message
        );
    }

    [Fact]
    public void BadLinesAreNamedByNumberAndTheFileStaysAsItWas()
    {
        var text =
            "{\"file\":\"a.png\",\"seed\":1,\"network\":\"n\"}\r\n\nnonsense\n"
            + "{\"file\":\"b.png\",\"seed\":\"two\",\"network\":\"n\"}\n{\"file\":\"b.png\",\"seed\":2}\n"
            + "{\"file\":\"c.png\",\"seed\":3,\"network\":\"n\"}\n{\"file\":";
        scratch.Write("set/images.jsonl", Encoding.UTF8.GetBytes(text));
        var message = Assert.Throws<InvalidDataException>(() => GenerationManifest.Open(ListPath)).Message;
        Assert.StartsWith(
            "the list of images 'images.jsonl' cannot be read: line 3 ('nonsense'); line 4 "
                + "('{\"file\":\"b.png\",\"seed\":\"two\"",
            message
        );
        Assert.Contains("line 5", message);
        Assert.DoesNotContain("line 6", message);
        Assert.Equal(text, File.ReadAllText(ListPath));
    }
}
