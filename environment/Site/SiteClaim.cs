namespace BalancedDiffusion.Reproduce.Site;

/// <summary>A claim as a notebook shows it.</summary>
/// <param name="Page">The page's path in the site.</param>
/// <param name="Anchor">The id of its cell in the page.</param>
/// <param name="Id">Its name, e.g. <c>03.separable</c>, where the cell says it literally; else null.</param>
/// <param name="Outcome">What became of it.</param>
/// <param name="Statement">What is claimed.</param>
/// <param name="Measured">The measured number as shown; empty where it was skipped.</param>
/// <param name="Bound">What it must be, e.g. <c>≤ 0.01</c>; empty where it was skipped.</param>
public sealed record SiteClaim(
    string Page,
    string Anchor,
    string? Id,
    ClaimOutcome Outcome,
    string Statement,
    string Measured,
    string Bound
)
{
    /// <summary>The outcome as a word for style sheets and filters: <c>holds</c>, <c>fails</c>, <c>exception</c> or
    /// <c>skipped</c>.</summary>
    public string OutcomeName => Outcome.ToString().ToLowerInvariant();

    /// <summary>The outcome with its sign, which tells it without colour.</summary>
    public string OutcomeText =>
        Outcome switch
        {
            ClaimOutcome.Holds => "✓ holds",
            ClaimOutcome.Fails => "✗ fails",
            ClaimOutcome.Exception => "– exception",
            _ => "– skipped",
        };
}
