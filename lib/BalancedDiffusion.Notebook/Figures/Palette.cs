namespace BalancedDiffusion.Notebook;

/// <summary>
/// The colours of Okabe and Ito, which people with each common colour blindness can tell apart, in the order in which series take them;
/// each series has a dash and a marker of its own besides, so that a figure can be read without colour.
/// </summary>
public static class Palette
{
    /// <summary>Blue, vermilion, green, purple, orange, sky blue, black; the eighth of the set, yellow, is too pale for lines on white.</summary>
    public static IReadOnlyList<string> Colours { get; } = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];

    /// <summary>The grey of bounds and other reference lines.</summary>
    public const string Reference = "#666666";

    internal static IReadOnlyList<string> Dashes { get; } = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "solid"];

    internal static IReadOnlyList<string> Markers { get; } = ["circle", "square", "diamond", "triangle-up", "triangle-down", "star", "x"];

    internal static string Colour(int index) => Colours[index % Colours.Count];

    /// <summary>The colour with an opacity, as Plotly writes it.</summary>
    internal static string Faded(string colour, double opacity)
    {
        var number = Convert.ToInt32(colour[1..], 16);
        return $"rgba({number >> 16},{(number >> 8) & 255},{number & 255},{opacity.ToString(System.Globalization.CultureInfo.InvariantCulture)})";
    }
}
