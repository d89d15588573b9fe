using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>
/// What is demanded of the colours: a contrast of 3 to 1 with the page (WCAG 2.2, criterion 1.4.11, for graphics), and
/// between any two a CIEDE2000 difference of 10, seen by any eye. 1 is just noticeable side by side; about 10 is what
/// thin lines and small marks apart from each other need (Stone, Szafir and Setlur 2014).
/// </summary>
public class PaletteTests
{
    private const double LeastDifference = 10,
        LeastContrast = 3;

    private static readonly double[] X = [1, 2, 3];

    // Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
    [Theory]
    [InlineData("normal", 1.0, 0, 0, 0, 1, 0, 0, 0, 1)]
    [InlineData(
        "protanopia",
        0.152286,
        1.052583,
        -0.204868,
        0.114503,
        0.786281,
        0.099216,
        -0.003882,
        -0.048116,
        1.051998
    )]
    [InlineData(
        "deuteranopia",
        0.367322,
        0.860646,
        -0.227968,
        0.280085,
        0.672501,
        0.047413,
        -0.011820,
        0.042940,
        0.968881
    )]
    [InlineData(
        "tritanopia",
        1.255528,
        -0.076749,
        -0.178779,
        -0.078411,
        0.930809,
        0.147602,
        0.004733,
        0.691367,
        0.303900
    )]
    public void AnyTwoColoursCanBeToldApart(
        string sight,
        double a,
        double b,
        double c,
        double d,
        double e,
        double f,
        double g,
        double h,
        double i
    )
    {
        string[] colours = [.. Palette.Colours, Palette.Reference];
        var seen = colours
            .Select(colour =>
            {
                var (red, green, blue) = Linear(colour);
                static double Cut(double v) => Math.Clamp(v, 0, 1);
                return Lab(
                    Cut(a * red + b * green + c * blue),
                    Cut(d * red + e * green + f * blue),
                    Cut(g * red + h * green + i * blue)
                );
            })
            .ToArray();
        for (var j = 0; j < seen.Length; j++)
        for (var k = 0; k < j; k++)
            Assert.True(
                Difference(seen[j], seen[k]) >= LeastDifference,
                $"{sight}: {colours[j]} and {colours[k]} differ by {Difference(seen[j], seen[k]):0.0}"
            );
    }

