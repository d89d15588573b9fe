using System.Text.RegularExpressions;
using AngleSharp.Dom;
using AngleSharp.Html.Dom;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>Reads claims from the tables that <c>Claims.Check</c> and <c>Claims.Skip</c> leave in a notebook.</summary>
public static partial class ClaimReader
{
    /// <summary>Whether a table is one of claims.</summary>
    public static bool IsClaims(IHtmlTableElement table)
    {
        ArgumentNullException.ThrowIfNull(table);
        return table
            .QuerySelectorAll("thead th")
            .Select(h => h.TextContent.Trim())
            .SequenceEqual(["", "claim", "measured", "must be"]);
    }

    /// <summary>The claims of a table.</summary>
    /// <param name="table">A table of claims.</param>
    /// <param name="source">The cell's code, where the claims' names stand.</param>
    /// <param name="page">The page's path in the site.</param>
    /// <param name="anchor">The id of the cell in the page.</param>
    /// <exception cref="FormatException">A row is none that <c>Claims</c> writes.</exception>
    public static IEnumerable<SiteClaim> Read(IHtmlTableElement table, string source, string page, string anchor)
    {
        ArgumentNullException.ThrowIfNull(table);
        var names = Literal()
            .Matches(source)
            .GroupBy(m => Regex.Unescape(Join().Replace(m.Groups[2].Value, "")))
            .ToDictionary(g => g.Key, g => g.First().Groups[1].Value);
        foreach (var row in table.QuerySelectorAll("tbody tr"))
        {
            var cells = row.QuerySelectorAll("td").Select(c => c.TextContent.Trim()).ToArray();
            if (cells.Length != 4)
                throw new FormatException($"a row of the claims has {cells.Length} cells, not 4");
            var outcome = cells[0] switch
            {
                "✓ holds" => ClaimOutcome.Holds,
                "✗ fails" => ClaimOutcome.Fails,
                "– exception" => ClaimOutcome.Exception,
                "– skipped" => ClaimOutcome.Skipped,
                _ => throw new FormatException(
                    $"a claim's outcome is '{cells[0]}', which is none of holds, fails, exception and skipped"
                ),
            };
            yield return new SiteClaim(
                page,
                anchor,
                names.GetValueOrDefault(cells[1]),
                outcome,
                cells[1],
                cells[2],
                cells[3]
            );
        }
    }

    // A long statement is wrapped: "…" + "…".
    [GeneratedRegex(
        @"Claims\.(?:Check|Skip)\(\s*""([\w.-]+)"",\s*""((?:[^""\\]|\\.|""\s*\+\s*"")*)""",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Literal();

    [GeneratedRegex(@"""\s*\+\s*""", RegexOptions.CultureInvariant)]
    private static partial Regex Join();
}
