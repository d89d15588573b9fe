using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>The way between tensors of any type and double precision.</summary>
internal static class Float64
{
    /// <summary>A detached float64 CPU copy or view of the tensor; registered with the current dispose scope.</summary>
    public static torch.Tensor Of(torch.Tensor tensor) => tensor.detach().to(torch.ScalarType.Float64).cpu();

    /// <summary>The numbers in row order.</summary>
    public static double[] Array(torch.Tensor tensor)
    {
        using var scope = torch.NewDisposeScope();
        return Of(tensor).contiguous().data<double>().ToArray();
    }

    /// <summary>A float64 tensor over a copy of the numbers.</summary>
    public static torch.Tensor Tensor(double[] values, params long[] shape) =>
        torch.tensor(values, shape, dtype: torch.ScalarType.Float64);

    /// <summary>Samples as a float64 matrix, checked: at least one row, finite.</summary>
    public static torch.Tensor Samples(torch.Tensor samples, string name)
    {
        Guard.Shape(samples, [-1, -1], name);
        if (samples.shape[0] == 0 || samples.shape[1] == 0)
            throw new ArgumentException(
                $"{name} must hold at least one row and one column, was ({string.Join(", ", samples.shape)})",
                name
            );
        Guard.Finite(samples, name);
        return Of(samples).contiguous();
    }

    /// <summary>
    /// Eigenvalues (descending) and eigenvectors (one a row) of <c>Σ_j x_j x_jᵀ</c> over the rows of the matrix; as
    /// many as the smaller side. Each vector is turned so that it makes no obtuse angle with the mean of the rows.
    /// </summary>
    public static (double[] Values, torch.Tensor Vectors) SecondMoments(torch.Tensor rows)
    {
        using var scope = torch.NewDisposeScope();
        torch.Tensor values,
            vectors;
        if (rows.shape[0] > rows.shape[1])
        {
            var (ascending, columns) = torch.linalg.eigh(torch.matmul(rows.t(), rows));
            values = ascending.flip(0).clamp(min: 0);
            vectors = columns.t().flip(0);
        }
        else
        {
            var (_, singular, right) = torch.linalg.svd(rows, fullMatrices: false);
            values = singular.square();
            vectors = right;
        }
        var toMean = torch.mv(vectors, rows.mean([0]));
        var sign = torch.where(toMean < 0, -torch.ones_like(toMean), torch.ones_like(toMean)).unsqueeze(1);
        return (Array(values), (vectors * sign).contiguous().MoveToOuterDisposeScope());
    }
}
