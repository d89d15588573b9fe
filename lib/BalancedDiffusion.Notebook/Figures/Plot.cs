using System.Globalization;
using System.Numerics;
using Microsoft.FSharp.Collections;
using Newtonsoft.Json.Linq;
using Plotly.NET;
using Plotly.NET.LayoutObjects;

namespace BalancedDiffusion.Notebook;

/// <summary>
/// Builds the charts that the notebooks need in one call. Axis titles are demanded, with their unit; each series
/// differs from the others in colour, dash and marker. What is built is an ordinary chart of Plotly.NET and can be
/// changed with its functions.
/// </summary>
public static class Plot
{
    /// <summary>A named series.</summary>
    /// <param name="name">Its name in the legend.</param>
    /// <param name="x">The horizontal values, finite.</param>
    /// <param name="y">The vertical values, as many; NaN leaves a gap.</param>
    /// <exception cref="ArgumentException">The name is empty or the lengths differ.</exception>
    public static Curve Curve<TX, TY>(string name, IEnumerable<TX> x, IEnumerable<TY> y)
        where TX : INumber<TX>
        where TY : INumber<TY>
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        if (string.IsNullOrWhiteSpace(name))
            throw new ArgumentException("a curve needs a name", nameof(name));
        var (across, up) = (x.Select(double.CreateChecked).ToArray(), y.Select(double.CreateChecked).ToArray());
        if (across.Length != up.Length)
            throw new ArgumentException(
                $"the curve '{name}' has {across.Length} x values and {up.Length} y values; give as many of each",
                nameof(y)
            );
        return new Curve(name, across, up);
    }

    /// <summary>A horizontal reference line from one x to another.</summary>
    public static Curve Level(string name, double y, double from, double to) =>
        Curve(name, [from, to], [y, y]).AsReference();

    /// <summary>A named group of bars.</summary>
    /// <param name="name">Its name in the legend.</param>
    /// <param name="values">The heights, one a label.</param>
    /// <param name="errors">Half the length of each interval, or null.</param>
    public static BarGroup BarGroup<T>(string name, IEnumerable<T> values, IEnumerable<double>? errors = null)
        where T : INumber<T> => new(name, [.. values.Select(double.CreateChecked)]) { Errors = errors?.ToArray() };

    /// <summary>Lines, with bands where the curves have them.</summary>
    /// <param name="curves">The curves, in the order of the legend.</param>
    /// <param name="xTitle">The horizontal axis: what and in which unit.</param>
    /// <param name="yTitle">The vertical axis: what and in which unit.</param>
    /// <param name="logX">Whether the horizontal axis is logarithmic; its values must then be positive.</param>
    /// <param name="logY">Whether the vertical axis is logarithmic; its values must then be positive.</param>
    /// <exception cref="ArgumentException">There is no curve, a title is empty, or a logarithmic axis gets a value ≤
    /// 0.</exception>
    public static GenericChart Lines(
        IReadOnlyList<Curve> curves,
        string xTitle,
        string yTitle,
        bool logX = false,
        bool logY = false
    ) => Curves(curves, xTitle, yTitle, logX, logY, points: false);

    /// <summary>Points.</summary>
    /// <inheritdoc cref="Lines"/>
    public static GenericChart Scatter(
        IReadOnlyList<Curve> curves,
        string xTitle,
        string yTitle,
        bool logX = false,
        bool logY = false
    ) => Curves(curves, xTitle, yTitle, logX, logY, points: true);

    /// <summary>Bars in groups: one place a label, side by side the groups' bars.</summary>
    /// <param name="labels">The labels along the horizontal axis.</param>
    /// <param name="groups">The groups, each with one value a label.</param>
    /// <param name="xTitle">The horizontal axis.</param>
    /// <param name="yTitle">The vertical axis: what and in which unit.</param>
    /// <param name="logY">Whether the vertical axis is logarithmic.</param>
    /// <exception cref="ArgumentException">There is no group, or a group has another number of values than there are
    /// labels.</exception>
    public static GenericChart Bars(
        IReadOnlyList<string> labels,
        IReadOnlyList<BarGroup> groups,
        string xTitle,
        string yTitle,
        bool logY = false
    )
    {
        NeedSome(groups, "group of bars", nameof(groups));
        var traces = groups.Select(
            (group, i) =>
            {
                if (group.Values.Count != labels.Count)
                    throw new ArgumentException(
                        $"the bars '{group.Name}' are {group.Values.Count}, the labels {labels.Count}; give "
                            + "as many of each",
                        nameof(groups)
                    );
                if (logY)
                    NeedPositive(group.Values, group.Name, "y");
                var trace = new JObject
                {
                    ["type"] = "bar",
                    ["name"] = group.Name,
                    ["x"] = new JArray(labels),
                    ["y"] = Numbers(group.Values),
                    ["showlegend"] = groups.Count > 1,
                };
                trace["marker"] = new JObject { ["color"] = Palette.Colour(i), ["pattern"] = Hatching(i, "#ffffff") };
                if (group.Errors is not null)
                {
                    if (group.Errors.Count != group.Values.Count)
                        throw new ArgumentException(
                            $"the bars '{group.Name}' are {group.Values.Count}, their errors "
                                + $"{group.Errors.Count}; give as many of each",
                            nameof(groups)
                        );
                    trace["error_y"] = new JObject
                    {
                        ["type"] = "data",
                        ["array"] = Numbers(group.Errors),
                        ["color"] = "#333333",
                        ["thickness"] = 1.5,
                        ["width"] = 4,
                    };
                }
                return trace;
            }
        );
        var category = Axis(xTitle, false, "x", []);
        category["type"] = "category";
        category["showgrid"] = false;
        return Chart(
            traces,
            category,
            Axis(yTitle, logY, "y", groups.SelectMany(group => group.Values)),
            new JObject { ["barmode"] = "group", ["bargap"] = 0.25 }
        );
    }

    /// <summary>Histograms over common bins, laid over each other.</summary>
    /// <param name="samples">Names and values.</param>
    /// <param name="xTitle">The horizontal axis: what and in which unit.</param>
    /// <param name="bins">How many bins, ≥ 1.</param>
    /// <param name="asShare">Whether heights are shares of each sample in per cent (so that samples of different size
    /// compare) or counts.</param>
    /// <param name="logY">Whether the vertical axis is logarithmic.</param>
    /// <exception cref="ArgumentException">There is no sample, or a sample is empty or holds NaN or
    /// infinity.</exception>
    public static GenericChart Histogram(
        IReadOnlyList<(string Name, IEnumerable<double> Values)> samples,
        string xTitle,
        int bins = 40,
        bool asShare = true,
        bool logY = false
    )
    {
        NeedSome(samples, "sample", nameof(samples));
        Runtime.Guard.AtLeast(bins, 1);
        var data = samples.Select(sample => sample.Values.ToArray()).ToArray();
        for (var i = 0; i < data.Length; i++)
            if (data[i].Length == 0 || !data[i].All(double.IsFinite))
                throw new ArgumentException(
                    $"the sample '{samples[i].Name}' is empty or holds NaN or infinity",
                    nameof(samples)
                );
        var (low, high) = (data.Min(values => values.Min()), data.Max(values => values.Max()));
        if (high == low)
            (low, high) = (low - 0.5, high + 0.5);
        var width = (high - low) / bins;
        var centres = Enumerable.Range(0, bins).Select(i => low + (i + 0.5) * width).ToArray();
        var heights = new List<double>();
        var traces = data.Select(
                (values, i) =>
                {
                    var counts = new double[bins];
                    foreach (var value in values)
                        counts[Math.Clamp((int)((value - low) / width), 0, bins - 1)] += asShare
                            ? 100.0 / values.Length
                            : 1;
                    heights.AddRange(counts);
                    return new JObject
                    {
                        ["type"] = "bar",
                        ["name"] = samples[i].Name,
                        ["x"] = Numbers(centres),
                        ["y"] = Numbers(counts),
                        ["width"] = width,
                        ["showlegend"] = data.Length > 1,
                        ["marker"] = new JObject
                        {
                            ["color"] = Palette.Faded(Palette.Colour(i), 0.55),
                            ["line"] = new JObject { ["color"] = Palette.Colour(i), ["width"] = 1 },
                            ["pattern"] = Hatching(i, Palette.Colour(i)),
                        },
                    };
                }
            )
            .ToList();
        return Chart(
            traces,
            Axis(xTitle, false, "x", []),
            Axis(asShare ? "share of the sample (%)" : "count", logY, "y", heights),
            new JObject { ["barmode"] = "overlay", ["bargap"] = 0 }
        );
    }

    /// <summary>A heatmap.</summary>
    /// <param name="values">One number a cell, [row, column]; row 0 is at the bottom; NaN stays blank.</param>
    /// <param name="x">The columns' places.</param>
    /// <param name="y">The rows' places.</param>
    /// <param name="xTitle">The horizontal axis: what and in which unit.</param>
    /// <param name="yTitle">The vertical axis: what and in which unit.</param>
    /// <param name="valueTitle">What the colour says and in which unit.</param>
    /// <param name="logX">Whether the horizontal axis is logarithmic.</param>
    /// <param name="logY">Whether the vertical axis is logarithmic.</param>
    /// <param name="signed">Whether 0 is white, negative blue and positive red; else from dark to light
    /// (Cividis).</param>
    /// <param name="over">Lines drawn over the cells, such as a predicted boundary over measured ones, each with a
    /// white rim; null for none. The view stays that of the cells.</param>
    /// <exception cref="ArgumentException">The sizes do not fit, a title is empty, or a logarithmic axis gets a value
    /// ≤ 0.</exception>
    public static GenericChart Heatmap(
        double[,] values,
        IReadOnlyList<double> x,
        IReadOnlyList<double> y,
        string xTitle,
        string yTitle,
        string valueTitle,
        bool logX = false,
        bool logY = false,
        bool signed = false,
        IReadOnlyList<Curve>? over = null
    )
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.GetLength(0) != y.Count || values.GetLength(1) != x.Count || values.Length == 0)
            throw new ArgumentException(
                $"the heatmap has {values.GetLength(0)} rows and {values.GetLength(1)} columns, but {y.Count} "
                    + $"y values and {x.Count} x values were given",
                nameof(values)
            );
        if (string.IsNullOrWhiteSpace(valueTitle))
            throw new ArgumentException(
                "valueTitle must say what the colour means and in which unit, was empty",
                nameof(valueTitle)
            );
        if (logX)
            NeedPositive(x, "heatmap", "x");
        if (logY)
            NeedPositive(y, "heatmap", "y");
        var rows = new JArray(
            Enumerable
                .Range(0, y.Count)
                .Select(r => Numbers([.. Enumerable.Range(0, x.Count).Select(c => values[r, c])]))
        );
        var trace = new JObject
        {
            ["type"] = "heatmap",
            ["x"] = Numbers(Places(x, logX)),
            ["y"] = Numbers(Places(y, logY)),
            ["z"] = rows,
            ["colorbar"] = new JObject
            {
                ["title"] = new JObject
                {
                    ["text"] = valueTitle,
                    ["side"] = "right",
                    ["font"] = new JObject { ["size"] = 14 },
                },
                ["tickfont"] = new JObject { ["size"] = 12 },
                ["thickness"] = 16,
                ["outlinewidth"] = 0,
            },
        };
        if (signed)
        {
            var most = values.Cast<double>().Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(1).Max();
            (trace["zmin"], trace["zmax"]) = (-most, most);
            trace["colorscale"] = new JArray(
                new JArray(0, "#084594"),
                new JArray(0.25, "#92C5DE"),
                new JArray(0.5, "#FFFFFF"),
                new JArray(0.75, "#F4A582"),
                new JArray(1, "#A50F15")
            );
        }
        else
        {
            trace["colorscale"] = "Cividis";
        }
        var (across, up) = (Axis(xTitle, logX, "x", x), Axis(yTitle, logY, "y", y));
        if (over is not { Count: > 0 })
            return Chart([trace], across, up, []);
        foreach (var curve in over)
        {
            if (logX)
                NeedPositive(curve.X, curve.Name, "x");
            if (logY)
                NeedPositive(curve.Y, curve.Name, "y");
        }
        double[] wide = Edges(x, logX),
            high = Edges(y, logY);
        (across["range"], up["range"]) = (new JArray(wide[0], wide[^1]), new JArray(high[0], high[^1]));
        return Chart([trace, .. over.SelectMany(Rimmed)], across, up, []);
    }

    /// <summary>A line that can be seen on dark and on light: black with a dash of its own, over a wider white
    /// one.</summary>
    private static IEnumerable<JObject> Rimmed(Curve curve, int place)
    {
        foreach (
            var (colour, width, dash) in new[]
            {
                ("#FFFFFF", 5.0, "solid"),
                (place == 0 ? "#000000" : Palette.Colour(place), 2.5, Palette.Dashes[place % Palette.Dashes.Count]),
            }
        )
            yield return new JObject
            {
                ["type"] = "scatter",
                ["mode"] = "lines",
                ["name"] = curve.Name,
                ["x"] = Numbers(curve.X),
                ["y"] = Numbers(curve.Y),
                ["showlegend"] = colour != "#FFFFFF",
                ["line"] = new JObject
                {
                    ["color"] = colour,
                    ["width"] = width,
                    ["dash"] = dash,
                },
            };
    }

    /// <summary>What Plotly needs of the cells: their places, and on a logarithmic axis their edges, which it would
    /// else put half way on a linear scale.</summary>
    private static IReadOnlyList<double> Places(IReadOnlyList<double> places, bool logarithmic) =>
        logarithmic && places.Count > 1 ? [.. Edges(places, true).Select(edge => Math.Pow(10, edge))] : places;

    /// <summary>The edges of the cells, half way between their places, in decades on a logarithmic axis.</summary>
    private static double[] Edges(IReadOnlyList<double> places, bool logarithmic)
    {
        var centres = places.Select(place => logarithmic ? Math.Log10(place) : place).ToArray();
        if (centres.Length == 1)
            return [centres[0] - 0.5, centres[0] + 0.5];
        return
        [
            centres[0] - (centres[1] - centres[0]) / 2,
            .. centres.Zip(centres.Skip(1), (a, b) => (a + b) / 2),
            centres[^1] + (centres[^1] - centres[^2]) / 2,
        ];
    }

    /// <summary>Charts side by side, each with its own axes and title; entries of one name appear once in the
    /// legend.</summary>
    /// <param name="columns">Charts in a row, ≥ 1.</param>
    /// <param name="charts">Titles and charts made by this class, in reading order.</param>
    /// <exception cref="ArgumentException">There is no chart, or a chart holds more than one pair of axes.</exception>
    public static GenericChart Grid(int columns, params IReadOnlyList<(string Title, GenericChart Chart)> charts)
    {
        Runtime.Guard.AtLeast(columns, 1);
        NeedSome(charts, "chart", nameof(charts));
        columns = Math.Min(columns, charts.Count);
        var rows = (charts.Count + columns - 1) / columns;
        var (gapX, gapY) = (0.11, rows > 1 ? 0.2 / rows + 0.06 : 0);
        var (width, height) = ((1 - gapX * (columns - 1)) / columns, (1 - gapY * (rows - 1)) / rows);
        var traces = new List<JObject>();
        var layout = new JObject
        {
            ["annotations"] = new JArray(),
            ["meta"] = new JObject { ["rows"] = rows },
        };
        var seen = new HashSet<string>();
        for (var i = 0; i < charts.Count; i++)
        {
            var figure = Figure.Parse(charts[i].Chart);
            var own = (JObject)figure["layout"]!;
            if (own["xaxis2"] is not null || own["yaxis2"] is not null)
                throw new ArgumentException(
                    $"the chart '{charts[i].Title}' holds several pairs of axes; a grid takes charts with one",
                    nameof(charts)
                );
            var suffix = i == 0 ? "" : (i + 1).ToString(CultureInfo.InvariantCulture);
            var (left, bottom) = (i % columns * (width + gapX), 1 - i / columns * (height + gapY) - height);
            foreach (
                var (axis, other, from, size) in new[] { ("xaxis", "y", left, width), ("yaxis", "x", bottom, height) }
            )
            {
                var copy = (JObject)(own[axis]?.DeepClone() ?? new JObject());
                copy["domain"] = new JArray(Math.Round(from, 4), Math.Round(Math.Min(1, from + size), 4));
                copy["anchor"] = other + suffix;
                layout[axis + suffix] = copy;
            }
            foreach (var trace in figure["data"]!.Cast<JObject>())
            {
                (trace["xaxis"], trace["yaxis"]) = ("x" + suffix, "y" + suffix);
                if (trace["name"]?.ToString() is { Length: > 0 } name)
                {
                    trace["legendgroup"] = name;
                    if ((bool?)trace["showlegend"] != false && !seen.Add(name))
                        trace["showlegend"] = false;
                }
                if (trace["colorbar"] is JObject bar)
                {
                    (bar["x"], bar["xanchor"], bar["len"], bar["lenmode"]) = (
                        Math.Round(left + width + 0.005, 4),
                        "left",
                        Math.Round(height, 4),
                        "fraction"
                    );
                    (bar["y"], bar["yanchor"], bar["thickness"]) = (Math.Round(bottom + height / 2, 4), "middle", 10);
                }
                traces.Add(trace);
            }
            ((JArray)layout["annotations"]!).Add(
                new JObject
                {
                    ["text"] = $"<b>{charts[i].Title}</b>",
                    ["x"] = Math.Round(left, 4),
                    ["y"] = Math.Round(bottom + height, 4),
                    ["xref"] = "paper",
                    ["yref"] = "paper",
                    ["xanchor"] = "left",
                    ["yanchor"] = "bottom",
                    ["showarrow"] = false,
                    ["yshift"] = 4,
                    ["font"] = new JObject { ["size"] = 14 },
                }
            );
            foreach (var key in new[] { "barmode", "bargap" })
                if (own[key] is { } value && layout[key] is null)
                    layout[key] = value;
        }
        return Chart(traces, null, null, layout);
    }

    private static JObject Hatching(int place, string colour) =>
        new()
        {
            ["fillmode"] = "overlay",
            ["shape"] = Palette.Hatchings[place % Palette.Hatchings.Count],
            ["fgcolor"] = colour,
            ["solidity"] = 0.25,
            ["size"] = 7,
        };

    private static GenericChart Curves(
        IReadOnlyList<Curve> curves,
        string xTitle,
        string yTitle,
        bool logX,
        bool logY,
        bool points
    )
    {
        NeedSome(curves, "curve", nameof(curves));
        var traces = new List<JObject>();
        var next = 0;
        foreach (var curve in curves)
        {
            if (logX)
                NeedPositive(curve.X, curve.Name, "x");
            if (logY)
                NeedPositive(curve.Y, curve.Name, "y");
            var place =
                curve.IsReference ? 0
                : curve.Colour >= 0 ? curve.Colour
                : next++;
            var colour = curve.IsReference ? Palette.Reference : Palette.Colour(place);
            if (curve.Low is not null && curve.High is not null)
            {
                if (curve.Low.Count != curve.X.Count || curve.High.Count != curve.X.Count)
                    throw new ArgumentException(
                        $"the band of '{curve.Name}' has {curve.Low.Count} and {curve.High.Count} edges for "
                            + $"{curve.X.Count} points; give as many of each",
                        nameof(curves)
                    );
                if (logY)
                    NeedPositive(curve.Low, curve.Name, "y");
                traces.Add(
                    new JObject
                    {
                        ["type"] = "scatter",
                        ["mode"] = "lines",
                        ["name"] = curve.Name,
                        ["x"] = Numbers([.. curve.X, .. curve.X.Reverse()]),
                        ["y"] = Numbers([.. curve.High, .. curve.Low.Reverse()]),
                        ["fill"] = "toself",
                        ["fillcolor"] = Palette.Faded(colour, 0.18),
                        ["line"] = new JObject { ["width"] = 0, ["color"] = colour },
                        ["hoverinfo"] = "skip",
                        ["showlegend"] = false,
                    }
                );
            }
            var asPoints = curve.IsPoints || (points && !curve.IsReference);
            var trace = new JObject
            {
                ["type"] = "scatter",
                ["mode"] =
                    asPoints ? "markers"
                    : curve.Marked ? "lines+markers"
                    : "lines",
                ["name"] = curve.Name,
                ["x"] = Numbers(curve.X),
                ["y"] = Numbers(curve.Y),
                ["showlegend"] = curves.Count > 1,
            };
            if (!asPoints)
                trace["line"] = new JObject
                {
                    ["color"] = colour,
                    ["width"] = curve.IsReference ? 1.5 : 2.5,
                    ["dash"] = curve.IsReference ? "dash" : Palette.Dashes[place % Palette.Dashes.Count],
                };
            if (asPoints || curve.Marked)
                trace["marker"] = new JObject
                {
                    ["color"] = colour,
                    ["symbol"] = Palette.Markers[place % Palette.Markers.Count],
                    ["size"] = asPoints && curve.X.Count > 300 ? 5 : 8,
                    ["opacity"] = asPoints && curve.X.Count > 100 ? 0.6 : 1,
                };
            traces.Add(trace);
        }
        return Chart(
            traces,
            Axis(xTitle, logX, "x", curves.SelectMany(c => c.X)),
            Axis(yTitle, logY, "y", curves.SelectMany(c => (c.Low ?? []).Concat(c.High ?? []).Concat(c.Y))),
            []
        );
    }

    private static JObject Axis(string title, bool logarithmic, string name, IEnumerable<double> values)
    {
        if (string.IsNullOrWhiteSpace(title))
            throw new ArgumentException(
                $"{name}Title must say what the {name} axis shows and in which unit, was empty",
                $"{name}Title"
            );
        var axis = new JObject { ["title"] = new JObject { ["text"] = title } };
        if (!logarithmic)
            return axis;
        axis["type"] = "log";
        // Labels at 1, 2 and 5 over a few decades, at powers of ten over many, at every digit within half a decade:
        // never one over the other.
        var positive = values.Where(value => value > 0 && double.IsFinite(value)).DefaultIfEmpty(1).ToArray();
        var decades = Math.Log10(positive.Max() / positive.Min());
        axis["dtick"] =
            decades < 0.7 ? "D1"
            : decades <= 2.5 ? "D2"
            : Math.Max(1, (int)Math.Ceiling(decades / 7));
        (axis["tickformat"], axis["minor"]) = (
            "~g",
            new JObject
            {
                ["ticks"] = "outside",
                ["ticklen"] = 3,
                ["dtick"] = decades <= 7 ? "D1" : 1,
            }
        );
        return axis;
    }

    internal static GenericChart Chart(IEnumerable<JObject> traces, JObject? xAxis, JObject? yAxis, JObject layout)
    {
        if (xAxis is not null)
            layout["xaxis"] = xAxis;
        if (yAxis is not null)
            layout["yaxis"] = yAxis;
        var made = new Layout();
        foreach (var (key, value) in layout)
        {
            if (value is null)
                continue;
            if (key.StartsWith("xaxis", StringComparison.Ordinal) || key.StartsWith("yaxis", StringComparison.Ordinal))
            {
                var axis = new LinearAxis();
                foreach (var (name, token) in (JObject)value)
                    axis.SetProperty(name, token);
                made.SetProperty(key, axis);
            }
            else
            {
                made.SetProperty(key, value);
            }
        }
        var list = traces
            .Select(json =>
            {
                var trace = new Trace((string)json["type"]!);
                foreach (var (name, token) in json)
                    if (name != "type")
                        trace.SetProperty(name, token is JValue value ? value.Value : token);
                return trace;
            })
            .ToList();
        return GenericChart.fromFigure(Plotly.NET.Figure.create(ListModule.OfSeq(list), made));
    }

    private static JArray Numbers(IReadOnlyList<double> values) =>
        new(values.Select(value => double.IsFinite(value) ? (object)value : null));

    private static void NeedSome<T>(IReadOnlyList<T> things, string what, string parameter)
    {
        ArgumentNullException.ThrowIfNull(things, parameter);
        if (things.Count == 0)
            throw new ArgumentException($"a figure needs at least one {what}, was none", parameter);
    }

    private static void NeedPositive(IEnumerable<double> values, string name, string axis)
    {
        foreach (var value in values)
            if (value <= 0)
                throw new ArgumentException(
                    $"a logarithmic {axis} axis needs values above 0, '{name}' has "
                        + $"{value.ToString(CultureInfo.InvariantCulture)}; leave such points out or use a linear "
                        + "axis"
                );
    }
}
