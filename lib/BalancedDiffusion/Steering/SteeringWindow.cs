using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Steering;

/// <summary>The noise levels at which a direction is added: from <paramref name="Low"/> to <paramref name="High"/>,
/// both included.</summary>
/// <param name="Low">The least noise level, ≥ 0.</param>
/// <param name="High">The greatest, ≥ Low; may be infinite.</param>
public sealed record SteeringWindow(double Low, double High)
{
    /// <summary>Every level.</summary>
    public static SteeringWindow Everywhere { get; } = new(0, double.PositiveInfinity);

    /// <summary>The least noise level, ≥ 0.</summary>
    public double Low { get; } = NotNegative(Low);

    /// <summary>The greatest, ≥ Low; may be infinite.</summary>
    public double High { get; } =
        High >= Low
            ? High
            : throw new ArgumentOutOfRangeException(nameof(High), $"High must be at least Low = {Low}, was {High}");

    /// <summary>The window that holds some steps of a trajectory: step i goes from <c>sigmas[i]</c> to <c>sigmas[i +
    /// 1]</c> and asks the network at <c>sigmas[i]</c>. The authors steer steps 18 to 37 of 40. (Heun also asks at
    /// <c>sigmas[i + 1]</c> within step i: its second question of the last step lies below the window.)</summary>
    /// <param name="sigmas">The levels of the trajectory, strictly decreasing, at least two.</param>
    /// <param name="first">The first step, ≥ 0.</param>
    /// <param name="last">The last step, from first to <c>sigmas.Count - 2</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There are no such steps.</exception>
    /// <exception cref="ArgumentException">The levels do not decrease.</exception>
    public static SteeringWindow OfSteps(IReadOnlyList<double> sigmas, int first, int last)
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        Sampling.SamplerLoop.CheckLevels(sigmas);
        if (first < 0 || first > last || last > sigmas.Count - 2)
            throw new ArgumentOutOfRangeException(
                nameof(first),
                $"steps must lie in 0 to {sigmas.Count - 2}, first before last, were {first} to {last}"
            );
        return new SteeringWindow(sigmas[last], sigmas[first]);
    }

    /// <summary>Whether a level lies in the window, up to the rounding of a level kept in float32.</summary>
    /// <param name="sigma">The level.</param>
    public bool Contains(double sigma) => sigma >= Low * (1 - 1e-6) && sigma <= High * (1 + 1e-6);

    private static double NotNegative(double low)
    {
        Guard.NotNegative(low, nameof(Low));
        return low;
    }
}
