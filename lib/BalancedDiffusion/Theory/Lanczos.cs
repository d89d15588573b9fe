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
        deflate ??= [];
        if (deflate.Count >= dimension)
            throw new ArgumentException(
                $"{deflate.Count} directions are left out of a space of {dimension}: nothing remains",
                nameof(deflate)
            );
        steps = Math.Min(steps, dimension - deflate.Count);
        var random = new Random(unchecked((int)Seeds.Derive(seed, "lanczos")));
        var next = Enumerable.Range(0, dimension).Select(_ => random.NextDouble() - 0.5).ToArray();
        Orthogonalise(next, deflate);
        Scale(next, 1 / Norm(next));
        List<double[]> basis = [];
        List<double> diagonal = [],
            off = [];
        while (true)
        {
            SafePoint.Pass();
            basis.Add(next);
            var image = (double[])apply(next).Clone();
            diagonal.Add(Dot(image, next));
            Orthogonalise(image, deflate);
            Orthogonalise(image, basis);
            var beta = Norm(image);
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
                var least = Array.IndexOf(values, values.Min());
                var residual = beta * Math.Abs(small.EigenVectors[size - 1, least]);
                double width = Math.Max(values.Max() - values[least], Math.Abs(values.Max()));
                var converged = residual <= tolerance * width;
                if (converged || last)
                {
                    var vector = new double[dimension];
                    for (var k = 0; k < size; k++)
                        Add(vector, basis[k], small.EigenVectors[k, least]);
                    return new(values[least], vector, residual, values.Max(), size, converged);
                }
            }
            off.Add(beta);
            Scale(image, 1 / beta);
            next = image;
        }
    }

    internal static double Dot(double[] a, double[] b)
    {
        double sum = 0;
        for (var i = 0; i < a.Length; i++)
            sum += a[i] * b[i];
        return sum;
    }

    internal static double Norm(double[] a) => Math.Sqrt(Dot(a, a));

    internal static void Scale(double[] a, double factor)
    {
        for (var i = 0; i < a.Length; i++)
            a[i] *= factor;
    }

    internal static void Add(double[] to, double[] what, double factor)
    {
        for (var i = 0; i < to.Length; i++)
            to[i] += factor * what[i];
    }

    /// <summary>Takes the components along orthonormal directions out, twice, which leaves none behind.</summary>
    internal static void Orthogonalise(double[] vector, IReadOnlyList<double[]> directions)
    {
        for (var pass = 0; pass < 2; pass++)
            foreach (var direction in directions)
                Add(vector, direction, -Dot(vector, direction));
    }
}
