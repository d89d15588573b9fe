using BalancedDiffusion.Datasets;
using BalancedDiffusion.Generation;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Tests.Datasets;
using BalancedDiffusion.Tests.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Generation;

public sealed class ImageSetTests : IDisposable
{
    private readonly ScratchFolder scratch = new();
    private int drawn;

    public void Dispose() => scratch.Dispose();

    private static IReadOnlyList<PromptLine> Classes(params long[] classes) =>
        [.. classes.Select(c => new PromptLine(null, c, default))];

    private static IReadOnlyList<GeneratedImage> Plan(int each = 3, string? settings = null) =>
        ImageSet.Plan(Classes(4, 9, 4), each, 1, "net", "memorized", settings);

    /// <summary>An image of the seed and class, whatever stands beside it.</summary>
    private torch.Tensor Draw(IReadOnlyList<GeneratedImage> images)
    {
        drawn += images.Count;
        using var scope = torch.NewDisposeScope();
        return torch
            .cat(
                [
                    .. images.Select(image =>
                        GaussianNoise.Draw([1, 3, 5, 7], image.Seed) * 0.4 + image.Class!.Value / 10.0
                    ),
                ],
                0
            )
            .MoveToOuterDisposeScope();
    }

    private Dictionary<string, byte[]> Files(string folder) =>
        Directory
            .EnumerateFiles(scratch[folder], "*", SearchOption.AllDirectories)
            .ToDictionary(f => Path.GetRelativePath(scratch[folder], f), File.ReadAllBytes);

