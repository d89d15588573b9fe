using BalancedDiffusion.Runtime;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Numerical evidence that a point is a local minimizer of the exact expected loss. Certified are, each by its own
/// number: (1) the gradient; (2) the smallest eigenvalue of the Hessian over the units that are not zero, modulo the
/// known flat directions: rotations among aligned columns (splitting) and among the units of a block handed over (O_k),
/// and, untied at lambda = 0, rescaling a column against its decoder; (3) zero units, where the loss has no Hessian: a
/// unit (t u, t v) changes the objective by <c>2 t² vᵀg(u) + lambda t² (‖u‖² + ‖v‖²)</c> up to t⁴,
/// <c>g(u) = E[relu(uᵀy)(f(y) - x)]</c>, so none helps while the largest pull stays at or below lambda; equality
/// means that a column may be split into it for free. The pull is found by ascent from many starts, a lower bound on
/// the maximum: it can refute, and makes plausible, but does not prove; (4) a table of finite perturbations.
/// Permutations of units need no care. A closed form is stationary up to <c>exp(-c gamma²/sigma²)</c> only;
/// <see cref="DistanceBound"/> says how far the true minimizer then is. In a tied model only tied moves are covered:
/// hand the encoder over as decoder too for the theorem's own landscape.
/// </summary>
public sealed record MinimizerCertificate
{
    private MinimizerCertificate() { }

    /// <summary>The objective at the point.</summary>
    public required double Value { get; init; }

    /// <summary>The norm of its gradient.</summary>
    public required double GradientNorm { get; init; }

    /// <summary>The norm of all weights, the scale for distances.</summary>
    public required double WeightNorm { get; init; }

    /// <summary>Units that are not zero.</summary>
    public required int ActiveUnits { get; init; }

    /// <summary>Units whose encoder column is zero.</summary>
    public required int ZeroUnits { get; init; }

    /// <summary>The smallest Hessian eigenvalue found over the active units, flat directions left out.</summary>
    public required double SmallestEigenvalue { get; init; }

    /// <summary>The residual of that eigenvalue's eigenvector.</summary>
    public required double EigenvalueResidual { get; init; }

    /// <summary>The largest Hessian eigenvalue found, the scale for curvatures.</summary>
    public required double LargestEigenvalue { get; init; }

    /// <summary>How many flat directions were left out.</summary>
    public required int FlatDirections { get; init; }

    /// <summary>The largest absolute curvature along one of them: near zero, else the direction handed over as flat is
    /// not.</summary>
    public required double FlatCurvature { get; init; }

    /// <summary>The largest pull on a zero unit found, to be compared with lambda; 0 where there is no zero
    /// unit.</summary>
    public required double ZeroUnitPull { get; init; }

    /// <summary>The penalty of the objective.</summary>
    public required double Lambda { get; init; }

    /// <summary>Rescalings by ±1 % and ±3 % and random moves, with what they do to the objective.</summary>
    public required IReadOnlyList<Perturbation> Perturbations { get; init; }

    /// <summary>About how far the true stationary point is, gradient over smallest curvature; infinite where that is
    /// not positive.</summary>
    public double DistanceBound => SmallestEigenvalue > 0 ? GradientNorm / SmallestEigenvalue : double.PositiveInfinity;

    /// <summary>Whether the loss is strictly convex at the active units modulo flat directions, the flat ones are flat,
    /// and every perturbation raises it.</summary>
    public bool ActiveUnitsAreMinimal =>
        SmallestEigenvalue > Math.Max(EigenvalueResidual, 1e-7 * LargestEigenvalue)
        && FlatCurvature <= 1e-3 * LargestEigenvalue
        && Perturbations.All(p => p.LossChange > 0)
        && DistanceBound <= 0.01 * WeightNorm;

    /// <summary>Whether no new unit was found to lower the objective, to a thousandth of lambda.</summary>
    public bool ZeroUnitsAreMinimal => ZeroUnits == 0 || ZeroUnitPull <= 1.001 * Lambda;

    /// <summary>All of it.</summary>
    public bool IsLocalMinimizer => ActiveUnitsAreMinimal && ZeroUnitsAreMinimal;

