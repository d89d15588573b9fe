namespace BalancedDiffusion.Reproduce.Runner.Linting;

/// <summary>Something about a notebook that must be fixed before it is committed.</summary>
/// <param name="Notebook">The notebook's name.</param>
/// <param name="Rule">Which rule it breaks.</param>
/// <param name="Cell">The number of the cell among all cells, from 1; 0 where the finding is about the file.</param>
/// <param name="Message">One sentence.</param>
public sealed record LintFinding(string Notebook, LintRule Rule, int Cell, string Message)
{
    /// <summary>Whether the finding would give away something of the machine it ran on.</summary>
    public bool IsLeak => Rule is LintRule.NetworkAddress or LintRule.AbsolutePath or LintRule.UserName;

    /// <inheritdoc/>
    public override string ToString() => $"{Notebook}{(Cell > 0 ? $", cell {Cell}" : "")}: {Message}";
}
