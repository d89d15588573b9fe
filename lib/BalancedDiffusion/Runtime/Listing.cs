using System.Text;

namespace BalancedDiffusion.Runtime;

/// <summary>Words for messages.</summary>
internal static class Listing
{
    /// <summary>At most eight names, quoted, then how many more there are.</summary>
    public static string Of(IEnumerable<string> names)
    {
        var all = names.ToList();
        if (all.Count == 0)
            return "nothing";
        var shown = string.Join(", ", all.Take(8).Select(Quoted));
        return all.Count > 8 ? $"{shown} and {all.Count - 8} more" : shown;
    }

    /// <summary>At most eight clauses, then how many more there are.</summary>
    public static string Some(IReadOnlyList<string> clauses) =>
        string.Join("; ", clauses.Take(8)) + (clauses.Count > 8 ? $" and {clauses.Count - 8} more" : "");

    /// <summary>A text from a file in quotes, cut at 100 characters, without control characters.</summary>
    public static string Quoted(string text) => $"'{Printable(text)}'";

    /// <summary>A text from a file, cut at 100 characters, without control characters.</summary>
    public static string Printable(string text)
    {
        var shown = new StringBuilder();
        foreach (var c in text.Length > 100 ? text.AsSpan(0, 100) : text)
            shown.Append(char.IsControl(c) || char.IsSurrogate(c) ? '?' : c);
        return text.Length > 100 ? shown.Append('…').ToString() : shown.ToString();
    }

    /// <summary>A shape in parentheses.</summary>
    public static string Shape(IEnumerable<long> shape) => $"({string.Join(", ", shape)})";
}
