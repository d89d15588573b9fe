using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook.Tests;

[Collection("claims")]
public class FigureTests
{
    private static readonly double[] X = [1, 2, 3],
        Y = [4, 5, 6];

    [Fact]
    public void AnAxisWithoutATitleIsRefusedAndNamed()
    {
        var bare = Plotly.NET.CSharp.Chart.Line<double, double, string>(X, Y);
        Assert.Contains(
            "x axis",
            Assert.Throws<ArgumentException>(() => Figure.Prepare(bare, "1.1", "t", "see")).Message
        );
        Assert.Contains(
            "y axis",
            Assert.Throws<ArgumentException>(() => Figure.Prepare(bare, "1.1", "t", "see", xTitle: "time (s)")).Message
        );
        var json = JObject.Parse(Figure.Prepare(bare, "1.1", "t", "see", "time (s)", "length (m)").Json);
        Assert.Equal("length (m)", (string?)json["layout"]!["yaxis"]!["title"]!["text"]);
    }

    [Theory]
    [InlineData("", "t", "see")]
    [InlineData("1.1", " ", "see")]
    [InlineData("1.1", "t", "")]
    public void AFigureNeedsItsWords(string id, string title, string takeaway) =>
        Assert.Contains(
            "was empty",
            Assert
                .Throws<ArgumentException>(() =>
                    Figure.Prepare(Plot.Lines([Plot.Curve("a", X, Y)], "x (s)", "y (m)"), id, title, takeaway)
                )
                .Message
        );

    [Fact]
    public void LinesOverAHeatmapKeepTheirNumbersAndTheViewOfTheCells()
    {
        var values = new double[,]
        {
            { 1, 2, 3 },
            { 4, 5, 6 },
        };
        var chart = Plot.Heatmap(
            values,
            [1, 10, 100],
            [2, 4],
            "duplicates",
            "penalty",
            "norm",
            logX: true,
            over: [Plot.Curve("predicted", [0.01, 1e4], [1, 9])]
        );
        var figure = JObject.Parse(Figure.Prepare(chart, "1.1", "t", "see").Json);
        var traces = (JArray)figure["data"]!;
        Assert.Equal(["heatmap", "scatter", "scatter"], traces.Select(t => (string?)t["type"]));
        Assert.Equal([0.01, 1e4], traces[2]["x"]!.Select(v => (double)v));
        Assert.Equal([1.0, 9], traces[2]["y"]!.Select(v => (double)v));
        Assert.Equal(1, traces.Count(t => (bool?)t["showlegend"] == true && (string?)t["name"] == "predicted"));
        // On a logarithmic axis the cells' edges lie half way between their places in decades.
        Assert.Equal([-0.5, 0.5, 1.5, 2.5], traces[0]["x"]!.Select(v => Math.Round(Math.Log10((double)v), 4)));
        Assert.Equal([2.0, 4], traces[0]["y"]!.Select(v => (double)v));
        Assert.Equal([-0.5, 2.5], figure["layout"]!["xaxis"]!["range"]!.Select(v => (double)v));
        Assert.Equal([1.0, 5], figure["layout"]!["yaxis"]!["range"]!.Select(v => (double)v));
        Assert.Contains(
            "'predicted' has -1",
            Assert
                .Throws<ArgumentException>(() =>
                    Plot.Heatmap(
                        values,
                        [1, 10, 100],
                        [2, 4],
                        "duplicates",
                        "penalty",
                        "norm",
                        logX: true,
                        over: [Plot.Curve("predicted", [-1.0, 1], [1.0, 2])]
                    )
                )
                .Message
        );
    }

    [Fact]
    public void APlotKeepsItsNumbersAndItsAxes()
    {
        var chart = Plot.Lines(
            [Plot.Curve("a", [1, 10, 100], [0.1f, 0.25f, 0.5f]), Plot.Curve("b", X, Y).WithBand([3, 4, 5], [5, 6, 7])],
            "σ (pixel units)",
            "loss (nat)",
            logX: true
        );
        var figure = JObject.Parse(Figure.Prepare(chart, "1.1", "t", "see").Json);
        var traces = (JArray)figure["data"]!;
        Assert.Equal(3, traces.Count);
        Assert.Equal([1.0, 10, 100], traces[0]["x"]!.Select(v => (double)v));
        Assert.Equal([0.1, 0.25, 0.5], traces[0]["y"]!.Select(v => (double)v));
        Assert.Equal([5.0, 6, 7, 5, 4, 3], traces[1]["y"]!.Select(v => (double)v));
        Assert.Equal("log", (string?)figure["layout"]!["xaxis"]!["type"]);
        Assert.NotEqual((string?)traces[0]["line"]!["dash"], (string?)traces[2]["line"]!["dash"]);
        Assert.NotEqual((string?)traces[0]["line"]!["color"], (string?)traces[2]["line"]!["color"]);
    }