    /// <summary>Examines a point.</summary>
    /// <param name="loss">The objective.</param>
    /// <param name="encoder">W1ᵀ, (p, d), at least one row not zero.</param>
    /// <param name="decoder">W2ᵀ, (p, d), or null for a tied model.</param>
    /// <param name="blocks">Units of one block each (such as <see cref="BlockMinimizer.UnitsOf"/>), among which
    /// rotations are taken as flat; aligned columns are found without.</param>
    /// <param name="seed">The seed of random directions.</param>
    /// <param name="steps">The most Hessian products, ≥ 1.</param>
    /// <exception cref="ArgumentException">A shape is wrong, a weight is not finite, or all units are zero.</exception>
    public static MinimizerCertificate Examine(
        ExactExpectedLoss loss,
        torch.Tensor encoder,
        torch.Tensor? decoder = null,
        IReadOnlyList<IReadOnlyList<int>>? blocks = null,
        long seed = 0,
        int steps = 200
    )
    {
        ArgumentNullException.ThrowIfNull(loss);
        using var hessian = new HessianVector(loss, encoder, decoder);
        using var scope = torch.NewDisposeScope();
        var first = Float64.Of(encoder);
        var second = decoder is null ? null : Float64.Of(decoder);
        var d = (int)loss.Dimension;
        var index = torch.tensor(hessian.Units.Select(unit => (long)unit).ToArray());
        var rows = Rows(first.index_select(0, index));
        var partners = second is null ? null : Rows(second.index_select(0, index));
        var flat = FlatBasis(
            hessian,
            rows,
            partners,
            blocks ?? [],
            d,
            rescaling: second is not null && loss.Lambda == 0
        );
        var flatCurvature =
            flat.Count == 0
                ? 0
                : flat.Max(direction => Math.Abs(direction * hessian.Apply(direction.AsArray()).AsVector()));
        var ends =
            flat.Count < hessian.Dimension
                ? Lanczos.Smallest(
                    hessian.Apply,
                    hessian.Dimension,
                    seed,
                    steps,
                    1e-6,
                    [.. flat.Select(v => v.AsArray())]
                )
                : null;
        var zero = (int)first.shape[0] - hessian.Units.Count;
        var gradient = loss.Gradient(first, second);
        return new()
        {
            Value = gradient.Value,
            GradientNorm = gradient.Norm,
            WeightNorm = Math.Sqrt(rows.Concat(partners ?? []).Sum(row => row * row)),
            ActiveUnits = hessian.Units.Count,
            ZeroUnits = zero,
            SmallestEigenvalue = ends?.Smallest ?? 0,
            EigenvalueResidual = ends?.Residual ?? 0,
            LargestEigenvalue = ends?.Largest ?? 0,
            FlatDirections = flat.Count,
            FlatCurvature = flatCurvature,
            ZeroUnitPull = zero == 0 ? 0 : LargestPull(loss, first, second, seed),
            Lambda = loss.Lambda,
            Perturbations = Perturb(hessian, rows, partners, gradient.Value, seed),
        };
    }

    private static Vector<double>[] Rows(torch.Tensor matrix)
    {
        var all = Float64.Array(matrix);
        var d = (int)matrix.shape[1];
        return [.. Enumerable.Range(0, (int)matrix.shape[0]).Select(j => all[(j * d)..((j + 1) * d)].AsVector())];
    }

    /// <summary>An orthonormal basis of the directions along which the objective is constant by symmetry.</summary>
    private static List<Vector<double>> FlatBasis(
        HessianVector hessian,
        Vector<double>[] rows,
        Vector<double>[]? partners,
        IReadOnlyList<IReadOnlyList<int>> blocks,
        int d,
        bool rescaling
    )
    {
        var place = hessian.Units.Select((unit, index) => (unit, index)).ToDictionary(u => u.unit, u => u.index);
        var pairs = new HashSet<(int, int)>();
        foreach (var block in blocks)
        {
            var present = block.Where(place.ContainsKey).Select(unit => place[unit]).Order().ToArray();
            for (var a = 0; a < present.Length; a++)
            for (var b = 0; b < a; b++)
                pairs.Add((present[b], present[a]));
        }
        static bool Aligned(Vector<double> a, Vector<double> b) => a * b > (1 - 1e-10) * a.Norm() * b.Norm();
        for (var j = 0; j < rows.Length; j++)
        for (var k = 0; k < j; k++)
            if (Aligned(rows[j], rows[k]) && (partners is null || Aligned(partners[j], partners[k])))
                pairs.Add((k, j));

        var basis = new List<Vector<double>>();
        void Keep(double[] numbers)
        {
            var direction = numbers.AsVector();
            var before = direction.Norm();
            if (before == 0)
                return;
            direction *= 1 / before;
            direction.Orthogonalise(basis);
            var left = direction.Norm();
            if (left >= 1e-7)
                basis.Add(direction * (1 / left));
        }
        void Put(double[] direction, int half, int unit, Vector<double> row, double sign)
        {
            for (var c = 0; c < d; c++)
                direction[half * rows.Length * d + unit * d + c] += sign * row[c];
        }
        foreach (var (k, j) in pairs.Order())
        {
            var direction = new double[hessian.Dimension];
            foreach (var (half, matrix) in partners is null ? [(0, rows)] : new[] { (0, rows), (1, partners) })
            {
                Put(direction, half, j, matrix[k], 1);
                Put(direction, half, k, matrix[j], -1);
            }
            Keep(direction);
        }
        for (var j = 0; rescaling && j < rows.Length; j++)
        {
            var direction = new double[hessian.Dimension];
            Put(direction, 0, j, rows[j], 1);
            Put(direction, 1, j, partners![j], -1);
            Keep(direction);
        }
        return basis;
    }

