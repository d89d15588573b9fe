using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Marks comments, strings, numbers, keywords and directives in code, and nothing else.</summary>
public static partial class CodeHighlighter
{
    private static readonly HashSet<string> CSharp = Words(
        """
        abstract as async await base bool break byte case catch char checked class const continue decimal default
        delegate do double else enum event explicit extern false finally fixed float for foreach get goto if
        implicit in init int interface internal is lock long nameof namespace new not null object operator or and
        out override params private protected public readonly record ref required return sbyte sealed set short
        sizeof stackalloc static string struct switch this throw true try typeof uint ulong unchecked unsafe ushort
        using var virtual void volatile when where while with yield
        """
    );

    private static readonly HashSet<string> FSharp = Words(
        """
        abstract and as assert base begin class default delegate do done downcast downto elif else end exception
        extern false finally fixed for fun function global if in inherit inline interface internal lazy let match
        member module mutable namespace new not null of open or override private public rec return select static
        struct then to true try type upcast use val void when while with yield
        """
    );

    /// <summary>The code as HTML.</summary>
    /// <param name="code">The code.</param>
    /// <param name="language">The kernel's name: <c>csharp</c> or <c>fsharp</c>; another language has no keywords
    /// here.</param>
    public static string Highlight(string code, string language)
    {
        ArgumentNullException.ThrowIfNull(code);
        var keywords = language switch
        {
            "csharp" => CSharp,
            "fsharp" => FSharp,
            _ => null,
        };
        var html = new StringBuilder();
        var at = 0;
        foreach (Match token in Token().Matches(code))
        {
            html.Append(WebUtility.HtmlEncode(code[at..token.Index]));
            at = token.Index + token.Length;
            var kind =
                new[] { "comment", "string", "number", "directive" }.FirstOrDefault(k => token.Groups[k].Success)
                ?? (keywords?.Contains(token.Value) == true ? "keyword" : null);
            var text = WebUtility.HtmlEncode(token.Value);
            html.Append(kind is null ? text : $"<span class=\"{kind}\">{text}</span>");
        }
        return html.Append(WebUtility.HtmlEncode(code[at..])).ToString();
    }

    private static HashSet<string> Words(string list) =>
        [.. list.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)];

    [GeneratedRegex(
        """
            (?<directive>^\#[!a-z][^\n]*)
            |(?<comment>//[^\n]*|/\*[\s\S]*?\*/|\(\*(?!\))[\s\S]*?\*\))
            |(?<string>\$*\"{3}[\s\S]*?\"{3}
              |(?:\$@|@\$?)\"(?:[^\"]|\"\")*\"
              |\$\"(?:[^\"\\{\n]|\\.|\{\{|\{(?:[^{}\"\n]|\"(?:[^\"\\\n]|\\.)*\"|\{[^{}\n]*\})*\})*\"
              |\"(?:[^\"\\\n]|\\.)*\"
              |'(?:[^'\\\n]|\\[^\n]{1,9}?)')
            |(?<number>(?<![\w.])(?:0x[0-9a-fA-F_]+|\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?)[fFdDmMuUlL]*\b)
            |\b[A-Za-z_]\w*\b
            """,
        RegexOptions.IgnorePatternWhitespace | RegexOptions.Multiline | RegexOptions.CultureInvariant
    )]
    private static partial Regex Token();
}
