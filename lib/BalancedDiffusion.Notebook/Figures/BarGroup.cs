namespace BalancedDiffusion.Notebook;

/// <summary>One named group of bars, one bar a label, made by <see cref="Plot.BarGroup"/>.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Values">The heights, one a label.</param>
public sealed record BarGroup(string Name, IReadOnlyList<double> Values)
{
    /// <summary>How far each bar's interval reaches below and above its height, or null.</summary>
    public IReadOnlyList<double>? Errors { get; init; }
}
