namespace BalancedDiffusion.Notebook;

/// <summary>One named series of points of a figure, made by <see cref="Plot.Curve"/>.</summary>
/// <param name="Name">Its name in the legend; a reader must be able to tell what it is from this alone.</param>
/// <param name="X">The horizontal values.</param>
/// <param name="Y">The vertical values, as many; NaN leaves a gap.</param>
public sealed record Curve(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y)
{
    /// <summary>The lower edge of a band around it, or null.</summary>
    public IReadOnlyList<double>? Low { get; init; }

    /// <summary>The upper edge of a band around it, or null.</summary>
    public IReadOnlyList<double>? High { get; init; }

    /// <summary>Whether markers are drawn on the line.</summary>
    public bool Marked { get; init; }

    /// <summary>Whether only its markers are drawn: measurements beside a predicted line.</summary>
    public bool IsPoints { get; init; }

    /// <summary>Whether it is a bound or another thing to compare with: thin, grey, dashed.</summary>
    public bool IsReference { get; init; }

    /// <summary>Its place in the palette, or -1 to take the next; give two curves that belong together the same
    /// colour.</summary>
    public int Colour { get; init; } = -1;

    /// <summary>With a band, such as an interval of confidence.</summary>
    public Curve WithBand(IEnumerable<double> low, IEnumerable<double> high) =>
        this with
        {
            Low = [.. low],
            High = [.. high],
        };

    /// <summary>With markers on the line.</summary>
    public Curve WithMarkers() => this with { Marked = true };

    /// <summary>As markers without a line, for measurements beside a predicted line of the same colour.</summary>
    public Curve AsPoints() => this with { IsPoints = true, Marked = true };

    /// <summary>With this place in the palette, 0 or more.</summary>
    public Curve WithColour(int colour) => this with { Colour = colour };

    /// <summary>As a bound or another thing to compare with.</summary>
    public Curve AsReference() => this with { IsReference = true };
}
