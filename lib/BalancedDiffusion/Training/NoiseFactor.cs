using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>
/// A square root of the Gram matrix of the encoder's rows, <c>G = W Wᵀ ≈ L Lᵀ</c>, and its inverse, in float64.
/// The noise that units see is <c>sigma Z Lᵀ</c> with standard normal Z (batch, p), and given it the noise of the
/// samples is <c>sigma Z L⁻¹ W</c> in the mean.
/// <para>
/// A model that memorizes has zero rows and rows that coincide, where G is singular. So the correlations <c>C</c> of
/// the rows are factored instead of G, with a jitter δ that leaves ones on the diagonal: <c>(C + δ I)/(1 + δ)</c>.
/// The variance of every unit's noise stays as it is, a zero row has none, and a correlation r becomes r/(1 + δ): for
/// two equal rows the share of noises that only one of them sees as active is at most <c>sqrt(2δ)/π</c>, and 0
/// without jitter. δ is 1e-6 for float32, where G itself is known to some 1e-7, and 1e-12 for float64; ten times as
/// much where the factorization breaks down.
/// </para>
/// </summary>
internal sealed class NoiseFactor : IDisposable
{
    // Below it the products of float32 lose their digits on the way to the smallest number.
    private const double LeastSquaredNorm = 1e-30;

    private const double FloatJitter = 1e-6,
        DoubleJitter = 1e-12,
        GreatestJitter = 1e-2;
    private readonly torch.Tensor weakened,
        identity,
        rootT,
        inverse;
    private readonly double[] norms,
        correlations;
    private readonly int units;

    /// <param name="units">p, the number of units.</param>
    /// <param name="dtype">The type of root and inverse.</param>
    /// <param name="device">Where they lie.</param>
    public NoiseFactor(long units, torch.ScalarType dtype, torch.Device device)
    {
        this.units = checked((int)units);
        norms = new double[units];
        correlations = new double[units * units];
        weakened = torch.eye(units, dtype: torch.float64).DetachFromDisposeScope();
        identity = torch.eye(units, dtype: torch.float64).DetachFromDisposeScope();
        rootT = torch.zeros([units, units], dtype: dtype, device: device).DetachFromDisposeScope();
        inverse = torch.zeros([units, units], dtype: dtype, device: device).DetachFromDisposeScope();
    }

    /// <summary>Lᵀ, (p, p), upper triangular.</summary>
    public torch.Tensor RootT => rootT;

    /// <summary>L⁻¹, (p, p), lower triangular; the columns of zero rows are zero.</summary>
    public torch.Tensor Inverse => inverse;

    /// <summary>The jitter that the last factorization took.</summary>
    public double Jitter { get; private set; }

    /// <summary>Factors a Gram matrix. Where that is impossible, as for one that is not finite, root and inverse are
    /// NaN.</summary>
    /// <param name="gram">(p, p), symmetric up to rounding, of any floating type, on any device.</param>
    public void Update(torch.Tensor gram)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        ReadCorrelations(gram.to(torch.CPU).to_type(torch.float64).contiguous().Numbers<double>());
        Jitter = gram.dtype == torch.float64 ? DoubleJitter : FloatJitter;
        for (; Jitter <= GreatestJitter; Jitter *= 10)
        {
            Weaken();
            var (root, info) = torch.linalg.cholesky_ex(weakened);
            if (info.item<int>() != 0)
                continue;
            var inverted = torch.linalg.solve_triangular(root, identity, upper: false);
            Scale(root.contiguous(), inverted.contiguous());
            return;
        }
        rootT.fill_(double.NaN);
        inverse.fill_(double.NaN);
    }

    /// <summary>Norms and correlations of the rows; a zero row, or one of norm below 1e-15, which counts as such, is
    /// correlated with itself only.</summary>
    private void ReadCorrelations(ReadOnlySpan<double> products)
    {
        for (var j = 0; j < units; j++)
            norms[j] = products[j * units + j] < LeastSquaredNorm ? 0 : Math.Sqrt(products[j * units + j]);
        for (var j = 0; j < units; j++)
        for (var k = 0; k < j; k++)
        {
            var scale = norms[j] * norms[k];
            correlations[j * units + k] = scale > 0 ? Math.Clamp(products[j * units + k] / scale, -1, 1) : 0;
        }
    }

    /// <summary>The lower triangle of <c>(C + δ I)/(1 + δ)</c>; the diagonal stays one.</summary>
    private void Weaken()
    {
        var target = weakened.Numbers<double>();
        var factor = 1 / (1 + Jitter);
        for (var j = 0; j < units; j++)
        for (var k = 0; k < j; k++)
            target[j * units + k] = correlations[j * units + k] * factor;
    }

    /// <summary>From the root R of the correlations: <c>L = diag(norms) R</c> and <c>L⁻¹ = R⁻¹
    /// diag(1/norms)</c>, in place.</summary>
    private void Scale(torch.Tensor root, torch.Tensor inverted)
    {
        Span<double> below = root.Numbers<double>(),
            above = inverted.Numbers<double>();
        for (var j = 0; j < units; j++)
        for (var k = 0; k <= j; k++)
        {
            below[j * units + k] *= norms[j];
            above[j * units + k] *= norms[k] == 0 ? 0 : 1 / norms[k];
        }
        rootT.copy_(root.t());
        inverse.copy_(inverted);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        weakened.Dispose();
        identity.Dispose();
        rootT.Dispose();
        inverse.Dispose();
    }
}
