namespace BalancedDiffusion.Noise;

/// <summary>
/// The linear schedule of DDPM (Ho et al. 2020), which the published DiT uses too, as levels of <c>y = x + sigma
/// eps</c>: beta rises linearly from betaStart to betaEnd over N timesteps, <c>alphaBar_i = prod_{j≤i} (1 -
/// beta_j)</c>, <c>sigma_i = sqrt((1 - alphaBar_i)/alphaBar_i)</c>: from 0.0100 to 157.4. Time is the network's
/// timestep, 0 to N - 1; between whole timesteps the logarithm of sigma is linear.
/// </summary>
public sealed record DiscreteLinearSchedule : BetaSchedule
{
    /// <summary>A schedule of N timesteps.</summary>
    /// <param name="betaStart">beta_0, between 0 and betaEnd (exclusive).</param>
    /// <param name="betaEnd">beta_{N-1}, &lt; 1.</param>
    /// <param name="count">N, ≥ 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or so much noise gathers that sigma
    /// overflows.</exception>
    public DiscreteLinearSchedule(double betaStart = 1e-4, double betaEnd = 0.02, int count = 1000)
        : base(betaStart, betaEnd, count, i => betaStart + (betaEnd - betaStart) * i / (count - 1)) { }
}