    [Fact]
    public void NumbersThatAreNotFiniteBecomeGapsNotBrokenJson()
    {
        var (json, _, _) = Figure.Prepare(
            Plot.Lines([Plot.Curve("a", X, [1, double.NaN, double.PositiveInfinity])], "x (s)", "y (m)"),
            "1.1",
            "t",
            "see"
        );
        using var strict = System.Text.Json.JsonDocument.Parse(json);
        Assert.Equal(
            System.Text.Json.JsonValueKind.Null,
            strict.RootElement.GetProperty("data")[0].GetProperty("y")[1].ValueKind
        );
        Assert.Equal(
            System.Text.Json.JsonValueKind.Null,
            strict.RootElement.GetProperty("data")[0].GetProperty("y")[2].ValueKind
        );
    }

    private static string? Note(Plotly.NET.GenericChart chart)
    {
        var (json, _, alt) = Figure.Prepare(chart, "1.1", "t", "see");
        var layout = JObject.Parse(json)["layout"]!;
        var note = (layout["annotations"] as JArray)
            ?.Select(a => (string?)a["text"])
            .SingleOrDefault(t => t!.Contains("finite"));
        Assert.Equal(note is not null, alt.Contains("finite"));
        if (note is not null)
        {
            Assert.EndsWith($" {note}.", alt);
            Assert.Equal(72, (int)layout["margin"]!["t"]!);
        }
        return note;
    }

    [Fact]
    public void AFigureSaysWhatItLeavesOut()
    {
        const double nan = double.NaN,
            inf = double.PositiveInfinity;
        Curve whole = Plot.Curve("whole", X, Y),
            poor = Plot.Curve("poor", [1, 2, 3, 4], [1, nan, -inf, 2]),
            empty = Plot.Curve("empty", X, [nan, nan, inf]);
        Plotly.NET.GenericChart Lines(params Curve[] curves) => Plot.Lines(curves, "x (s)", "y (m)");
        Assert.Null(Note(Lines(whole)));
        Assert.Equal("2 of 4 points are not finite and are left out", Note(Lines(poor)));
        Assert.Equal("none of 3 points is finite, so nothing is drawn", Note(Lines(empty)));
        Assert.Equal(
            "poor: 2 of 4 points are not finite and are left out; empty: none of 3 points is finite, so nothing "
                + "is drawn",
            Note(Lines(whole, poor, empty))
        );
        Assert.Equal(
            "in 3 of 3 series 7 of 11 numbers are not finite and are left out; 1 of them has no finite number",
            Note(Lines(poor, empty, Plot.Curve("other", [1.0, nan, 3, inf], [1.0, 2, 3, 4])))
        );
        Assert.Equal(
            "whole: 1 of 6 edges of the band is not finite and is left out",
            Note(Lines(whole.WithBand([3, 4, 5], [5, inf, 7])))
        );
        Assert.Equal(
            "b: 1 of 2 bars is not finite and is left out",
            Note(Plot.Bars(["p", "q"], [Plot.BarGroup("a", [1.0, 2]), Plot.BarGroup("b", [nan, 2])], "place", "y (m)"))
        );
        double[,] cells =
        {
            { 1, nan, 3 },
            { inf, 5, 6 },
        };
        Assert.Equal(
            "2 of 6 cells are not finite and are left out",
            Note(Plot.Heatmap(cells, [1, 2, 3], [1, 2], "x (s)", "y (m)", "v"))
        );
        // A line over a heatmap is drawn twice, with a white rim, and counts once.
        Assert.Equal(
            "2 of 6 cells are not finite and are left out; poor: 2 of 4 points are not finite and are left out",
            Note(Plot.Heatmap(cells, [1, 2, 3], [1, 2], "x (s)", "y (m)", "v", over: [poor]))
        );
        Assert.Equal(
            "poor: 2 of 4 points are not finite and are left out",
            Note(Plot.Grid(2, ("left", Lines(whole)), ("right", Lines(poor))))
        );
        Assert.Equal(
            "2 of 3 points are not finite and are left out",
            Figure
                .Prepare(
                    Plotly.NET.CSharp.Chart.Line<double, double, string>(X, [nan, 1, inf]),
                    "1.1",
                    "t",
                    "see",
                    "x (s)",
                    "y (m)"
                )
                .Alt[^46..^1]
        );
    }

