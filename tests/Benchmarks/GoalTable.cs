using System.Globalization;

namespace BalancedDiffusion.Benchmarks;

/// <summary>Rows of what was measured, each with its goal and whether it is met.</summary>
public sealed class GoalTable
{
    private readonly List<string> lines = ["| | measured | goal | |", "|---|---|---|---|"];

    /// <summary>A number without a goal.</summary>
    public void Note(string what, string measured) => Add($"| {what} | {measured} | | |");

    /// <summary>A ratio that should be this large.</summary>
    public void AtLeast(string what, double ratio, double goal) => Row(what, ratio, "≥", goal, ratio >= goal);

    /// <summary>A ratio that should be this small.</summary>
    public void AtMost(string what, double ratio, double goal) => Row(what, ratio, "≤", goal, ratio <= goal);

    /// <inheritdoc/>
    public override string ToString() => string.Join('\n', lines) + "\n";

    private void Row(string what, double measured, string sign, double goal, bool isMet) =>
        Add(
            string.Create(
                CultureInfo.InvariantCulture,
                $"| {what} | {measured:F2} | {sign} {goal} | {(isMet ? "met" : "not met")} |"
            )
        );

    private void Add(string line)
    {
        lines.Add(line);
        Console.WriteLine(line);
    }
}
