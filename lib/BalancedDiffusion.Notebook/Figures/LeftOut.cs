using Newtonsoft.Json.Linq;

namespace BalancedDiffusion.Notebook;

/// <summary>What a chart cannot draw: points, bars and cells that are NaN or infinite. A figure says so.</summary>
internal static class LeftOut
{
    // So many series are named one by one; the words of more would not fit above the chart.
    private const int MostNamed = 2;

    /// <summary>What is left out of a figure, without a full stop; null where it shows everything.</summary>
    /// <param name="data">The traces as Plotly has them.</param>
    public static string? Of(JArray data)
    {
        // A line's white rim has the line's own name and points, and counts once.
        var series = data.Cast<JObject>()
            .Select(Count)
            .DistinctBy(s => (s.Name, s.Panel, s.Things, s.Lost, s.All))
            .ToList();
        var poor = series.Where(s => s.Lost > 0).ToList();
        if (poor.Count == 0)
            return null;
        if (poor.Count <= MostNamed)
            return string.Join(
                "; ",
                poor.Select(s => (series.Count > 1 && s.Name.Length > 0 ? s.Name + ": " : "") + Words(s))
            );
        var (lost, all) = (poor.Sum(s => s.Lost), poor.Sum(s => s.All));
        var empty = poor.Count(s => s.Lost == s.All);
        return $"in {poor.Count} of {series.Count} series {lost} of {all} numbers are not finite and are left out"
            + (empty == 0 ? "" : $"; {empty} of them {(empty == 1 ? "has" : "have")} no finite number");
    }

    /// <summary>Writes the note above the chart, at the right.</summary>
    public static void Write(JObject layout, string note)
    {
        var notes = layout["annotations"] as JArray ?? (JArray)(layout["annotations"] = new JArray());
        notes.Add(
            new JObject
            {
                ["text"] = note,
                ["x"] = 1,
                ["y"] = 1,
                ["xref"] = "paper",
                ["yref"] = "paper",
                ["xanchor"] = "right",
                ["yanchor"] = "bottom",
                ["showarrow"] = false,
                ["yshift"] = 21,
                ["font"] = new JObject { ["size"] = 12, ["color"] = "#A50F15" },
            }
        );
        layout["margin"]!["t"] = 72;
    }

    private static string Words((string Name, string Panel, string Things, int Lost, int All) series) =>
        series.Lost == series.All ? $"none of {series.All} {series.Things} is finite, so nothing is drawn"
        : series.Lost == 1 ? $"1 of {series.All} {series.Things} is not finite and is left out"
        : $"{series.Lost} of {series.All} {series.Things} are not finite and are left out";

    private static (string Name, string Panel, string Things, int Lost, int All) Count(JObject trace)
    {
        var (name, panel) = ((string?)trace["name"] ?? "", (string?)trace["xaxis"] ?? "x");
        if (trace["z"] is JArray rows)
        {
            var cells = rows.SelectMany(row => row is JArray one ? one : new JArray(row)).ToList();
            return (name, panel, "cells", cells.Count(IsLost), cells.Count);
        }
        if (trace["y"] is not JArray up)
            return (name, panel, "points", 0, 0);
        var across = trace["x"] as JArray;
        var lost = Enumerable.Range(0, up.Count).Count(i => IsLost(up[i]) || (across?.Count > i && IsLost(across[i])));
        var things =
            (string?)trace["type"] == "bar" ? "bars"
            : trace["fill"] is not null ? "edges of the band"
            : "points";
        return (name, panel, things, lost, up.Count);
    }

    // Plotly.NET writes what is not finite as a number, as a word, or as nothing.
    private static bool IsLost(JToken token) =>
        token.Type switch
        {
            JTokenType.Null => true,
            JTokenType.Float => !double.IsFinite((double)token),
            JTokenType.String => (string?)token is "NaN" or "Infinity" or "-Infinity",
            _ => false,
        };
}
