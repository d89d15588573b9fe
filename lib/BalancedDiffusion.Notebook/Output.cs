using System.Net;
using BalancedDiffusion.Runtime;
using Microsoft.DotNet.Interactive;
using Microsoft.DotNet.Interactive.Events;
using Microsoft.DotNet.Interactive.Formatting;

namespace BalancedDiffusion.Notebook;

/// <summary>The one place that hands something to the notebook; outside a notebook the plain text goes to the
/// console.</summary>
internal static class Output
{
    /// <summary>Shows one thing in several forms at once; each host takes the form that it likes best.</summary>
    /// <param name="forms">MIME type and value; binary forms in base64.</param>
    /// <returns>The name under which <see cref="Replace"/> finds it again.</returns>
    public static string Show(params (string Mime, string Value)[] forms)
    {
        SafePoint.Serve();
        var id = Guid.NewGuid().ToString("N");
        if (KernelInvocationContext.Current is { } context)
            context.Publish(new DisplayedValueProduced(null, context.Command, Values(forms), id));
        else
            Console.WriteLine(Plain(forms));
        return id;
    }

    /// <summary>Puts other forms in the place of what was shown under this name.</summary>
    public static void Replace(
        KernelInvocationContext context,
        string id,
        params (string Mime, string Value)[] forms
    ) => context.Publish(new DisplayedValueUpdated(null, id, context.Command, Values(forms)));

    /// <summary>Shows a sentence as plain text on standard output.</summary>
    public static void Say(string sentence) => Console.WriteLine(sentence);

    /// <summary>The text with the characters that HTML reserves replaced.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A table in HTML that needs no style sheet: header (may be null) and rows of cells that are HTML
    /// already.</summary>
    public static string HtmlTable(
        IReadOnlyList<string>? header,
        IEnumerable<IReadOnlyList<string>> rows,
        string? caption = null
    )
    {
        const string left = "style=\"text-align:left\"";
        var titles = header?.Select(cell => $"<th {left}>{cell}</th>");
        var head = titles is null ? "" : $"<thead><tr>{string.Concat(titles)}</tr></thead>";
        var body = string.Concat(
            rows.Select(row => $"<tr>{string.Concat(row.Select(cell => $"<td {left}>{cell}</td>"))}</tr>")
        );
        var top = caption is null ? "" : $"<caption {left}><b>{caption}</b></caption>";
        return $"<table>{top}{head}<tbody>{body}</tbody></table>";
    }

    /// <summary>Shows a table of verdicts, the first cell of each row bold.</summary>
    /// <param name="header">The titles of the columns, or null.</param>
    /// <param name="rows">Cells in plain text.</param>
    /// <param name="sum">A sentence below the table, or null.</param>
    /// <param name="more">Further forms of the same.</param>
    public static void ShowVerdicts(
        IReadOnlyList<string>? header,
        IReadOnlyList<string[]> rows,
        string? sum,
        params (string Mime, string Value)[] more
    )
    {
        var html = HtmlTable(
            header,
            rows.Select(row => row.Select((cell, i) => i == 0 ? $"<b>{Escape(cell)}</b>" : Escape(cell)).ToArray())
        );
        var plain = PlainTable(header, rows);
        if (sum is not null)
            (html, plain) = ($"{html}<p><b>{Escape(sum)}</b></p>", $"{plain}\n{sum}");
        Show([("text/html", html), ("text/plain", plain), .. more]);
    }

    /// <summary>A table in plain text, its columns aligned.</summary>
    public static string PlainTable(IReadOnlyList<string>? header, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var all = (header is null ? rows : [header, .. rows])
            .Select(row => row.Select(cell => cell.ReplaceLineEndings(" ")).ToArray())
            .ToList();
        if (all.Count == 0)
            return "";
        var widths = Enumerable
            .Range(0, all.Max(row => row.Length))
            .Select(i => all.Max(row => i < row.Length ? row[i].Length : 0))
            .ToArray();
        return string.Join(
            "\n",
            all.Select(row => string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd())
        );
    }

    private static FormattedValue[] Values((string Mime, string Value)[] forms) =>
        [.. forms.Select(form => new FormattedValue(form.Mime, form.Value))];

    private static string Plain((string Mime, string Value)[] forms) =>
        forms.Where(form => form.Mime is "text/plain" or "text/markdown").Select(form => form.Value).FirstOrDefault()
        ?? $"[{forms[0].Mime}]";
}