    [Fact]
    public void EveryColourCanBeSeenOnWhite() =>
        Assert.All(
            Palette.Colours.Append(Palette.Reference),
            colour =>
            {
                var (red, green, blue) = Linear(colour);
                var contrast = 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05);
                Assert.True(contrast >= LeastContrast, $"{colour} has a contrast of {contrast:0.00} with white");
            }
        );

    [Fact]
    public void WithoutColourEachSeriesStillHasADashAMarkerOrAHatchingOfItsOwn()
    {
        var names = Enumerable.Range(0, Palette.Colours.Count).Select(i => $"series {i}").ToArray();
        var curves = names.Select(name => Plot.Curve(name, X, X)).ToArray();
        AllDiffer(Plot.Lines(curves, "x (s)", "y (m)"), trace => trace["line"]!["dash"]!);
        AllDiffer(Plot.Scatter(curves, "x (s)", "y (m)"), trace => trace["marker"]!["symbol"]!);
        AllDiffer(
            Plot.Bars(["a", "b", "c"], [.. names.Select(name => Plot.BarGroup(name, X))], "x", "y (m)"),
            trace => trace["marker"]!["pattern"]!["shape"]!
        );
        AllDiffer(
            Plot.Histogram([.. names.Select(name => (name, (IEnumerable<double>)X))], "x (s)"),
            trace => trace["marker"]!["pattern"]!["shape"]!
        );
    }

    // The pairs on which implementations differ, from the test data of Sharma, Wu and Dalal 2005.
    [Theory]
    [InlineData(50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425)]
    [InlineData(50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0000)]
    [InlineData(50, 2.5, 0, 73, 25, -18, 27.1492)]
    [InlineData(50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195)]
    [InlineData(60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644)]
    [InlineData(22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373)]
    public void TheDifferenceIsCiede2000(double l, double a, double b, double m, double c, double d, double expected) =>
        Assert.Equal(expected, Difference((l, a, b), (m, c, d)), 4);

    private static void AllDiffer(Plotly.NET.GenericChart chart, Func<JToken, JToken> sign)
    {
        var signs = JObject.Parse(Figure.Prepare(chart, "1.1", "t", "see").Json)["data"]!
            .Select(trace => (string)sign(trace)!)
            .ToArray();
        Assert.Equal(Palette.Colours.Count, signs.Distinct().Count());
    }

    private static (double Red, double Green, double Blue) Linear(string colour)
    {
        var n = Convert.ToInt32(colour[1..], 16);
        static double LinearChannel(int v) =>
            v / 255.0 <= 0.04045 ? v / 255.0 / 12.92 : Math.Pow((v / 255.0 + 0.055) / 1.055, 2.4);
        return (LinearChannel(n >> 16), LinearChannel((n >> 8) & 255), LinearChannel(n & 255));
    }

    private static (double L, double A, double B) Lab(double red, double green, double blue)
    {
        static double F(double t) => t > 216.0 / 24389 ? Math.Cbrt(t) : (24389.0 / 27 * t + 16) / 116;
        var x = F((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047);
        var y = F(0.2126 * red + 0.7152 * green + 0.0722 * blue);
        var z = F((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883);
        return (116 * y - 16, 500 * (x - y), 200 * (y - z));
    }

    private static double Difference((double L, double A, double B) first, (double L, double A, double B) second)
    {
        static double Seventh(double chroma) =>
            Math.Sqrt(Math.Pow(chroma, 7) / (Math.Pow(chroma, 7) + Math.Pow(25, 7)));
        static double Cos(double degrees) => Math.Cos(degrees * Math.PI / 180);
        static double Sin(double degrees) => Math.Sin(degrees * Math.PI / 180);
        var stretch =
            1.5
            - 0.5
                * Seventh(
                    (
                        Math.Sqrt(first.A * first.A + first.B * first.B)
                        + Math.Sqrt(second.A * second.A + second.B * second.B)
                    ) / 2
                );
        (double Chroma, double Hue) Polar((double L, double A, double B) colour)
        {
            var a = stretch * colour.A;
            return (Math.Sqrt(a * a + colour.B * colour.B), (Math.Atan2(colour.B, a) * 180 / Math.PI + 360) % 360);
        }
        var ((c1, h1), (c2, h2)) = (Polar(first), Polar(second));
        var turn = c1 * c2 == 0 ? 0 : (h2 - h1 + 540) % 360 - 180;
        var hue =
            c1 * c2 == 0 ? h1 + h2
            : Math.Abs(h1 - h2) <= 180 ? (h1 + h2) / 2
            : (h1 + h2 + (h1 + h2 < 360 ? 360 : -360)) / 2;
        var (lightness, chroma) = ((first.L + second.L) / 2, (c1 + c2) / 2);
        var t = 1 - 0.17 * Cos(hue - 30) + 0.24 * Cos(2 * hue) + 0.32 * Cos(3 * hue + 6) - 0.20 * Cos(4 * hue - 63);
        var square = (lightness - 50) * (lightness - 50);
        var l = (second.L - first.L) / (1 + 0.015 * square / Math.Sqrt(20 + square));
        var c = (c2 - c1) / (1 + 0.045 * chroma);
        var h = 2 * Math.Sqrt(c1 * c2) * Sin(turn / 2) / (1 + 0.015 * chroma * t);
        var rotation = -2 * Seventh(chroma) * Sin(60 * Math.Exp(-Math.Pow((hue - 275) / 25, 2)));
        return Math.Sqrt(l * l + c * c + h * h + rotation * c * h);
    }
}
