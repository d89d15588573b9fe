using MathNet.Numerics.LinearAlgebra;

namespace BalancedDiffusion.Theory;

/// <summary>Arrays as Math.NET's vectors.</summary>
internal static class DenseVectors
{
    /// <summary>A vector over these numbers, not a copy of them.</summary>
    public static Vector<double> AsVector(this double[] numbers) => Vector<double>.Build.Dense(numbers);

    /// <summary>The Euclidean norm from one sum of squares; <see cref="Vector{T}.L2Norm"/> takes a square root an
    /// element.</summary>
    public static double Norm(this Vector<double> vector) => Math.Sqrt(vector * vector);

    /// <summary>Takes the components along orthonormal directions out, twice, which leaves none behind.</summary>
    public static void Orthogonalise(this Vector<double> vector, IReadOnlyList<Vector<double>> directions)
    {
        var part = Vector<double>.Build.Dense(vector.Count);
        for (var pass = 0; pass < 2; pass++)
            foreach (var direction in directions)
            {
                direction.Multiply(vector * direction, part);
                vector.Subtract(part, vector);
            }
    }
}