    [Fact]
    public void ThePlanGivesEveryImageASeedAndAFileOfItsOwnAndALongerOneKeepsThem()
    {
        var plan = Plan();
        Assert.Equal(9, plan.Count);
        Assert.Equal(9, plan.Select(i => i.Seed).Distinct().Count());
        Assert.Equal(["memorized/00000-000.png", "memorized/00000-001.png"], plan.Take(2).Select(i => i.File));
        Assert.Equal([4L, 4, 4, 9, 9, 9, 4, 4, 4], plan.Select(i => i.Class));
        Assert.Empty(plan.Except(Plan(5)));
        Assert.Equal(
            "a prompt",
            ImageSet.Plan([new PromptLine("a prompt", null, default)], 1, 1, "net").Single().Prompt
        );
        Assert.Equal("images/00000-000.png", ImageSet.Plan(Classes(1), 1, 1, "net").Single().File);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    public void ASetThatIsBrokenOffAnywhereAndGoneOnWithIsTheSameSet(int batch)
    {
        ImageSet.Draw(scratch["whole"], Plan(), Draw, batch: 9);
        var whole = Files("whole");
        Assert.Equal(10, whole.Count);
        for (var stop = 0; stop <= 9; stop++)
        {
            var folder = $"broken-{stop}";
            using var cancel = new CancellationTokenSource();
            var reported = new List<int>();
            try
            {
                ImageSet.Draw(
                    scratch[folder],
                    Plan(),
                    images =>
                    {
                        if (drawn >= stop)
                            cancel.Cancel();
                        return Draw(images);
                    },
                    batch,
                    cancellation: cancel.Token
                );
            }
            catch (OperationCanceledException)
            {
                Assert.InRange(GenerationManifest.Read(scratch[$"{folder}/images.jsonl"]).Count, 1, 8);
            }
            // What a killed process leaves: a line cut off, an image that is not listed, a file half written.
            File.AppendAllText(scratch[$"{folder}/images.jsonl"], "{\"file\":\"memor");
            (var before, drawn) = (GenerationManifest.Read(scratch[$"{folder}/images.jsonl"]).Count, 0);
            if (before < 9)
                scratch.Write($"{folder}/{Plan()[before].File}", 1, 2, 3);
            Assert.Equal(
                9 - before,
                ImageSet.Draw(scratch[folder], Plan(), Draw, batch, new CallbackProgress<int>(reported.Add))
            );
            Assert.Equal((before, 9), (reported[0], reported[^1]));
            Assert.Equal(9 - before, drawn);
            var again = Files(folder);
            Assert.Equal(whole.Keys.Order(), again.Keys.Order());
            foreach (var (name, bytes) in whole)
                Assert.Equal(bytes, again[name]);
            Assert.Equal(0, ImageSet.Draw(scratch[folder], Plan(), Draw, batch));
            drawn = 0;
        }
    }

    [Fact]
    public void ImagesComeBackWithinHalfAGreyStepInTheOrderAskedFor()
    {
        using var scope = torch.NewDisposeScope();
        var plan = Plan();
        ImageSet.Draw(scratch["set"], plan, Draw);
        var expected = Draw(plan).clamp(-1, 1);
        Assert.True((ImageSet.Read(scratch["set"]) - expected).abs().max().item<float>() <= 1 / 255.0 + 1e-6);
        var some = ImageSet.Read(scratch["set"], [plan[7], plan[0]]);
        Assert.True(
            (some - expected.index_select(0, torch.tensor([7L, 0L]))).abs().max().item<float>() <= 1 / 255.0 + 1e-6
        );
        ImageSet.Draw(scratch["grey"], Plan(1), images => Draw(images)[.., ..1]);
        var grey = ImageSet.Read(scratch["grey"]);
        Assert.Equal([3, 3, 5, 7], grey.shape);
        Assert.Equal(0, (grey[.., 0] - grey[.., 2]).abs().max().item<float>());
    }

    [Fact]
    public void TheAuthorsListsAreWrittenAndReadBack()
    {
        using var scope = torch.NewDisposeScope();
        var prompts = new[] { "a \"quoted\" café", "second" };
        var plan = ImageSet.Plan(prompts.Select(p => new PromptLine(p, null, default)), 1, 1, "net", "mem");
        ImageSet.Draw(scratch["samples/run"], plan, images => Draw([.. images.Select(i => i with { Class = 3 })]));
        ImageSet.WriteAuthorsList(scratch["samples/run"], scratch["samples/run_all.jsonl"]);
        Assert.Equal(prompts, PromptList.Read(scratch["samples/run_all.jsonl"]).Select(l => l.Text));
        Assert.Equal(
            0,
            (
                ImageSet.ReadFiles(ImageSet.FilesOf(scratch["samples/run_all.jsonl"]))
                - ImageSet.Read(scratch["samples/run"])
            )
                .abs()
                .max()
                .item<float>()
        );
        // As the authors' code writes it: from the folder above the list.
        string List(string url) =>
            scratch.Write(
                "samples/theirs.jsonl",
                System.Text.Encoding.UTF8.GetBytes($"{{\"url\": \"{url}\", \"prompt\": \"caf\\u00e9\"}}\n")
            );
        Assert.Equal(
            [Path.GetFullPath(scratch["samples/run/mem/00001-000.png"])],
            ImageSet.FilesOf(List("samples/run/mem/00001-000.png")).Select(Path.GetFullPath)
        );
        Assert.StartsWith(
            "the image 'gone.png' of 'theirs.jsonl' is neither beside the list nor",
            Assert.Throws<FileNotFoundException>(() => ImageSet.FilesOf(List("gone.png"))).Message
        );
        Assert.StartsWith(
            "line 1 of 'plain.txt' names no image",
            Assert.Throws<InvalidDataException>(() => ImageSet.FilesOf(scratch.Write("plain.txt", 65))).Message
        );
    }

    [Fact]
    public void AnotherSettingDoesNotOverwriteWhatIsThere()
    {
        ImageSet.Draw(scratch["set"], Plan(), Draw);
        var before = Files("set");
        drawn = 0;
        Assert.StartsWith(
            "'memorized/00000-000.png' holds another image already",
            Assert
                .Throws<ArgumentException>(() => ImageSet.Draw(scratch["set"], Plan(settings: "5 steps"), Draw))
                .Message
        );
        var twice = Plan();
        Assert.StartsWith(
            "'memorized/00000-000.png' holds another image already",
            Assert
                .Throws<ArgumentException>(() =>
                    ImageSet.Draw(scratch["other"], [twice[0], twice[1] with { File = twice[0].File }], Draw)
                )
                .Message
        );
        Assert.Equal(0, drawn);
        Assert.All(before, file => Assert.Equal(file.Value, Files("set")[file.Key]));
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        Assert.StartsWith(
            "plan must hold at least one image",
            Assert.Throws<ArgumentException>(() => ImageSet.Draw(scratch["x"], [], Draw)).Message
        );
        Assert.StartsWith(
            "conditions must hold at least one",
            Assert.Throws<ArgumentException>(() => ImageSet.Plan([], 1, 1, "net")).Message
        );
        Assert.StartsWith(
            "each must be at least 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => ImageSet.Plan(Classes(1), 0, 1, "net")).Message
        );
        Assert.Contains(
            "was '../up'",
            Assert.Throws<ArgumentException>(() => ImageSet.Plan(Classes(1), 1, 1, "net", "../up")).Message
        );
        Assert.StartsWith(
            "9 images of shape (1 or 3, height, width) were to be drawn, got (9, 4, 5, 5)",
            Assert
                .Throws<InvalidOperationException>(() =>
                    ImageSet.Draw(scratch["x"], Plan(), _ => torch.zeros(9, 4, 5, 5), batch: 9)
                )
                .Message
        );
        Assert.Contains(
            "hold NaN or infinity",
            Assert
                .Throws<InvalidOperationException>(() =>
                    ImageSet.Draw(scratch["x"], Plan(), images => Draw(images) * double.NaN)
                )
                .Message
        );
        Assert.Empty(GenerationManifest.Read(scratch["x/images.jsonl"]));
        Assert.StartsWith(
            "'bad.png' is not an image; draw or copy it again",
            Assert
                .Throws<InvalidDataException>(() => ImageSet.ReadFiles(scratch.Write("bad.png", 1, 2, 3)))
                .Message.Replace(scratch.Path + Path.DirectorySeparatorChar, "")
        );
        Assert.StartsWith(
            "there is no image 'none.png'",
            Assert.Throws<FileNotFoundException>(() => ImageSet.ReadFiles(scratch["none.png"])).Message
        );
        ImageSet.Draw(scratch["a"], Plan(1), images => Draw(images));
        ImageSet.Draw(scratch["b"], Plan(1), images => Draw(images)[.., .., .., ..4]);
        Assert.Contains(
            "has 4×5 pixels and '00000-000.png' 7×5; give images of one size",
            Assert
                .Throws<InvalidDataException>(() =>
                    ImageSet.ReadFiles(scratch["a/memorized/00000-000.png"], scratch["b/memorized/00000-000.png"])
                )
                .Message
        );
    }
}
