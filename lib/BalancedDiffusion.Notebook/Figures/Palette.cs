namespace BalancedDiffusion.Notebook;

/// <summary>
/// Colours that people with each common colour blindness can tell apart, each dark enough for a line on white (contrast
/// 3 to 1 and more), in the order in which series take them; each series has a dash and a marker, each group of bars a
/// hatching of its own besides, so that a figure can be read without colour.
/// </summary>
/// <remarks>The first four and black are of the set of Okabe and Ito, whose orange, sky blue and yellow are too pale
/// for lines on white: brown and indigo stand in their places.</remarks>
public static class Palette
{
    /// <summary>Blue, vermilion, green, purple, brown, indigo, black.</summary>
    public static IReadOnlyList<string> Colours { get; } =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#804400", "#2D2080", "#000000"];

    /// <summary>The grey of bounds and other reference lines.</summary>
    public const string Reference = "#666666";

    internal static IReadOnlyList<string> Dashes { get; } =
    ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot", "2px,2px,8px,2px"];

    internal static IReadOnlyList<string> Markers { get; } =
    ["circle", "square", "diamond", "triangle-up", "triangle-down", "star", "x"];

    /// <summary>The patterns of bars, as Plotly names them.</summary>
    internal static IReadOnlyList<string> Hatchings { get; } = ["", "/", ".", "x", "-", "\\", "+"];

    internal static string Colour(int index) => Colours[index % Colours.Count];

    /// <summary>The colour with an opacity, as Plotly writes it.</summary>
    internal static string Faded(string colour, double opacity)
    {
        var number = Convert.ToInt32(colour[1..], 16);
        return FormattableString.Invariant($"rgba({number >> 16},{(number >> 8) & 255},{number & 255},{opacity})");
    }
}
