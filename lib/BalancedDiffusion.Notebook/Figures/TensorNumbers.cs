using TorchSharp;

namespace BalancedDiffusion.Notebook;

/// <summary>From tensors to numbers that a figure or a table takes.</summary>
public static class TensorNumbers
{
    /// <summary>All elements in row-major order, whatever the shape, type and device.</summary>
    public static double[] ToDoubles(this torch.Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        using var scope = torch.NewDisposeScope();
        return tensor.detach().to(torch.float64).cpu().contiguous().data<double>().ToArray();
    }

    /// <summary>A matrix (rows, columns) as a two-dimensional array.</summary>
    /// <exception cref="ArgumentException">The tensor has not two dimensions.</exception>
    public static double[,] ToMatrix(this torch.Tensor tensor)
    {
        Runtime.Guard.Shape(tensor, [-1, -1]);
        var values = tensor.ToDoubles();
        var matrix = new double[tensor.shape[0], tensor.shape[1]];
        Buffer.BlockCopy(values, 0, matrix, 0, sizeof(double) * values.Length);
        return matrix;
    }
}
