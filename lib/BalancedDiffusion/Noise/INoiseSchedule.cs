namespace BalancedDiffusion.Noise;

/// <summary>The noise levels that a sampler walks down.</summary>
public interface INoiseSchedule
{
    /// <summary>The levels of a run.</summary>
    /// <param name="steps">How many steps, ≥ 1.</param>
    /// <returns>steps + 1 levels, strictly decreasing from the greatest level to exactly 0.</returns>
    /// <exception cref="ArgumentOutOfRangeException">steps is below 1.</exception>
    IReadOnlyList<double> Levels(int steps);
}
