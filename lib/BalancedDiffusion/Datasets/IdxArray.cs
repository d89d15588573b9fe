namespace BalancedDiffusion.Datasets;

/// <summary>The content of an idx file of unsigned bytes.</summary>
/// <param name="Dims">The lengths of its dimensions, slowest first, e.g. (60000, 28, 28).</param>
/// <param name="Data">The values in row-major order; as many as the product of the lengths.</param>
public sealed record IdxArray(IReadOnlyList<int> Dims, byte[] Data);
