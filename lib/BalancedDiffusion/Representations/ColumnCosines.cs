using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>How closely weight columns point at training images.</summary>
public static class ColumnCosines
{
    private const long BlockElements = 1 << 20;

    /// <summary>The largest signed, uncentred cosine <c>wᵀx/(‖w‖ ‖x‖)</c> of each column to any image, in
    /// blocks of images.</summary>
    /// <param name="columns">Columns as rows, (p, d), floating point: for a ReLU-DAE its Encoder.</param>
    /// <param name="images">(n, d) or (n, channels, height, width) of the same size, floating point. An all-zero image
    /// is never the nearest.</param>
    /// <returns>Cosines (p), float64, in [-1, 1], and the image's index (p), int64; an all-zero column has cosine 0 and
    /// index -1. The caller owns both.</returns>
    /// <exception cref="ArgumentException">Shapes do not fit, there is no image that is not all zero, or a number is
    /// not finite.</exception>
    public static (torch.Tensor Cosines, torch.Tensor Indices) Largest(torch.Tensor columns, torch.Tensor images)
    {
        Guard.Shape(columns, [-1, -1]);
        ArgumentNullException.ThrowIfNull(images);
        if (images.dim() < 2 || images.shape[0] == 0)
            throw new ArgumentException(
                "images must have shape (n, d) or (n, channels, height, width) with n ≥ 1, was "
                    + $"({string.Join(", ", images.shape)})",
                nameof(images)
            );
        var size = images.shape.Skip(1).Aggregate(1L, (product, n) => product * n);
        if (size != columns.shape[1])
            throw new ArgumentException(
                $"images have {size} numbers each, columns {columns.shape[1]}; give both the same size",
                nameof(images)
            );
        if (!columns.is_floating_point() || !images.is_floating_point())
            throw new ArgumentException(
                $"columns and images must hold floating-point numbers, were {columns.dtype} and "
                    + $"{images.dtype}; convert them first",
                nameof(images)
            );
        Guard.Finite(columns);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = images.detach().reshape(images.shape[0], size);
        var w = columns.detach().to_type(torch.float64);
        var norms = w.norm(1, keepdim: true);
        var unit = w / norms.clamp_min(double.Epsilon);
        var best = torch.full(w.shape[0], double.NegativeInfinity, dtype: torch.float64, device: w.device);
        var nearest = torch.full(w.shape[0], -1L, dtype: torch.int64, device: w.device);
        var block = Math.Max(1, BlockElements / Math.Max(size, Math.Max(1, w.shape[0])));
        for (var offset = 0L; offset < rows.shape[0]; offset += block)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            var x = rows.narrow(0, offset, Math.Min(block, rows.shape[0] - offset)).to_type(torch.float64);
            Guard.Finite(x, nameof(images));
            var rowNorms = x.norm(1);
            var cosines = unit.matmul(x.t()) / rowNorms.clamp_min(double.Epsilon);
            cosines.masked_fill_(rowNorms.eq(0), double.NegativeInfinity);
            var (value, index) = cosines.max(1);
            var higher = value.gt(best);
            nearest.copy_(torch.where(higher, index.add_(offset), nearest));
            best.copy_(torch.where(higher, value, best));
        }
        if (best.isinf().any().item<bool>())
            throw new ArgumentException(
                "every image is all zero, so no cosine is defined; give at least one other",
                nameof(images)
            );
        var dead = norms.squeeze(1).eq(0);
        best.clamp_(-1, 1).masked_fill_(dead, 0);
        nearest.masked_fill_(dead, -1);
        return (best.MoveToOuterDisposeScope(), nearest.MoveToOuterDisposeScope());
    }
}