    private static List<Perturbation> Perturb(
        HessianVector hessian,
        Vector<double>[] rows,
        Vector<double>[]? partners,
        double value,
        long seed
    )
    {
        double[] all = [.. rows.SelectMany(row => row), .. (partners ?? []).SelectMany(row => row)];
        var d = rows[0].Count;
        var single = Enumerable
            .Range(0, rows.Length)
            .Select(j => all.Select((entry, i) => i / d % rows.Length == j ? entry : 0).ToArray())
            .ToArray();
        var random = new Random(unchecked((int)Seeds.Derive(seed, "perturbations")));
        var size = all.AsVector().Norm();
        var moves = Enumerable
            .Range(0, 16)
            .Select(_ =>
            {
                // Twelve uniforms make a normal closely enough for a direction.
                var move = Enumerable
                    .Range(0, all.Length)
                    .Select(_ => Enumerable.Range(0, 12).Sum(_ => random.NextDouble()) - 6)
                    .ToArray()
                    .AsVector();
                return (move * (size / move.Norm())).AsArray();
            })
            .ToArray();
        var table = new List<Perturbation>();
        foreach (var fraction in new[] { -0.03, -0.01, 0.01, 0.03 })
        {
            table.Add(new("all columns rescaled", fraction, hessian.ValueAt(all, fraction) - value));
            table.Add(
                new(
                    "one column rescaled, the least harmful",
                    fraction,
                    single.Min(one => hessian.ValueAt(one, fraction)) - value
                )
            );
            table.Add(
                new(
                    "random direction, the least harmful of 16",
                    fraction,
                    moves.Min(move => hessian.ValueAt(move, fraction)) - value
                )
            );
        }
        return table;
    }

    /// <summary>The largest <c>‖g(u)‖</c> (tied: <c>-uᵀg(u)</c>) over unit vectors u that ascent finds.</summary>
    private static double LargestPull(ExactExpectedLoss loss, torch.Tensor encoder, torch.Tensor? decoder, long seed)
    {
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(Seeds.Derive(seed, "zero units"));
        var d = loss.Dimension;
        var zeroRow = torch.zeros([1, d], dtype: torch.ScalarType.Float64);
        var partner = decoder ?? encoder;
        const double small = 1e-6;

        // g(u): half the decoder derivative of an added unit (u, 0). With (u, small v) the encoder derivative over 2
        // small is that of vᵀg(u) by u.
        torch.Tensor Pull(torch.Tensor u)
        {
            using var gradient = loss.Gradient(torch.cat([encoder, u]), torch.cat([partner, zeroRow]));
            return gradient.Decoder!.narrow(0, encoder.shape[0], 1) / 2;
        }
        double Strength(torch.Tensor u, torch.Tensor pull) =>
            decoder is null ? -(u * pull).sum().item<double>() : pull.norm().item<double>();
        torch.Tensor Slope(torch.Tensor u, torch.Tensor pull)
        {
            var v = decoder is null ? u : -pull / pull.norm().clamp(min: 1e-300);
            using var gradient = loss.Gradient(torch.cat([encoder, u]), torch.cat([partner, small * v]));
            var byEncoder = -(gradient.Encoder.narrow(0, encoder.shape[0], 1) - 2 * loss.Lambda * u) / (2 * small);
            return decoder is null ? byEncoder - pull : byEncoder;
        }
        torch.Tensor Unit(torch.Tensor u) => u / u.norm().clamp(min: 1e-300);

        var starts = new List<torch.Tensor>();
        for (var i = 0; i < Math.Min(8, loss.Count); i++)
            if (loss.Samples.narrow(0, i, 1) is var x && x.norm().item<double>() > 0)
                starts.AddRange([Unit(x), Unit(-x)]);
        for (var i = 0; i < 6; i++)
            starts.Add(Unit(torch.randn([1, d], dtype: torch.ScalarType.Float64, generator: generator)));
        double best = 0;
        foreach (var start in starts)
        {
            using var inner = torch.NewDisposeScope();
            var u = start;
            var pull = Pull(u);
            var strength = Strength(u, pull);
            var length = 1.0;
            for (var step = 0; step < 60 && length > 1e-4; step++)
            {
                SafePoint.Pass();
                var slope = Slope(u, pull);
                var ahead = Unit(u + length * Unit(slope - (slope * u).sum() * u));
                var there = Pull(ahead);
                if (Strength(ahead, there) is var higher && higher > strength * (1 + 1e-9))
                    (u, pull, strength, length) = (ahead, there, higher, length * 1.5);
                else
                    length /= 3;
            }
            best = Math.Max(best, strength);
        }
        return best;
    }
}
