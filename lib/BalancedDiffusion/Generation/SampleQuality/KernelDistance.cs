using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Generation.SampleQuality;

/// <summary>
/// The kernel distance of Bińkowski et al. (2018; "KID" where the features are Inception's): the unbiased estimate of
/// the squared maximum mean discrepancy (Gretton et al. 2012) with the kernel <c>k(x, y) = (xᵀy/d + 1)³</c>. Its
/// expectation does not depend on the number of samples, and is 0 for equal distributions; an estimate may be
/// negative.
/// </summary>
/// <param name="Value">The mean over disjoint blocks.</param>
/// <param name="StandardError">The standard deviation over the blocks by the root of their number; NaN for one
/// block.</param>
/// <param name="Blocks">How many blocks both sets were cut into.</param>
public sealed record KernelDistance(double Value, double StandardError, int Blocks)
{
    /// <summary>Compares two sets. Both are shuffled and cut into disjoint blocks, which are independent, so that their
    /// spread gives the standard error; what is left over is not used.</summary>
    /// <param name="first">(n, d), floating point, n ≥ 2 blocks.</param>
    /// <param name="second">(m, d), m ≥ 2 blocks.</param>
    /// <param name="seed">The seed of the shuffling.</param>
    /// <param name="blocks">How many blocks, ≥ 1. Blocks of a few hundred samples cost little.</param>
    /// <exception cref="ArgumentException">A set has another shape, too few samples, or is not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">blocks is below 1.</exception>
    public static KernelDistance Of(torch.Tensor first, torch.Tensor second, long seed = 0, int blocks = 10)
    {
        Guard.AtLeast(blocks, 1);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (a, b) = FeatureInput.Pair(first, second, 2L * blocks, nameof(first), nameof(second));
        using var generator = Seeds.Generator(Seeds.Derive(seed, "kernel distance"));
        var order1 = torch.randperm(a.shape[0], generator: generator);
        var order2 = torch.randperm(b.shape[0], generator: generator);
        var (n, m) = (a.shape[0] / blocks, b.shape[0] / blocks);
        var values = new double[blocks];
        for (var block = 0; block < blocks; block++)
        {
            SafePoint.Pass();
            using var step = torch.NewDisposeScope();
            values[block] = Unbiased(
                a.index_select(0, order1.narrow(0, block * n, n)),
                b.index_select(0, order2.narrow(0, block * m, m))
            );
        }
        var mean = values.Average();
        var spread = values.Sum(value => (value - mean) * (value - mean));
        return new(mean, blocks == 1 ? double.NaN : Math.Sqrt(spread / (blocks - 1) / blocks), blocks);
    }

    private static double Unbiased(torch.Tensor a, torch.Tensor b)
    {
        torch.Tensor Kernel(torch.Tensor x, torch.Tensor y) => x.matmul(y.t()).div_(a.shape[1]).add_(1).pow_(3);
        double Within(torch.Tensor x)
        {
            var kernel = Kernel(x, x);
            var off = kernel.sum() - kernel.diagonal().sum();
            return off.item<double>() / (x.shape[0] * (x.shape[0] - 1.0));
        }
        return Within(a) + Within(b) - 2 * Kernel(a, b).mean().item<double>();
    }
}
