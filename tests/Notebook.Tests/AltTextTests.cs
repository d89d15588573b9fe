using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner.Kernel;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook.Tests;

public class AltTextTests
{
    private static readonly double[] X = [1, 10, 100],
        Y = [4, 5, 6];

    [Fact]
    public void AChartSaysItsKindItsMessageItsAxesAndItsSeries()
    {
        var chart = Plot.Lines(
            [
                Plot.Curve("trained", X, Y).WithBand([3, 4, 5], [5, 6, 7]),
                Plot.Curve("predicted <i>q</i>", X, Y),
                Plot.Level("floor", 2, 1, 100),
            ],
            "samples n",
            "loss (nat)",
            logX: true
        );
        Assert.Equal(
            "Line chart: Loss against n. It falls. X: samples n (logarithmic). Y: loss (nat). 3 curves: "
                + "trained; predicted q; floor.",
            Alt(chart, "Loss against `n`", "It falls")
        );
    }

    [Fact]
    public void EveryKindOfChartHasItsWords()
    {
        Assert.Equal(
            "Scatter plot: T? See. X: a (s). Y: b (m). 1 set: measured.",
            Alt(Plot.Scatter([Plot.Curve("measured", X, Y)], "a (s)", "b (m)"), "T?", "See.")
        );
        Assert.Equal(
            "Bar chart: T. See. X: optimizer. Y: b (m). Places: SGD; Adam. 2 groups: one; two.",
            Alt(
                Plot.Bars(
                    ["SGD", "Adam"],
                    [Plot.BarGroup("one", [1, 2]), Plot.BarGroup("two", [1, 2])],
                    "optimizer",
                    "b (m)"
                ),
                "T",
                "See."
            )
        );
        Assert.Equal(
            "Histogram: T. See. X: v (s). Y: share of the sample (%). 1 sample: a.",
            Alt(Plot.Histogram([("a", X)], "v (s)"), "T", "See.")
        );
        Assert.Equal(
            "Heatmap: T. See. X: duplicates. Y: penalty. 1 rows by 3 columns. Colour: norm. 1 curve: predicted.",
            Alt(
                Plot.Heatmap(
                    new double[,]
                    {
                        { 1, 2, 3 },
                    },
                    [1, 2, 3],
                    [2],
                    "duplicates",
                    "penalty",
                    "norm",
                    over: [Plot.Curve("predicted", X, Y)]
                ),
                "T",
                "See."
            )
        );
    }

    [Fact]
    public void AGridDescribesItsChartsOneByOne()
    {
        var one = Plot.Lines([Plot.Curve("a", X, Y), Plot.Curve("b", X, Y)], "x (s)", "y (m)");
        var two = Plot.Scatter([Plot.Curve("a", X, Y)], "u (s)", "v (m)");
        Assert.Equal(
            "2 charts: T. See. left (line chart). X: x (s). Y: y (m). 2 curves: a; b. right (scatter plot). "
                + "X: u (s). Y: v (m). 1 set: a.",
            Alt(Plot.Grid(2, ("left", one), ("right", two)), "T", "See.")
        );
    }

    [Fact]
    public void AGridOfImagesSaysItsRowsAndCaptions()
    {
        Assert.Equal(
            "6 images in 2 rows of 3: T. See. Rows: clean; noisy. Captions: a; b; c; d; e; f.",
            AltText.OfImages(6, 3, "T", "See.", ["clean", "noisy"], ["a", "b", "c", "d", "e", "f"])
        );
        Assert.Equal("One image: T. See.", AltText.OfImages(1, 1, "T", "See."));
        Assert.EndsWith(
            "n15; and 4 more.",
            AltText.OfImages(20, 10, "T", "See.", null, [.. Enumerable.Range(0, 20).Select(i => $"n{i}")])
        );
    }

    [Fact]
    public void WhatIsShownReachesTheMetadataOfEachFormOfAPublishedOutput()
    {
        var data = new JsonObject
        {
            ["image/png"] = "AQID",
            ["application/vnd.plotly.v1+json"] = new JsonObject(),
            ["text/plain"] = NotebookText.Split(
                "[Figure 1.2: Four squares]\nRow of 4 images: Four squares. All are grey."
            ),
        };
        var output = new JsonObject { ["data"] = data, ["metadata"] = PictureText.Metadata(data) };
        Assert.Equal("Row of 4 images: Four squares. All are grey.", PictureText.Of(output, "image/png"));
        Assert.Equal(
            "Row of 4 images: Four squares. All are grey.",
            PictureText.Of(output, "application/vnd.plotly.v1+json")
        );
        Assert.Null(PictureText.Of(output, "text/plain"));
        Assert.Empty(
            PictureText.Metadata(new JsonObject { ["image/png"] = "AQID", ["text/plain"] = "a picture without words" })
        );
    }

    [Fact]
    public void TheCollectorWritesTheWordsBesideThePicture()
    {
        var collector = new OutputCollector(new OutputScrubber("/srv/clone"));
        var body = System.Text.Json.JsonSerializer.SerializeToElement(
            new
            {
                formattedValues = new object[]
                {
                    new { mimeType = "image/png", value = "AQID" },
                    new { mimeType = "text/plain", value = "[Figure 1: A [b]]\nIt shows 7." },
                },
            }
        );
        collector.Add(new KernelEvent("DisplayedValueProduced", "cell-1", body));
        Assert.Equal(
            """{"image/png":{"alt":"It shows 7."}}""",
            collector.Outputs("cell-1", 1)[0]!["metadata"]!.ToJsonString()
        );
    }

    private static string Alt(Plotly.NET.GenericChart chart, string title, string takeaway)
    {
        var (json, _, alt) = Figure.Prepare(chart, "1.1", title, takeaway);
        Assert.Equal(alt, (string?)JObject.Parse(json)["layout"]!["meta"]!["alt"]);
        return alt;
    }
}
