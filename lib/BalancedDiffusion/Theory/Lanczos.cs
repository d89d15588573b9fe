using BalancedDiffusion.Runtime;
using MathNet.Numerics.LinearAlgebra;

namespace BalancedDiffusion.Theory;

/// <summary>Lanczos' method for the ends of the spectrum of a symmetric operator that is known by its products
/// only.</summary>
public static class Lanczos
{
    /// <summary>The smallest eigenvalue on the complement of given directions, with full reorthogonalisation.</summary>
    /// <param name="apply">v → A v for symmetric A. Must not keep or change its argument.</param>
    /// <param name="dimension">The length of v, ≥ 1.</param>
    /// <param name="seed">The seed of the first vector.</param>
    /// <param name="steps">The most products to take, ≥ 1.</param>
    /// <param name="tolerance">Stops where the residual is below this fraction of the spectrum's width, &gt; 0.</param>
    /// <param name="deflate">Orthonormal directions to leave out, or null.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of range.</exception>
    /// <exception cref="ArgumentException">The directions left out fill the space.</exception>
    public static LanczosResult Smallest(
        Func<double[], double[]> apply,
        int dimension,
        long seed,
        int steps = 200,
        double tolerance = 1e-8,
        IReadOnlyList<double[]>? deflate = null
    )
    {
        ArgumentNullException.ThrowIfNull(apply);
        Guard.AtLeast(dimension, 1);
        Guard.AtLeast(steps, 1);
        Guard.Positive(tolerance);
        Vector<double>[] left = [.. (deflate ?? []).Select(direction => direction.AsVector())];
        if (left.Length >= dimension)
            throw new ArgumentException(
                $"{left.Length} directions are left out of a space of {dimension}: nothing remains",
                nameof(deflate)
            );
        steps = Math.Min(steps, dimension - left.Length);
        var random = new Random(unchecked((int)Seeds.Derive(seed, "lanczos")));
        var next = Vector<double>.Build.Dense(dimension, _ => random.NextDouble() - 0.5);
        next.Orthogonalise(left);
        next *= 1 / next.Norm();
        List<Vector<double>> basis = [];
        List<double> diagonal = [],
            off = [];
        while (true)
        {
            SafePoint.Pass();
            basis.Add(next);
            var image = Vector<double>.Build.DenseOfArray(apply(next.AsArray()));
            diagonal.Add(image * next);
            image.Orthogonalise(left);
            image.Orthogonalise(basis);
            var beta = image.Norm();
            var last = basis.Count == steps;
            // The small eigenproblem grows like the cube of its size: solved at every step while cheap, then at every
            // tenth.
            if (last || basis.Count <= 20 || basis.Count % 10 == 0 || beta < 1e-13 * diagonal.Max(Math.Abs))
            {
                var size = basis.Count;
                var small = Matrix<double>
                    .Build.Dense(
                        size,
                        size,
                        (i, j) =>
                            i == j ? diagonal[i]
                            : Math.Abs(i - j) == 1 ? off[Math.Min(i, j)]
                            : 0
                    )
                    .Evd(Symmetricity.Symmetric);
                var values = small.EigenValues.Select(value => value.Real).ToArray();
                var smallest = Array.IndexOf(values, values.Min());
                var residual = beta * Math.Abs(small.EigenVectors[size - 1, smallest]);
                var width = Math.Max(values.Max() - values[smallest], Math.Abs(values.Max()));
                var converged = residual <= tolerance * width;
                if (converged || last)
                {
                    var vector = Vector<double>.Build.Dense(dimension);
                    for (var k = 0; k < size; k++)
                        vector += small.EigenVectors[k, smallest] * basis[k];
                    return new(values[smallest], vector.AsArray(), residual, values.Max(), size, converged);
                }
            }
            off.Add(beta);
            next = image * (1 / beta);
        }
    }
}