    [Fact]
    public void AHistogramCountsEveryValueOnce()
    {
        double[] values = [0, 0.1, 0.2, 1, 1, 2];
        var figure = JObject.Parse(
            Figure.Prepare(Plot.Histogram([("a", values)], "v (s)", bins: 4, asShare: false), "1.1", "t", "see").Json
        );
        Assert.Equal([3.0, 0, 2, 1], figure["data"]![0]!["y"]!.Select(v => (double)v));
    }

    [Fact]
    public void MeasuredPointsHaveMarkersAndNoLineBesideThePredictedLineOfTheirColour()
    {
        var (json, _, _) = Figure.Prepare(
            Plot.Lines(
                [Plot.Curve("predicted", X, Y).WithColour(2), Plot.Curve("measured", X, Y).WithColour(2).AsPoints()],
                "x (s)",
                "y (m)"
            ),
            "1.1",
            "t",
            "see"
        );
        var traces = JObject.Parse(json)["data"]!;
        Assert.Equal("lines", (string?)traces[0]!["mode"]);
        Assert.Equal("markers", (string?)traces[1]!["mode"]);
        Assert.Null(traces[1]!["line"]);
        Assert.Equal((string?)traces[0]!["line"]!["color"], (string?)traces[1]!["marker"]!["color"]);
    }

    [Fact]
    public void AGridGivesEachChartItsOwnAxesAndEachNameOnceInTheLegend()
    {
        var one = Plot.Lines([Plot.Curve("a", X, Y), Plot.Curve("b", X, Y)], "x (s)", "y (m)");
        var figure = JObject.Parse(Figure.Prepare(Plot.Grid(2, ("left", one), ("right", one)), "1.1", "t", "see").Json);
        Assert.Equal(["x", "x", "x2", "x2"], figure["data"]!.Select(t => (string?)t["xaxis"]));
        Assert.Equal([true, true, false, false], figure["data"]!.Select(t => (bool)t["showlegend"]!));
        var (first, second) = (figure["layout"]!["xaxis"]!["domain"]!, figure["layout"]!["xaxis2"]!["domain"]!);
        Assert.True((double)first[1]! < (double)second[0]!);
        Assert.Equal(1, (double)second[1]!, 6);
    }

    [Fact]
    public void ALogarithmicAxisRefusesZeroAndNamesTheCurve() =>
        Assert.Contains(
            "'a' has 0",
            Assert
                .Throws<ArgumentException>(() =>
                    Plot.Lines([Plot.Curve("a", [0, 1], [1, 2])], "x (s)", "y (m)", logX: true)
                )
                .Message
        );

    [Fact]
    public void CurvesOfUnequalLengthAreRefused() =>
        Assert.Contains(
            "3 x values and 2 y values",
            Assert.Throws<ArgumentException>(() => Plot.Curve("a", X, [1, 2])).Message
        );

    [Theory]
    [InlineData("BALANCED_DIFFUSION_BROWSER")]
    [InlineData("CHROME_PATH")]
    public void ABrowserThatIsNamedButAbsentIsSaidSo(string variable)
    {
        var (path, trouble) = BrowserSearch.Find(name => name == variable ? "/no/such/browser" : null, _ => false);
        Assert.Null(path);
        Assert.Contains(variable, trouble);
        Assert.Contains("'browser'", trouble);
    }

    [Fact]
    public void TheFirstBrowserOnThePathIsTaken()
    {
        var folder = Path.GetTempPath();
        var (path, trouble) = BrowserSearch.Find(
            name => name == "PATH" ? $"{folder}{Path.PathSeparator}/elsewhere" : null,
            file => file.StartsWith(folder, StringComparison.Ordinal) && file.Contains("chrome")
        );
        Assert.Null(trouble);
        Assert.StartsWith(folder, path);
        Assert.Contains("install one", BrowserSearch.Find(_ => null, _ => false).Trouble);
    }
}
