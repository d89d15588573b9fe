using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Corollary 3.2 in closed form: with p ≥ n units, samples at obtuse angles and <c>n lambda &lt; min ‖x_i‖²</c>,
/// a local minimizer stores each sample in one column, <c>W1 = W2 = (r_1 x_1, …, r_n x_n, 0, …, 0)</c>, <c>r_i² =
/// (‖x_i‖² - n lambda)/(‖x_i‖⁴ + sigma² ‖x_i‖²)</c>. A sample with <c>‖x_i‖² ≤ n lambda</c> is
/// dropped (its column is zero), whatever the others do. The statement fixes what is stored, not in how many columns: a
/// column may be split into aligned ones of the same total square. Exact up to terms of order <c>exp(-c
/// gamma²/sigma²)</c>, the chance that a unit fires on another's sample.
/// </summary>
public sealed class MemorizationMinimizer
{
    private readonly double[] squares,
        scales;
    private readonly double[] samples;
    private readonly long dimension;

    /// <summary>The minimizer for a training set.</summary>
    /// <param name="samples">Samples, (n, d), distinct and at obtuse angles for the corollary to hold
    /// (<see cref="Separability.MeasureSamples"/> tells; not enforced).</param>
    /// <param name="sigma">The noise level, &gt; 0.</param>
    /// <param name="lambda">The penalty on both matrices, ≥ 0.</param>
    /// <exception cref="ArgumentException">The samples are empty or not finite.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigma or lambda is out of range.</exception>
    public MemorizationMinimizer(torch.Tensor samples, double sigma, double lambda = 0)
    {
        Guard.Sigma(sigma);
        Guard.NotNegative(lambda);
        using var scope = torch.NewDisposeScope();
        var rows = Float64.Samples(samples, nameof(samples));
        this.samples = Float64.Array(rows);
        dimension = rows.shape[1];
        Sigma = sigma;
        Lambda = lambda;
        squares = Float64.Array(rows.square().sum(1));
        var gram = Float64.Array(torch.matmul(rows, rows.t()));
        var count = squares.Length;
        // r² = s/‖x‖², s the gain of the one direction of a cluster of one sample.
        scales =
        [
            .. squares.Select(square =>
                square > squares.Length * lambda
                    ? Math.Sqrt(Gain.Of(square, 1, squares.Length, sigma, lambda) / square)
                    : 0
            ),
        ];
        var stored = Enumerable.Range(0, count).Where(i => scales[i] > 0).ToArray();
        Margins = (
            stored.Select(i => Math.Sqrt(squares[i]) / sigma).DefaultIfEmpty(double.PositiveInfinity).Min(),
            stored
                .SelectMany(i =>
                    Enumerable
                        .Range(0, count)
                        .Where(k => k != i)
                        .Select(k => -gram[i * count + k] / (Math.Sqrt(squares[i]) * sigma))
                )
                .DefaultIfEmpty(double.PositiveInfinity)
                .Min()
        );
    }

    /// <summary>The noise level.</summary>
    public double Sigma { get; }

    /// <summary>The penalty on both matrices.</summary>
    public double Lambda { get; }

    /// <summary>n.</summary>
    public int Count => squares.Length;

    /// <summary>
    /// The theorem's gamma/sigma: Own is the least <c>‖x_i‖/sigma</c>, by how many standard deviations a stored
    /// unit fires on its sample; Others the least <c>-x_iᵀx_k/(sigma ‖x_i‖)</c>, by how many it stays off on
    /// another's (negative where an angle is acute). At 4 and above the formulas hold to about 1e-4, near 1 they do not
    /// hold.
    /// </summary>
    public (double Own, double Others) Margins { get; }

    /// <summary>r_i ≥ 0 of each sample; 0 where it is dropped.</summary>
    public IReadOnlyList<double> Scales => scales;

    /// <summary>The norm <c>r_i ‖x_i‖ = sqrt((‖x_i‖² - n lambda)/(‖x_i‖² + sigma²))</c> of each sample's
    /// column, or of its group of aligned columns.</summary>
    public IReadOnlyList<double> StoredNorms => [.. scales.Zip(squares, (r, square) => r * Math.Sqrt(square))];

    /// <summary>The peak <c>r_i ‖x_i‖²</c> of the one-hot representation of each clean sample.</summary>
    public IReadOnlyList<double> PeakActivations => [.. scales.Zip(squares, (r, square) => r * square)];

    /// <summary>The samples that are dropped, <c>‖x_i‖² ≤ n lambda</c>, ascending.</summary>
    public IReadOnlyList<int> Dropped => [.. Enumerable.Range(0, Count).Where(i => scales[i] == 0)];

    /// <summary>The expected loss without penalty, <c>(1/n) Σ [(1-s_i)² ‖x_i‖² + s_i² sigma²]</c>, <c>s_i =
    /// r_i² ‖x_i‖²</c>; at lambda = 0 it is <see cref="LimitLoss"/>.</summary>
    public double Loss =>
        squares.Zip(StoredNorms, (square, norm) => Gain.Error(norm * norm, square, 1, Count, Sigma)).Sum();

    /// <summary>The limit of the loss as lambda → 0, <c>(1/n) Σ sigma²‖x_i‖²/(sigma² + ‖x_i‖²) &lt;
    /// sigma²</c>, whatever d is.</summary>
    public double LimitLoss => squares.Average(square => Sigma * Sigma * square / (Sigma * Sigma + square));

    /// <summary>The penalised objective, <c>(1/n) Σ [‖x_i‖² - (‖x_i‖² - n lambda)_+²/(‖x_i‖² +
    /// sigma²)]</c>.</summary>
    public double Objective => squares.Sum(square => square / Count - Gain.Reduction(square, 1, Count, Sigma, Lambda));

    /// <summary>The weights W1ᵀ = W2ᵀ: row i is r_i x_i, further rows are zero.</summary>
    /// <param name="units">p ≥ n; null for p = n.</param>
    /// <returns>A float64 tensor (p, d) that the caller owns.</returns>
    /// <exception cref="ArgumentOutOfRangeException">p is below n.</exception>
    public torch.Tensor Encoder(int? units = null)
    {
        var p = units ?? Count;
        Guard.AtLeast(p, Count, nameof(units));
        using var scope = torch.NewDisposeScope();
        var rows = Float64.Tensor(samples, Count, dimension) * Float64.Tensor(scales, Count, 1);
        return (
            p == Count ? rows : torch.cat([rows, torch.zeros([p - Count, dimension], dtype: torch.ScalarType.Float64)])
        ).MoveToOuterDisposeScope();
    }

    /// <summary>The denoiser <c>f_mem(y) = Σ r_i² x_i relu(x_iᵀ y)</c> as a tied model that the caller owns.
    /// Positively homogeneous.</summary>
    /// <param name="units">p ≥ n; null for p = n.</param>
    /// <param name="dtype">float32 (default) or float64.</param>
    public ReluDae Denoiser(int? units = null, torch.ScalarType dtype = torch.ScalarType.Float32)
    {
        using var encoder = Encoder(units);
        using var cast = encoder.to(dtype);
        return new ReluDae(cast);
    }
}
