namespace BalancedDiffusion.Theory;

/// <summary>What a Lanczos run found at the ends of a spectrum.</summary>
/// <param name="Smallest">The smallest Ritz value: never below the smallest eigenvalue, and within
/// <paramref name="Residual"/> of some eigenvalue.</param>
/// <param name="Vector">Its unit Ritz vector.</param>
/// <param name="Residual">The norm of <c>A v - theta v</c>.</param>
/// <param name="Largest">The largest Ritz value: never above the largest eigenvalue.</param>
/// <param name="Steps">How many products with the matrix were taken.</param>
/// <param name="Converged">Whether the residual met the tolerance.</param>
public sealed record LanczosResult(
    double Smallest,
    double[] Vector,
    double Residual,
    double Largest,
    int Steps,
    bool Converged
);
