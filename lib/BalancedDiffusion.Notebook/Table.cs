using System.Reflection;
using Deedle;

namespace BalancedDiffusion.Notebook;

/// <summary>Tables of numbers and words, in HTML and in plain text.</summary>
public static class Table
{
    private const int MostRows = 40;

    /// <summary>Shows rows under a header.</summary>
    /// <param name="title">What the table shows, one line.</param>
    /// <param name="header">The columns' names, with units.</param>
    /// <param name="rows">The rows, each with one cell a column; numbers are shown with four digits.</param>
    /// <exception cref="ArgumentException">The title is empty, or a row has another number of cells than the
    /// header.</exception>
    public static void Show(string title, IReadOnlyList<string> header, IEnumerable<IReadOnlyList<object?>> rows)
    {
        ArgumentNullException.ThrowIfNull(header);
        ArgumentNullException.ThrowIfNull(rows);
        if (string.IsNullOrWhiteSpace(title))
            throw new ArgumentException("a table needs a title that says what it shows", nameof(title));
        var all = rows.ToList();
        var odd = all.FindIndex(row => row.Count != header.Count);
        if (odd >= 0)
            throw new ArgumentException(
                $"row {odd} of the table '{title}' has {all[odd].Count} cells, the header has {header.Count}",
                nameof(rows)
            );
        var (html, plain) = Render(
            title,
            header,
            [.. all.Select(row => (IReadOnlyList<string>)[.. row.Select(TensorSummary.Format)])]
        );
        Output.Show(("text/html", html), ("text/plain", plain));
    }

    /// <summary>Shows objects, one a row; the public properties of their type are the columns, in the order of
    /// declaration.</summary>
    /// <param name="rows">The objects: records or anonymous objects, e.g. <c>from s in sigmas select new { sigma = s,
    /// loss = Loss(s) }</c>.</param>
    /// <param name="title">What the table shows, one line.</param>
    public static void Show<TRow>(IEnumerable<TRow> rows, string title)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var properties = typeof(TRow)
            .GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => p.GetIndexParameters().Length == 0)
            .ToArray();
        var fields = typeof(TRow).GetFields(BindingFlags.Public | BindingFlags.Instance);
        if (typeof(TRow).IsPrimitive || typeof(TRow) == typeof(string) || properties.Length + fields.Length == 0)
            throw new ArgumentException(
                $"rows of {typeof(TRow).Name} have no columns; select records or anonymous objects such as "
                    + $"new {{ sigma, loss }}",
                nameof(rows)
            );
        Show(
            title,
            [.. properties.Select(p => p.Name), .. fields.Select(f => f.Name)],
            rows.Select(row =>
                (IReadOnlyList<object?>)
                    [.. properties.Select(p => p.GetValue(row)), .. fields.Select(f => f.GetValue(row))]
            )
        );
    }

    /// <summary>Shows a Deedle frame; its row keys are the first column.</summary>
    public static void Show<TRowKey, TColumnKey>(Frame<TRowKey, TColumnKey> frame, string title)
        where TRowKey : notnull
        where TColumnKey : notnull
    {
        ArgumentNullException.ThrowIfNull(frame);
        if (string.IsNullOrWhiteSpace(title))
            throw new ArgumentException("a table needs a title that says what it shows", nameof(title));
        var (header, rows) = Read(frame);
        var (html, plain) = Render(title, header, rows);
        Output.Show(("text/html", html), ("text/plain", plain));
    }

    internal static (IReadOnlyList<string> Header, IReadOnlyList<IReadOnlyList<string>> Rows) Read<TRowKey, TColumnKey>(
        Frame<TRowKey, TColumnKey> frame
    )
        where TRowKey : notnull
        where TColumnKey : notnull
    {
        var data = frame.GetFrameData();
        var columns = data
            .Columns.Select(column =>
                column
                    .Item2.ObjectSequence.Select(cell => cell.HasValue ? TensorSummary.Format(cell.Value) : "–")
                    .ToArray()
            )
            .ToArray();
        var keys = frame.RowKeys.Select(key => TensorSummary.Format((object)key)).ToArray();
        return (
            ["", .. frame.ColumnKeys.Select(key => TensorSummary.Format((object)key))],
            [.. keys.Select((key, i) => (IReadOnlyList<string>)[key, .. columns.Select(column => column[i])])]
        );
    }

    internal static (string Html, string Plain) Render(
        string? title,
        IReadOnlyList<string>? header,
        IReadOnlyList<IReadOnlyList<string>> rows
    )
    {
        var shown = rows;
        if (rows.Count > MostRows)
        {
            string[] gap = [.. rows[0].Select(_ => "…")];
            shown = [.. rows.Take(MostRows / 2), gap, .. rows.Skip(rows.Count - MostRows / 2)];
        }
        var html = Output.HtmlTable(
            header?.Select(Output.Escape).ToArray(),
            shown.Select(row => row.Select(Output.Escape).ToArray()),
            title is null ? null : Output.Escape(title)
        );
        var plain = (title is null ? "" : title + "\n") + Output.PlainTable(header, shown);
        if (rows.Count <= MostRows)
            return (html, plain);
        var note = $"{MostRows} of {rows.Count} rows";
        return ($"{html}<p>{note}</p>", $"{plain}\n{note}");
    }
}
