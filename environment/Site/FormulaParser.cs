using Markdig.Helpers;
using Markdig.Parsers;
using Markdig.Syntax;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>
/// Reads <c>$…$</c> and <c>$$…$$</c> as Jupyter and GitHub do, also over several lines and inside tables. A dollar
/// sign that opens no formula is an error, since it would be shown as it is; <c>\$</c> is a dollar.
/// </summary>
public sealed class FormulaParser : InlineParser
{
    /// <summary>Reads from the dollar sign.</summary>
    public FormulaParser() => OpeningCharacters = ['$'];

    /// <inheritdoc/>
    public override bool Match(InlineProcessor processor, ref StringSlice slice)
    {
        ArgumentNullException.ThrowIfNull(processor);
        var (text, start) = (slice.Text, slice.Start);
        var display = slice.PeekChar() == '$';
        var fence = display ? "$$" : "$";
        var from = start + fence.Length;
        var end = Closing(text, from, slice.End, fence);
        if (end < 0 || string.IsNullOrWhiteSpace(text[from..end]))
        {
            var line = text[start..(slice.End + 1)].Split('\n')[0];
            throw new FormatException(
                $"the dollar sign at '{(line.Length > 60 ? line[..59] + "…" : line)}' opens no formula; close "
                    + "it, or write \\$ for a dollar"
            );
        }
        processor.Inline = new FormulaInline
        {
            Tex = text[from..end].Trim(),
            IsDisplay = display,
            Span = new SourceSpan(start, end + fence.Length - 1),
        };
        slice.Start = end + fence.Length;
        return true;
    }

    private static int Closing(string text, int from, int last, string fence)
    {
        for (var i = from; i + fence.Length - 1 <= last; i++)
        {
            if (text[i] == '\\')
                i++;
            else if (string.CompareOrdinal(text, i, fence, 0, fence.Length) == 0)
                return i;
        }
        return -1;
    }
}
