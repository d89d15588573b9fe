namespace BalancedDiffusion.Benchmarks;

/// <summary>Says how many samples one invocation of a benchmark makes or uses, for
/// <see cref="SamplesPerSecondColumn"/>.</summary>
/// <param name="count">How many, ≥ 1.</param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SamplesAttribute(int count) : Attribute
{
    /// <summary>How many.</summary>
    public int Count { get; } = count;
}
