namespace BalancedDiffusion.Noise;

/// <summary>The noise levels that a sampler visits on its way from noise to a sample.</summary>
public interface INoiseSchedule
{
    /// <summary>The levels of a run with this many steps: strictly decreasing, <c>steps + 1</c> of them, the last one 0.</summary>
    /// <param name="steps">The number of steps, ≥ 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">steps is below 1.</exception>
    IReadOnlyList<double> Levels(int steps);
}
