using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>Compares the columns of a weight matrix with the training samples, as the paper's Figures 3 and 4 do.</summary>
public static class ColumnCosines
{
    private const long Block = 8192;

    /// <summary>The columns, sorted from the largest norm to the smallest, each with its largest cosine to any sample.</summary>
    /// <param name="columns">One column a row, (p, d), e.g. <c>ReluDae.Encoder</c>.</param>
    /// <param name="samples">Training samples, (n, d), n ≥ 1; zero samples have cosine 0 to everything.</param>
    /// <exception cref="ArgumentException">A shape is wrong, the set is empty, or a number is not finite.</exception>
    public static IReadOnlyList<ColumnCosine> Of(torch.Tensor columns, torch.Tensor samples)
    {
        Guard.Shape(columns, [-1, -1]);
        Guard.Shape(samples, [-1, columns.shape[1]]);
        if (samples.shape[0] == 0) throw new ArgumentException("samples must hold at least one sample, was empty", nameof(samples));
        Guard.Finite(columns);
        Guard.Finite(samples);
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        var units = torch.nn.functional.normalize(columns.detach(), dim: 1);
        var best = torch.full(columns.shape[0], double.NegativeInfinity, dtype: columns.dtype, device: columns.device);
        var nearest = torch.zeros(columns.shape[0], dtype: torch.int64, device: columns.device);
        for (long from = 0; from < samples.shape[0]; from += Block)
        {
            var block = samples.narrow(0, from, Math.Min(Block, samples.shape[0] - from)).to(columns.device).to_type(columns.dtype);
            var (cosine, index) = torch.max(units.matmul(torch.nn.functional.normalize(block, dim: 1).t()), 1);
            var better = cosine.gt(best);
            nearest = torch.where(better, index + from, nearest);
            best = torch.where(better, cosine, best);
        }
        var norms = columns.detach().norm(1).cpu().to_type(torch.float64).data<double>().ToArray();
        var cosines = best.cpu().to_type(torch.float64).data<double>().ToArray();
        var indices = nearest.cpu().data<long>().ToArray();
        return [.. Enumerable.Range(0, norms.Length).Select(j => new ColumnCosine(j, norms[j], cosines[j], (int)indices[j])).OrderByDescending(c => c.Norm)];
    }
}
