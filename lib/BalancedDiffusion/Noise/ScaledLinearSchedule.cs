namespace BalancedDiffusion.Noise;

/// <summary>
/// Stable Diffusion's schedule (Rombach et al. 2022) as levels of <c>y = x + sigma eps</c>: <c>beta_i =
/// (sqrt(betaStart) + i/(N-1) (sqrt(betaEnd) - sqrt(betaStart)))²</c> for i from 0 to N - 1, <c>alphaBar_i =
/// prod_{j≤i} (1 - beta_j)</c>, <c>sigma_i = sqrt((1 - alphaBar_i)/alphaBar_i)</c>: from 0.0292 to 14.6146. Time is
/// the network's timestep, 0 to N - 1; between whole timesteps the logarithm of sigma is linear. Its own starts, N(0,
/// I) in z, are N(0, (1 + sigma²) I) here: 0.2 % wider than N(0, sigma² I) at the greatest level.
/// </summary>
public sealed record ScaledLinearSchedule : BetaSchedule
{
    /// <summary>A schedule of N timesteps.</summary>
    /// <param name="betaStart">beta_0, between 0 and betaEnd (exclusive).</param>
    /// <param name="betaEnd">beta_{N-1}, &lt; 1.</param>
    /// <param name="count">N, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or so much noise gathers that sigma
    /// overflows.</exception>
    public ScaledLinearSchedule(double betaStart = 0.00085, double betaEnd = 0.012, int count = 1000)
        : base(
            betaStart,
            betaEnd,
            count,
            i =>
            {
                var root = Math.Sqrt(betaStart) + (Math.Sqrt(betaEnd) - Math.Sqrt(betaStart)) * i / (count - 1);
                return root * root;
            }
        ) { }
}
