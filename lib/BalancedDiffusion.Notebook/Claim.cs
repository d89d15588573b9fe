namespace BalancedDiffusion.Notebook;

/// <summary>A statement of a notebook, the number measured for it, and whether it holds.</summary>
/// <param name="Notebook">The notebook's name.</param>
/// <param name="Id">The claim's name, unique within its notebook.</param>
/// <param name="Statement">What is claimed, one sentence.</param>
/// <param name="Measured">The measured number; NaN where the claim was skipped.</param>
/// <param name="Relation">How it must stand to the bound: <c>&lt;=</c>, <c>&gt;=</c>, <c>&lt;</c>, <c>&gt;</c>,
/// <c>=±tolerance</c>; empty where skipped.</param>
/// <param name="Bound">The bound; NaN where the claim was skipped.</param>
/// <param name="Holds">Whether it holds; false where skipped.</param>
/// <param name="Seconds">Seconds since the previous claim or the start of the notebook.</param>
/// <param name="Skipped">Why it does not count: it was not measured, or is known not to hold on this run's data; or
/// null.</param>
public sealed record Claim(
    string Notebook,
    string Id,
    string Statement,
    double Measured,
    string Relation,
    double Bound,
    bool Holds,
    double Seconds,
    string? Skipped = null
)
{
    /// <summary>Whether it was measured, does not hold, and was known not to hold on this run's data.</summary>
    public bool IsExcepted => Skipped is not null && Relation.Length > 0;
}
