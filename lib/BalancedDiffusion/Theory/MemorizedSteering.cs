using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// What steering does to the memorizer of Corollary 3.2, in closed form. The representation of stored sample i is
/// one-hot, <c>h = r_i ‖x_i‖² e_i</c>, and so is every direction taken from stored samples. Adding a times the
/// representation of sample j gives <c>f = c_i x_i + a c_j x_j</c>, <c>c = r²‖x‖²</c>: a double exposure of two
/// stored samples, whatever concept j stood for. Applied again without steering, the memorizer returns to one of the
/// two: to i below a threshold, to j above it. In between there is nothing. (Ours; the paper argues in words.)
/// </summary>
/// <remarks>
/// On <c>y = u x_i + w x_j</c>, with <c>x_iᵀx_j = -k &lt; 0</c>, the memorizer acts on the ratio <c>q = w/u</c> as
/// <c>q → (c_j/c_i) (q - k/‖x_j‖²)_+/(1 - q k/‖x_i‖²)_+</c>. Its inner fixed point q* is repelling and
/// parts the two basins; one steered step leads to <c>q = a c_j/c_i</c>, so that the threshold is <c>a* = q*
/// c_i/c_j</c>. Equal norms give a* = 1.
/// </remarks>
public sealed class MemorizedSteering
{
    private readonly double[] squares,
        gains,
        gram;

    /// <summary>The memorizer of some samples.</summary>
    /// <param name="samples">Samples, (n, d), n ≥ 2, at obtuse angles to one another (enforced for the pairs that are
    /// asked for).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <exception cref="ArgumentException">The samples are empty or not finite, or there is only one.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigma or lambda is out of range.</exception>
    public MemorizedSteering(torch.Tensor samples, double sigma, double lambda = 0)
    {
        var minimizer = new MemorizationMinimizer(samples, sigma, lambda);
        Guard.AtLeast(minimizer.Count, 2, nameof(samples));
        using var scope = torch.NewDisposeScope();
        var rows = Float64.Samples(samples, nameof(samples));
        squares = Float64.Array(rows.square().sum(1));
        gram = Float64.Array(torch.matmul(rows, rows.t()));
        gains = [.. minimizer.StoredNorms.Select(norm => norm * norm)];
        Sigma = sigma;
    }

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>The gain <c>c_i = r_i² ‖x_i‖²</c> of each sample, in [0, 1); 0 where it is dropped.</summary>
    public IReadOnlyList<double> Gains => gains;

    /// <summary>The strength at which sample i, steered once towards sample j and then denoised again and again, ends
    /// at j and no longer at i.</summary>
    /// <param name="from">i.</param>
    /// <param name="to">j.</param>
    /// <exception cref="ArgumentException">The two are the same, one is dropped, or their angle is not
    /// obtuse.</exception>
    public double Threshold(int from, int to)
    {
        var k = Obtuse(from, to);
        double a = gains[from] * k / squares[from],
            b = gains[to] - gains[from],
            c = gains[to] * k / squares[to];
        // c_i (k/‖x_i‖²) q² + (c_j - c_i) q - c_j k/‖x_j‖² = 0, the positive root in the form without
        // cancellation.
        var root = Math.Sqrt(b * b + 4 * a * c);
        var ratio = b > 0 ? 2 * c / (b + root) : (root - b) / (2 * a);
        return ratio * gains[from] / gains[to];
    }

    /// <summary>The standard deviation of that threshold over noisy inputs <c>x_i + sigma eps</c>: the representation's
    /// peak is <c>r_i (‖x_i‖² + sigma x_iᵀeps)</c>, so that the threshold is normal with mean
    /// <see cref="Threshold"/> and standard deviation <c>a* sigma/‖x_i‖</c>.</summary>
    /// <param name="from">i.</param>
    /// <param name="to">j.</param>
    /// <exception cref="ArgumentException">As for <see cref="Threshold"/>.</exception>
    public double ThresholdStandardDeviation(int from, int to) =>
        Threshold(from, to) * Sigma / Math.Sqrt(squares[from]);

    private double Obtuse(int from, int to)
    {
        foreach (var i in new[] { from, to })
        {
            if (i < 0 || i >= squares.Length)
                throw new ArgumentOutOfRangeException(
                    nameof(from),
                    $"samples are numbered from 0 to {squares.Length - 1}, was {i}"
                );
            if (gains[i] == 0)
                throw new ArgumentException(
                    $"sample {i} is dropped by the penalty, so it is not stored; choose a smaller lambda",
                    nameof(from)
                );
        }
        if (from == to)
            throw new ArgumentException("from and to must be two different samples", nameof(to));
        var product = gram[from * squares.Length + to];
        return product < 0
            ? -product
            : throw new ArgumentException(
                $"samples {from} and {to} have the inner product {product:G4}, which must be negative for the "
                    + "closed form to hold",
                nameof(to)
            );
    }
}
