using System.Globalization;
using System.Reflection;
using Deedle;
using MathNet.Numerics.LinearAlgebra;
using Microsoft.DotNet.Interactive.Formatting;
using TorchSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>How values left at the end of a cell are shown: numbers, tensors, frames, series, matrices and
/// vectors.</summary>
public static class Formatters
{
    /// <summary>Registers the formatters with the notebook kernel; doing so twice does no harm.</summary>
    public static void Register()
    {
        Both(typeof(torch.Tensor), value => OfTensor((torch.Tensor)value));
        foreach (var type in new[] { typeof(double), typeof(float), typeof(Half), typeof(decimal) })
            Both(type, value => Lines(Digits((IFormattable)value)));
        Both(typeof(Frame<,>), value => Generic(nameof(OfFrame), typeof(Frame<,>), value));
        Both(typeof(Series<,>), value => Generic(nameof(OfSeries), typeof(Series<,>), value));
        Both(typeof(Matrix<>), value => Generic(nameof(OfMatrix), typeof(Matrix<>), value));
        Both(typeof(Vector<>), value => Generic(nameof(OfVector), typeof(Vector<>), value));
        Formatter.Register<Plotly.NET.GenericChart>(
            (_, writer) => writer.Write("a chart; show it with Figure.Show(chart, id, title, takeaway)"),
            "text/plain"
        );
        Formatter.SetPreferredMimeTypesFor(typeof(Plotly.NET.GenericChart), "text/plain");
    }

    internal static (string Html, string Plain) Of(object value) =>
        value switch
        {
            torch.Tensor tensor => OfTensor(tensor),
            double or float or Half or decimal => Lines(Digits((IFormattable)value)),
            _ when Base(value.GetType(), typeof(Frame<,>)) is not null => Generic(
                nameof(OfFrame),
                typeof(Frame<,>),
                value
            ),
            _ when Base(value.GetType(), typeof(Series<,>)) is not null => Generic(
                nameof(OfSeries),
                typeof(Series<,>),
                value
            ),
            _ when Base(value.GetType(), typeof(Matrix<>)) is not null => Generic(
                nameof(OfMatrix),
                typeof(Matrix<>),
                value
            ),
            _ when Base(value.GetType(), typeof(Vector<>)) is not null => Generic(
                nameof(OfVector),
                typeof(Vector<>),
                value
            ),
            _ => throw new ArgumentException($"there is no formatter for {value.GetType().Name}", nameof(value)),
        };

    private static void Both(Type type, Func<object, (string Html, string Plain)> format)
    {
        Formatter.Register(type, (value, writer) => writer.Write(format(value).Html), "text/html");
        Formatter.Register(type, (value, writer) => writer.Write(format(value).Plain), "text/plain");
        Formatter.SetPreferredMimeTypesFor(type, "text/html", "text/plain");
    }

    private static (string, string) OfTensor(torch.Tensor tensor)
    {
        if (tensor.IsInvalid)
            return Lines("a disposed tensor");
        var summary = TensorSummary.Of(tensor);
        if (TensorSummary.Rows(tensor) is not { } rows)
            return Lines(summary);
        var table = Table.Render(null, null, rows);
        var title = $"tensor ({string.Join(", ", tensor.shape)}) {tensor.dtype.ToString().ToLowerInvariant()}";
        return ($"<p><code>{title}</code></p>{table.Html}", $"{title}\n{table.Plain}");
    }

    private static (string, string) OfFrame<TRowKey, TColumnKey>(Frame<TRowKey, TColumnKey> frame)
        where TRowKey : notnull
        where TColumnKey : notnull
    {
        var (header, rows) = Table.Read(frame);
        return Table.Render(null, header, rows);
    }

    private static (string, string) OfSeries<TKey, TValue>(Series<TKey, TValue> series)
        where TKey : notnull =>
        Table.Render(
            null,
            ["key", "value"],
            [
                .. series.ObservationsAll.Select(o =>
                    (IReadOnlyList<string>)
                        [
                            TensorSummary.Format((object)o.Key),
                            o.Value.HasValue ? TensorSummary.Format((object?)o.Value.Value) : "–",
                        ]
                ),
            ]
        );

    private static (string, string) OfMatrix<TNumber>(Matrix<TNumber> matrix)
        where TNumber : struct, IEquatable<TNumber>, IFormattable
    {
        var title = $"matrix ({matrix.RowCount}, {matrix.ColumnCount}) {typeof(TNumber).Name.ToLowerInvariant()}";
        if (matrix.RowCount > 16 || matrix.ColumnCount > 16)
            return Lines(title);
        var table = Table.Render(
            null,
            null,
            [
                .. matrix
                    .EnumerateRows()
                    .Select(row => (IReadOnlyList<string>)[.. row.Select(x => TensorSummary.Format((object)x))]),
            ]
        );
        return ($"<p><code>{title}</code></p>{table.Html}", $"{title}\n{table.Plain}");
    }

    private static (string, string) OfVector<TNumber>(Vector<TNumber> vector)
        where TNumber : struct, IEquatable<TNumber>, IFormattable
    {
        var title = $"vector ({vector.Count}) {typeof(TNumber).Name.ToLowerInvariant()}";
        if (vector.Count > 16)
            return Lines(title);
        var table = Table.Render(
            null,
            null,
            [
                [.. vector.Select(x => TensorSummary.Format((object)x))],
            ]
        );
        return ($"<p><code>{title}</code></p>{table.Html}", $"{title}\n{table.Plain}");
    }

    /// <summary>A number as a reader wants it: six digits, a whole one in full, a point on every machine.</summary>
    internal static string Digits(IFormattable number)
    {
        var value = Convert.ToDouble(number is Half half ? (double)half : number, CultureInfo.InvariantCulture);
        return value == Math.Floor(value) && Math.Abs(value) < 1e15
            ? value.ToString("0", CultureInfo.InvariantCulture)
            : value.ToString("G6", CultureInfo.InvariantCulture);
    }

    private static (string, string) Lines(string text) => ($"<p><code>{Output.Escape(text)}</code></p>", text);

    private static (string Html, string Plain) Generic(string method, Type open, object value) =>
        ((string, string))
            typeof(Formatters)
                .GetMethod(method, BindingFlags.NonPublic | BindingFlags.Static)!
                .MakeGenericMethod(Base(value.GetType(), open)!.GetGenericArguments())
                .Invoke(null, [value])!;

    private static Type? Base(Type? type, Type open)
    {
        for (; type is not null; type = type.BaseType)
            if (type.IsGenericType && type.GetGenericTypeDefinition() == open)
                return type;
        return null;
    }
}
