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
    private const int TitleSize = 14,
        TickSize = 12;
    private const string White = "#FFFFFF",
        Black = "#000000";

    // From deep blue over white at 0 to deep red.
    private static readonly (object Place, string Colour)[] SignedColours =
    [
        (0, "#084594"),
        (0.25, "#92C5DE"),
        (0.5, White),
        (0.75, "#F4A582"),
        (1, "#A50F15"),
    ];

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
        foreach (var group in groups)
            CheckBars(group, labels.Count, logY, nameof(groups));
        var traces = groups.Select((group, i) => BarTrace(labels, group, i, inLegend: groups.Count > 1)).ToList();
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

    private static void CheckBars(BarGroup group, int labels, bool logY, string parameter)
    {
        if (group.Values.Count != labels)
            throw new ArgumentException(
                $"the bars '{group.Name}' are {group.Values.Count}, the labels {labels}; give as many of each",
                parameter
            );
        if (logY)
            NeedPositive(group.Values, group.Name, "y");
        if (group.Errors is { } errors && errors.Count != group.Values.Count)
            throw new ArgumentException(
                $"the bars '{group.Name}' are {group.Values.Count}, their errors {errors.Count}; give as many of each",
                parameter
            );
    }

    private static JObject BarTrace(IReadOnlyList<string> labels, BarGroup group, int place, bool inLegend)
    {
        var trace = new JObject
        {
            ["type"] = "bar",
            ["name"] = group.Name,
            ["x"] = new JArray(labels),
            ["y"] = Numbers(group.Values),
            ["showlegend"] = inLegend,
            ["marker"] = new JObject { ["color"] = Palette.Colour(place), ["pattern"] = Hatching(place, "#ffffff") },
        };
        if (group.Errors is not null)
            trace["error_y"] = new JObject
            {
                ["type"] = "data",
                ["array"] = Numbers(group.Errors),
                ["color"] = "#333333",
                ["thickness"] = 1.5,
                ["width"] = 4,
            };
        return trace;
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
        var common = Bins.Over(data, bins);
        var heights = data.Select(values => common.Heights(values, asShare)).ToList();
        var traces = data.Select((_, i) => HistogramTrace(samples[i].Name, common, heights[i], i, data.Length > 1));
        return Chart(
            traces,
            Axis(xTitle, false, "x", []),
            Axis(asShare ? "share of the sample (%)" : "count", logY, "y", heights.SelectMany(h => h)),
            new JObject { ["barmode"] = "overlay", ["bargap"] = 0 }
        );
    }

    private static JObject HistogramTrace(string name, Bins bins, double[] heights, int place, bool inLegend) =>
        new()
        {
            ["type"] = "bar",
            ["name"] = name,
            ["x"] = Numbers(bins.Centres()),
            ["y"] = Numbers(heights),
            ["width"] = bins.Width,
            ["showlegend"] = inLegend,
            ["marker"] = new JObject
            {
                ["color"] = Palette.Faded(Palette.Colour(place), 0.55),
                ["line"] = new JObject { ["color"] = Palette.Colour(place), ["width"] = 1 },
                ["pattern"] = Hatching(place, Palette.Colour(place)),
            },
        };

    /// <summary>Bins of one width from the least value of all samples to the largest.</summary>
    private readonly record struct Bins(double Low, double Width, int Count)
    {
        public static Bins Over(IReadOnlyList<double[]> samples, int count)
        {
            var (low, high) = (samples.Min(values => values.Min()), samples.Max(values => values.Max()));
            if (high == low)
                (low, high) = (low - 0.5, high + 0.5);
            return new Bins(low, (high - low) / count, count);
        }

        public double[] Centres()
        {
            var (low, width) = (Low, Width);
            return [.. Enumerable.Range(0, Count).Select(i => low + (i + 0.5) * width)];
        }

        /// <summary>How many values lie in each bin, or their share in per cent.</summary>
        public double[] Heights(double[] values, bool asShare)
        {
            var heights = new double[Count];
            foreach (var value in values)
                heights[Math.Clamp((int)((value - Low) / Width), 0, Count - 1)] += asShare ? 100.0 / values.Length : 1;
            return heights;
        }
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
        var trace = HeatmapTrace(values, Places(x, logX), Places(y, logY), valueTitle);
        PutColours(trace, values, signed);
        var (across, up) = (Axis(xTitle, logX, "x", x), Axis(yTitle, logY, "y", y));
        if (over is not { Count: > 0 })
            return Chart([trace], across, up, []);
        foreach (var curve in over)
            NeedPositive(curve, logX, logY);
        double[] wide = Edges(x, logX),
            high = Edges(y, logY);
        (across["range"], up["range"]) = (new JArray(wide[0], wide[^1]), new JArray(high[0], high[^1]));
        return Chart([trace, .. over.SelectMany(Rimmed)], across, up, []);
    }

    private static JObject HeatmapTrace(
        double[,] values,
        IReadOnlyList<double> x,
        IReadOnlyList<double> y,
        string valueTitle
    )
    {
        JArray Row(int row) => Numbers([.. Enumerable.Range(0, values.GetLength(1)).Select(c => values[row, c])]);
        return new JObject
        {
            ["type"] = "heatmap",
            ["x"] = Numbers(x),
            ["y"] = Numbers(y),
            ["z"] = new JArray(Enumerable.Range(0, values.GetLength(0)).Select(Row)),
            ["colorbar"] = new JObject
            {
                ["title"] = new JObject
                {
                    ["text"] = valueTitle,
                    ["side"] = "right",
                    ["font"] = new JObject { ["size"] = TitleSize },
                },
                ["tickfont"] = new JObject { ["size"] = TickSize },
                ["thickness"] = 16,
                ["outlinewidth"] = 0,
            },
        };
    }

    /// <summary>Blue to red around 0, as far to either side as the largest magnitude; else from dark to
    /// light.</summary>
    private static void PutColours(JObject trace, double[,] values, bool signed)
    {
        if (!signed)
        {
            trace["colorscale"] = "Cividis";
            return;
        }
        var most = values.Cast<double>().Where(double.IsFinite).Select(Math.Abs).DefaultIfEmpty(1).Max();
        trace["zmin"] = -most;
        trace["zmax"] = most;
        trace["colorscale"] = new JArray(SignedColours.Select(stop => new JArray(stop.Place, stop.Colour)));
    }

    /// <summary>A line that can be seen on dark and on light: black with a dash of its own, over a wider white
    /// one.</summary>
    private static IEnumerable<JObject> Rimmed(Curve curve, int place)
    {
        foreach (
            var (colour, width, dash) in new[]
            {
                (White, 5.0, "solid"),
                (place == 0 ? Black : Palette.Colour(place), 2.5, Palette.Dashes[place % Palette.Dashes.Count]),
            }
        )
            yield return new JObject
            {
                ["type"] = "scatter",
                ["mode"] = "lines",
                ["name"] = curve.Name,
                ["x"] = Numbers(curve.X),
                ["y"] = Numbers(curve.Y),
                ["showlegend"] = colour != White,
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
        var grid = new GridPlan(columns, rows);
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
            PutAxis(layout, own, "xaxis", "y", suffix, grid.Left(i), grid.Width);
            PutAxis(layout, own, "yaxis", "x", suffix, grid.Bottom(i), grid.Height);
            foreach (var trace in figure["data"]!.Cast<JObject>())
            {
                trace["xaxis"] = "x" + suffix;
                trace["yaxis"] = "y" + suffix;
                NameOnce(trace, seen);
                if (trace["colorbar"] is JObject bar)
                    PutColourBar(bar, grid, i);
                traces.Add(trace);
            }
            ((JArray)layout["annotations"]!).Add(PanelTitle(charts[i].Title, grid, i));
            foreach (var key in new[] { "barmode", "bargap" })
                if (own[key] is { } value && layout[key] is null)
                    layout[key] = value;
        }
        return Chart(traces, null, null, layout);
    }

    /// <summary>Where the charts of a grid lie, in shares of the figure.</summary>
    private readonly record struct GridPlan(int Columns, int Rows)
    {
        private const double GapX = 0.11;

        private double GapY => Rows > 1 ? 0.2 / Rows + 0.06 : 0;

        public double Width => (1 - GapX * (Columns - 1)) / Columns;

        public double Height => (1 - GapY * (Rows - 1)) / Rows;

        public double Left(int chart) => chart % Columns * (Width + GapX);

        public double Bottom(int chart) => 1 - chart / Columns * (Height + GapY) - Height;
    }

    private static double Rounded(double share) => Math.Round(share, 4);

    /// <summary>Copies an axis of a chart into the grid's layout.</summary>
    private static void PutAxis(
        JObject layout,
        JObject own,
        string axis,
        string other,
        string suffix,
        double from,
        double size
    )
    {
        var copy = (JObject)(own[axis]?.DeepClone() ?? new JObject());
        copy["domain"] = new JArray(Rounded(from), Rounded(Math.Min(1, from + size)));
        copy["anchor"] = other + suffix;
        layout[axis + suffix] = copy;
    }

    /// <summary>Groups traces of one name, and shows the name in the legend for the first of them only.</summary>
    private static void NameOnce(JObject trace, HashSet<string> seen)
    {
        if (trace["name"]?.ToString() is not { Length: > 0 } name)
            return;
        trace["legendgroup"] = name;
        if ((bool?)trace["showlegend"] != false && !seen.Add(name))
            trace["showlegend"] = false;
    }

    /// <summary>Puts a chart's colour bar close to its right.</summary>
    private static void PutColourBar(JObject bar, GridPlan grid, int chart)
    {
        const double gap = 0.005;
        bar["x"] = Rounded(grid.Left(chart) + grid.Width + gap);
        bar["xanchor"] = "left";
        bar["len"] = Rounded(grid.Height);
        bar["lenmode"] = "fraction";
        bar["y"] = Rounded(grid.Bottom(chart) + grid.Height / 2);
        bar["yanchor"] = "middle";
        bar["thickness"] = 10;
    }

    /// <summary>A chart's title, above it.</summary>
    private static JObject PanelTitle(string title, GridPlan grid, int chart) =>
        new()
        {
            ["text"] = $"<b>{title}</b>",
            ["x"] = Rounded(grid.Left(chart)),
            ["y"] = Rounded(grid.Bottom(chart) + grid.Height),
            ["xref"] = "paper",
            ["yref"] = "paper",
            ["xanchor"] = "left",
            ["yanchor"] = "bottom",
            ["showarrow"] = false,
            ["yshift"] = 4,
            ["font"] = new JObject { ["size"] = TitleSize },
        };

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
            NeedPositive(curve, logX, logY);
            var place = 0;
            if (!curve.IsReference)
                place = curve.Colour >= 0 ? curve.Colour : next++;
            var colour = curve.IsReference ? Palette.Reference : Palette.Colour(place);
            if (curve.Low is not null && curve.High is not null)
                traces.Add(BandTrace(curve, curve.Low, curve.High, colour, logY, nameof(curves)));
            var asPoints = curve.IsPoints || (points && !curve.IsReference);
            traces.Add(CurveTrace(curve, place, colour, asPoints, inLegend: curves.Count > 1));
        }
        return Chart(
            traces,
            Axis(xTitle, logX, "x", curves.SelectMany(c => c.X)),
            Axis(yTitle, logY, "y", curves.SelectMany(c => (c.Low ?? []).Concat(c.High ?? []).Concat(c.Y))),
            []
        );
    }

    /// <summary>The area between a curve's lower and upper bounds.</summary>
    private static JObject BandTrace(
        Curve curve,
        IReadOnlyList<double> low,
        IReadOnlyList<double> high,
        string colour,
        bool logY,
        string parameter
    )
    {
        if (low.Count != curve.X.Count || high.Count != curve.X.Count)
            throw new ArgumentException(
                $"the band of '{curve.Name}' has {low.Count} and {high.Count} edges for "
                    + $"{curve.X.Count} points; give as many of each",
                parameter
            );
        if (logY)
            NeedPositive(low, curve.Name, "y");
        return new JObject
        {
            ["type"] = "scatter",
            ["mode"] = "lines",
            ["name"] = curve.Name,
            ["x"] = Numbers([.. curve.X, .. curve.X.Reverse()]),
            ["y"] = Numbers([.. high, .. low.Reverse()]),
            ["fill"] = "toself",
            ["fillcolor"] = Palette.Faded(colour, 0.18),
            ["line"] = new JObject { ["width"] = 0, ["color"] = colour },
            ["hoverinfo"] = "skip",
            ["showlegend"] = false,
        };
    }

    /// <summary>A line, points, or both; many points are small, and let those below them show.</summary>
    private static JObject CurveTrace(Curve curve, int place, string colour, bool asPoints, bool inLegend)
    {
        const int many = 100,
            veryMany = 300;
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
            ["showlegend"] = inLegend,
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
                ["size"] = asPoints && curve.X.Count > veryMany ? 5 : 8,
                ["opacity"] = asPoints && curve.X.Count > many ? 0.6 : 1,
            };
        return trace;
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
        var decades = Decades(values);
        axis["dtick"] = LabelStep(decades);
        axis["tickformat"] = "~g";
        axis["minor"] = new JObject
        {
            ["ticks"] = "outside",
            ["ticklen"] = 3,
            ["dtick"] = decades <= MostDecadesWithDigits ? EveryDigit : 1,
        };
        return axis;
    }

    // Plotly's words for the steps of labels on a logarithmic axis.
    private const string EveryDigit = "D1",
        OneTwoFive = "D2";

    private const double MostDecadesWithDigits = 7;

    private static double Decades(IEnumerable<double> values)
    {
        var positive = values.Where(value => value > 0 && double.IsFinite(value)).DefaultIfEmpty(1).ToArray();
        return Math.Log10(positive.Max() / positive.Min());
    }

    /// <summary>Labels at 1, 2 and 5 over a few decades, at powers of ten over many, at every digit within half a
    /// decade: never one over the other.</summary>
    private static JToken LabelStep(double decades) =>
        decades < 0.7 ? EveryDigit
        : decades <= 2.5 ? OneTwoFive
        : Math.Max(1, (int)Math.Ceiling(decades / 7));

    internal static GenericChart Chart(IEnumerable<JObject> traces, JObject? xAxis, JObject? yAxis, JObject layout)
    {
        if (xAxis is not null)
            layout["xaxis"] = xAxis;
        if (yAxis is not null)
            layout["yaxis"] = yAxis;
        var traceList = ListModule.OfSeq(traces.Select(ToTrace).ToList());
        return GenericChart.fromFigure(Plotly.NET.Figure.create(traceList, ToLayout(layout)));
    }

    private static Layout ToLayout(JObject json)
    {
        var made = new Layout();
        foreach (var (key, value) in json)
        {
            if (value is null)
                continue;
            var isAxis =
                key.StartsWith("xaxis", StringComparison.Ordinal) || key.StartsWith("yaxis", StringComparison.Ordinal);
            made.SetProperty(key, isAxis ? ToAxis((JObject)value) : value);
        }
        return made;
    }

    private static LinearAxis ToAxis(JObject json)
    {
        var axis = new LinearAxis();
        foreach (var (name, token) in json)
            axis.SetProperty(name, token);
        return axis;
    }

    private static Trace ToTrace(JObject json)
    {
        var trace = new Trace((string)json["type"]!);
        foreach (var (name, token) in json)
            if (name != "type")
                trace.SetProperty(name, token is JValue value ? value.Value : token);
        return trace;
    }

    private static JArray Numbers(IReadOnlyList<double> values) =>
        new(values.Select(value => double.IsFinite(value) ? (object)value : null));

    private static void NeedSome<T>(IReadOnlyList<T> things, string what, string parameter)
    {
        ArgumentNullException.ThrowIfNull(things, parameter);
        if (things.Count == 0)
            throw new ArgumentException($"a figure needs at least one {what}, was none", parameter);
    }

    private static void NeedPositive(Curve curve, bool logX, bool logY)
    {
        if (logX)
            NeedPositive(curve.X, curve.Name, "x");
        if (logY)
            NeedPositive(curve.Y, curve.Name, "y");
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
