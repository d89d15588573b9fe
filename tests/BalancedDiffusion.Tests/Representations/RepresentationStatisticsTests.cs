using System.Text.Json;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Tests.Datasets;
using TorchSharp;

namespace BalancedDiffusion.Tests.Representations;

public class RepresentationStatisticsTests
{
    // A line as the authors' code writes it (its keys, its spaces), with numbers of this code: 3, 4, 0, 0.
    private const string Line =
        """{"url": "samples/mem/000003.png", "prompt": "a \"quoted\" caf\u00e9", "check_timestep": 10"""
        + """, "pooling": "spatial_max", "features": {"up_blocks.0.resnets.2.nonlinearity": """
        + """{"std": 1.7853571, "l2": 5.0, "l4_over_l2": 0.85}}}""";
    private const string Layer = "up_blocks.0.resnets.2.nonlinearity";

    [Fact]
    public void TheAuthorsLinesAreRead()
    {
        using var scratch = new ScratchFolder();
        var lines = RepresentationStatistics.Read(
            scratch.Write(
                "stats.jsonl",
                System.Text.Encoding.UTF8.GetBytes(Line + "\n\n" + Line.Replace("1.7853571", "0.5") + "\n")
            )
        );
        Assert.Equal(
            ("samples/mem/000003.png", "a \"quoted\" café", 10.0, "spatial_max"),
            (lines[0].Url, lines[0].Prompt, lines[0].CheckTimestep, lines[0].Pooling)
        );
        Assert.Equal([1.7853571, 0.5], RepresentationStatistics.Values(lines, Layer));
        Assert.Equal([0.85, 0.85], RepresentationStatistics.Values(lines, Layer, f => f.L4OverL2));
        Assert.Contains(
            "has no layer 'mid'; it has 'up_blocks.0",
            Assert.Throws<ArgumentException>(() => RepresentationStatistics.Values(lines, "mid")).Message
        );
    }

    [Fact]
    public void TheNumbersAreThoseOfTheCode()
    {
        using var representations = torch.tensor(new double[] { 3, 4, 0, 0, 1, 1, 1, 1 }, [2, 4]);
        var found = RepresentationStatistics.Of(representations);
        Assert.Equal(Math.Sqrt(25 / 4.0 - 49 / 16.0), found[0].StandardDeviation, 1e-12);
        Assert.Equal((5.0, 0.0, 2.0), (found[0].Norm, found[1].StandardDeviation, found[1].Norm));
        Assert.Equal(Math.Pow(81 + 256, 0.25) / 5, found[0].L4OverL2, 1e-12);
        Assert.Equal(Math.Pow(4, 0.25) / 2, found[1].L4OverL2, 1e-12);
    }

    [Fact]
    public void WhatIsWrittenHasTheAuthorsKeysAndComesBack()
    {
        using var scratch = new ScratchFolder();
        using var representations = torch.tensor(new double[] { 3, 4, 0, 0, 1, 2, 5, 1 }, [2, 4]);
        var lines = RepresentationStatistics
            .Of(representations)
            .Select(
                (features, i) =>
                    new RepresentationStatistics(
                        $"images/{i}.png",
                        i == 0 ? "" : "naïve",
                        50,
                        "channel_mean",
                        new Dictionary<string, RepresentationFeatures> { [Layer] = features }
                    )
            )
            .ToList();
        RepresentationStatistics.Write(scratch["deep/stats.jsonl"], lines);
        using (var json = JsonDocument.Parse(File.ReadLines(scratch["deep/stats.jsonl"]).First()))
        {
            Assert.Equal(
                ["url", "prompt", "check_timestep", "pooling", "features"],
                json.RootElement.EnumerateObject().Select(p => p.Name)
            );
            Assert.Equal(
                ["std", "l2", "l4_over_l2"],
                json.RootElement.GetProperty("features").GetProperty(Layer).EnumerateObject().Select(p => p.Name)
            );
        }
        var read = RepresentationStatistics.Read(scratch["deep/stats.jsonl"]);
        Assert.Equal(
            lines.Select(l => (l.Url, l.Prompt, l.CheckTimestep, l.Pooling, l.Features[Layer])),
            read.Select(l => (l.Url, l.Prompt, l.CheckTimestep, l.Pooling, l.Features[Layer]))
        );
        Assert.Equal(["deep/stats.jsonl"], scratch.Files.Select(f => f.Replace('\\', '/')));
    }

    [Fact]
    public void BadLinesAreNamedByNumber()
    {
        using var scratch = new ScratchFolder();
        string Refusal(string text) =>
            Assert
                .Throws<InvalidDataException>(() =>
                    RepresentationStatistics.Read(scratch.Write("bad.jsonl", System.Text.Encoding.UTF8.GetBytes(text)))
                )
                .Message;
        Assert.Equal(
            "the list of representations 'bad.jsonl' cannot be read: line 2 ('nonsense'); line 3 ('{\"url\": \"x\"}'); "
                + "line 4 ('null'); each line must be an object with url, prompt, check_timestep, pooling and "
                + "features",
            Refusal(Line + "\nnonsense\n{\"url\": \"x\"}\nnull\n")
        );
        Assert.Contains("line 1 (", Refusal(Line.Replace("1.7853571", "\"high\"")));
        Assert.Throws<FileNotFoundException>(() => RepresentationStatistics.Read(scratch["none.jsonl"]));
    }
}
