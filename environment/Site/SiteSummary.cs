using System.Globalization;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>What a site holds.</summary>
/// <param name="Pages">Pages of notebooks and exercises; the start page and the table of claims come on top.</param>
/// <param name="Figures">Pictures, charts included.</param>
/// <param name="Charts">Figures that a reader can turn and zoom.</param>
/// <param name="Formulas">Formulas set.</param>
/// <param name="Claims">Claims in the table.</param>
/// <param name="Bytes">The size of all files.</param>
/// <param name="Images">The data sets that the pictures were made from.</param>
public sealed record SiteSummary(
    int Pages,
    int Figures,
    int Charts,
    int Formulas,
    int Claims,
    long Bytes,
    IReadOnlyList<string> Images
)
{
    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{Pages} pages, {Figures} figures ({Charts} interactive), {Formulas} formulas, {Claims} claims, "
                + $"{Bytes / 1e6:0.0} MB"
        );
}
