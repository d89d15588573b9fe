using BalancedDiffusion.Notebook;
using Newtonsoft.Json.Linq;

namespace Notebook.Tests;

[Collection("claims")]
public class FigureTests
{
    private static readonly double[] X = [1, 2, 3], Y = [4, 5, 6];

    [Fact]
    public void AnAxisWithoutATitleIsRefusedAndNamed()
    {
        var bare = Plotly.NET.CSharp.Chart.Line<double, double, string>(X, Y);
        Assert.Contains("x axis", Assert.Throws<ArgumentException>(() => Figure.Prepare(bare, "1.1", "t", "see")).Message);
        Assert.Contains("y axis", Assert.Throws<ArgumentException>(() => Figure.Prepare(bare, "1.1", "t", "see", xTitle: "time (s)")).Message);
        var json = JObject.Parse(Figure.Prepare(bare, "1.1", "t", "see", "time (s)", "length (m)").Json);
        Assert.Equal("length (m)", (string?)json["layout"]!["yaxis"]!["title"]!["text"]);
    }

    [Theory]
    [InlineData("", "t", "see")]
    [InlineData("1.1", " ", "see")]
    [InlineData("1.1", "t", "")]
    public void AFigureNeedsItsWords(string id, string title, string takeaway) =>
        Assert.Contains("was empty", Assert.Throws<ArgumentException>(() => Figure.Prepare(Plot.Lines([Plot.Curve("a", X, Y)], "x (s)", "y (m)"), id, title, takeaway)).Message);

    [Fact]
    public void LinesOverAHeatmapKeepTheirNumbersAndTheViewOfTheCells()
    {
        var values = new double[,] { { 1, 2, 3 }, { 4, 5, 6 } };
        var chart = Plot.Heatmap(values, [1, 10, 100], [2, 4], "copies", "penalty", "norm", logX: true, over: [Plot.Curve("predicted", [0.01, 1e4], [1, 9])]);
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
        Assert.Contains("'predicted' has -1", Assert.Throws<ArgumentException>(() =>
            Plot.Heatmap(values, [1, 10, 100], [2, 4], "copies", "penalty", "norm", logX: true, over: [Plot.Curve("predicted", [-1.0, 1], [1.0, 2])])).Message);
    }

    [Fact]
    public void APlotKeepsItsNumbersAndItsAxes()
    {
        var chart = Plot.Lines([Plot.Curve("a", [1, 10, 100], [0.1f, 0.25f, 0.5f]), Plot.Curve("b", X, Y).WithBand([3, 4, 5], [5, 6, 7])], "σ (pixel units)", "loss (nat)", logX: true);
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
        var (json, _) = Figure.Prepare(Plot.Lines([Plot.Curve("a", X, [1, double.NaN, double.PositiveInfinity])], "x (s)", "y (m)"), "1.1", "t", "see");
        using var strict = System.Text.Json.JsonDocument.Parse(json);
        Assert.Equal(System.Text.Json.JsonValueKind.Null, strict.RootElement.GetProperty("data")[0].GetProperty("y")[1].ValueKind);
        Assert.Equal(System.Text.Json.JsonValueKind.Null, strict.RootElement.GetProperty("data")[0].GetProperty("y")[2].ValueKind);
    }

    [Fact]
    public void AHistogramCountsEveryValueOnce()
    {
        double[] values = [0, 0.1, 0.2, 1, 1, 2];
        var figure = JObject.Parse(Figure.Prepare(Plot.Histogram([("a", values)], "v (s)", bins: 4, asShare: false), "1.1", "t", "see").Json);
        Assert.Equal([3.0, 0, 2, 1], figure["data"]![0]!["y"]!.Select(v => (double)v));
    }

    [Fact]
    public void MeasuredPointsHaveMarkersAndNoLineBesideThePredictedLineOfTheirColour()
    {
        var (json, _) = Figure.Prepare(Plot.Lines([Plot.Curve("predicted", X, Y).WithColour(2), Plot.Curve("measured", X, Y).WithColour(2).AsPoints()], "x (s)", "y (m)"), "1.1", "t", "see");
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
        Assert.Contains("'a' has 0", Assert.Throws<ArgumentException>(() => Plot.Lines([Plot.Curve("a", [0, 1], [1, 2])], "x (s)", "y (m)", logX: true)).Message);

    [Fact]
    public void CurvesOfUnequalLengthAreRefused() =>
        Assert.Contains("3 x values and 2 y values", Assert.Throws<ArgumentException>(() => Plot.Curve("a", X, [1, 2])).Message);

    // Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB; distances in CIE Lab 1976. 10 is well above what is just noticeable (2.3).
    [Theory]
    [InlineData("normal", 1.0, 0, 0, 0, 1, 0, 0, 0, 1)]
    [InlineData("protanopia", 0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998)]
    [InlineData("deuteranopia", 0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881)]
    [InlineData("tritanopia", 1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900)]
    public void AnyTwoColoursCanBeToldApart(string sight, double a, double b, double c, double d, double e, double f, double g, double h, double i)
    {
        var seen = Palette.Colours.Select(colour =>
        {
            var n = Convert.ToInt32(colour[1..], 16);
            double Linear(int v) => v / 255.0 <= 0.04045 ? v / 255.0 / 12.92 : Math.Pow((v / 255.0 + 0.055) / 1.055, 2.4);
            var (red, green, blue) = (Linear(n >> 16), Linear((n >> 8) & 255), Linear(n & 255));
            return Lab(a * red + b * green + c * blue, d * red + e * green + f * blue, g * red + h * green + i * blue);
        }).ToArray();
        for (var j = 0; j < seen.Length; j++)
            for (var k = 0; k < j; k++)
            {
                var distance = Math.Sqrt(Math.Pow(seen[j].L - seen[k].L, 2) + Math.Pow(seen[j].A - seen[k].A, 2) + Math.Pow(seen[j].B - seen[k].B, 2));
                Assert.True(distance > 10, $"{sight}: {Palette.Colours[j]} and {Palette.Colours[k]} differ by {distance:0.0}");
            }
    }

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
        var (path, trouble) = BrowserSearch.Find(name => name == "PATH" ? $"{folder}{Path.PathSeparator}/elsewhere" : null, file => file.StartsWith(folder, StringComparison.Ordinal) && file.Contains("chrome"));
        Assert.Null(trouble);
        Assert.StartsWith(folder, path);
        Assert.Contains("install one", BrowserSearch.Find(_ => null, _ => false).Trouble);
    }

    private static (double L, double A, double B) Lab(double red, double green, double blue)
    {
        static double F(double t) => t > 216.0 / 24389 ? Math.Cbrt(t) : (24389.0 / 27 * t + 16) / 116;
        var x = F((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
        var y = F(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        var z = F((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
        return (116 * y - 16, 500 * (x - y), 200 * (y - z));
    }
}
