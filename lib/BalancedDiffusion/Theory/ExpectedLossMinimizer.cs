using BalancedDiffusion.Runtime;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>Minimizes the exact expected loss by L-BFGS: no noise is drawn, so the same start always gives the same
/// minimizer. For problems of a few thousand weights.</summary>
public static class ExpectedLossMinimizer
{
    private const int Memory = 20;

    /// <summary>Descends from a start.</summary>
    /// <param name="loss">The objective.</param>
    /// <param name="encoder">The start W1ᵀ, (p, d); not changed.</param>
    /// <param name="decoder">The start W2ᵀ, or null for a tied model.</param>
    /// <param name="steps">The most steps, ≥ 1.</param>
    /// <param name="gradientTolerance">Stops where the gradient's norm is below this, &gt; 0.</param>
    /// <returns>The end point; the caller disposes it.</returns>
    public static MinimizerRun Minimize(
        ExactExpectedLoss loss,
        torch.Tensor encoder,
        torch.Tensor? decoder = null,
        int steps = 1000,
        double gradientTolerance = 1e-8
    )
    {
        ArgumentNullException.ThrowIfNull(loss);
        Guard.AtLeast(steps, 1);
        Guard.Positive(gradientTolerance);
        Guard.Shape(encoder, [-1, loss.Dimension]);
        if (decoder is not null)
            Guard.Shape(decoder, encoder.shape);
        var shape = encoder.shape;
        var half = (int)(shape[0] * shape[1]);

        (double Value, Vector<double> Gradient) At(Vector<double> weights)
        {
            using var scope = torch.NewDisposeScope();
            var x = weights.AsArray();
            var result = loss.Gradient(
                Float64.Tensor(x[..half], shape),
                decoder is null ? null : Float64.Tensor(x[half..], shape)
            );
            return (result.Value, Joined(result.Encoder, result.Decoder));
        }

        var point = Joined(encoder, decoder);
        var (value, slope) = At(point);
        List<(Vector<double> Move, Vector<double> Change, double Product)> memory = [];
        // Below this a difference of two losses is rounding, not descent.
        var rounding = 1e-15 * Math.Max(loss.MeanSquare, Math.Abs(value));
        int taken = 0,
            idle = 0;
        for (; taken < steps && idle < 5 && slope.Norm() > gradientTolerance; taken++)
        {
            var direction = Direction(slope, memory);
            var descent = direction * slope;
            if (!(descent < 0))
            {
                memory.Clear();
                direction = -slope;
                descent = -(slope * slope);
            }
            // Bisection for the weak Wolfe conditions: needs no smoothness, so kinks at zero columns do not stop it.
            double low = 0,
                high = double.PositiveInfinity,
                length = memory.Count == 0 ? Math.Min(1, 1 / slope.Norm()) : 1;
            (Vector<double> Point, double Value, Vector<double> Slope)? found = null;
            for (var trial = 0; trial < 40; trial++)
            {
                SafePoint.Pass();
                var there = point + length * direction;
                var (height, tilt) = At(there);
                if (!(height <= value + 1e-4 * length * descent + rounding))
                    high = length;
                else
                {
                    found = (there, height, tilt);
                    if (tilt * direction >= 0.9 * descent)
                        break;
                    low = length;
                }
                length = double.IsInfinity(high) ? 2 * low : (low + high) / 2;
            }
            if (found is not { } accepted)
            {
                if (memory.Count == 0)
                    break;
                memory.Clear();
                continue;
            }
            var move = accepted.Point - point;
            var change = accepted.Slope - slope;
            var product = move * change;
            if (product > 1e-16 * move.Norm() * change.Norm())
                memory.Add((move, change, product));
            if (memory.Count > Memory)
                memory.RemoveAt(0);
            idle = value - accepted.Value <= rounding ? idle + 1 : 0;
            (point, value, slope) = accepted;
        }
        var norm = slope.Norm();
        var end = point.AsArray();
        return new(
            Float64.Tensor(end[..half], shape),
            decoder is null ? null : Float64.Tensor(end[half..], shape),
            value,
            norm,
            taken,
            norm <= gradientTolerance
        );
    }

    /// <summary>Descends from many random starts, weights drawn from N(0, scale²).</summary>
    /// <param name="loss">The objective.</param>
    /// <param name="units">p ≥ 1.</param>
    /// <param name="starts">How many, ≥ 1.</param>
    /// <param name="seed">The seed of the starts.</param>
    /// <param name="scale">The standard deviation of a weight, &gt; 0.</param>
    /// <param name="tied">Whether the decoder is the encoder.</param>
    /// <param name="steps">The most steps a start, ≥ 1.</param>
    /// <returns>The end points, lowest first; the caller disposes them.</returns>
    public static IReadOnlyList<MinimizerRun> FromManyStarts(
        ExactExpectedLoss loss,
        int units,
        int starts,
        long seed,
        double scale = 0.3,
        bool tied = true,
        int steps = 1000
    )
    {
        ArgumentNullException.ThrowIfNull(loss);
        Guard.AtLeast(units, 1);
        Guard.Positive(scale);
        using var zero = torch.zeros([units, loss.Dimension], dtype: torch.ScalarType.Float64);
        return FromStarts(loss, zero, tied ? null : zero, starts, seed, _ => scale, steps);
    }

    /// <summary>
    /// Descends from points around a given one, each at a random direction and at this fraction of its norm (zero
    /// columns move too), and returns where the lowest ends: lower than the centre by more than rounding refutes that
    /// the centre is a local minimizer.
    /// </summary>
    /// <param name="loss">The objective.</param>
    /// <param name="encoder">The centre W1ᵀ, (p, d).</param>
    /// <param name="decoder">The centre W2ᵀ, or null for a tied model.</param>
    /// <param name="radius">The distance as a fraction of the norm of all weights, &gt; 0.</param>
    /// <param name="starts">How many, ≥ 1.</param>
    /// <param name="seed">The seed of the directions.</param>
    /// <param name="steps">The most steps a start, ≥ 1.</param>
    /// <returns>The lowest end point; the caller disposes it.</returns>
    public static MinimizerRun LowestNear(
        ExactExpectedLoss loss,
        torch.Tensor encoder,
        torch.Tensor? decoder,
        double radius,
        int starts,
        long seed,
        int steps = 1000
    )
    {
        ArgumentNullException.ThrowIfNull(loss);
        Guard.Positive(radius);
        Guard.Shape(encoder, [-1, loss.Dimension]);
        Guard.Finite(encoder);
        double size = Joined(encoder, null).Norm(),
            other = decoder is null ? 0 : Joined(decoder, null).Norm();
        var runs = FromStarts(
            loss,
            encoder,
            decoder,
            starts,
            seed,
            count => radius * Math.Sqrt((size * size + other * other) / count),
            steps
        );
        foreach (var run in runs.Skip(1))
            run.Dispose();
        return runs[0];
    }

    private static List<MinimizerRun> FromStarts(
        ExactExpectedLoss loss,
        torch.Tensor encoder,
        torch.Tensor? decoder,
        int starts,
        long seed,
        Func<double, double> std,
        int steps
    )
    {
        Guard.AtLeast(starts, 1);
        var runs = new List<MinimizerRun>();
        for (var start = 0; start < starts; start++)
        {
            using var scope = torch.NewDisposeScope();
            using var generator = Seeds.Generator(Seeds.Derive(seed, start));
            var scale = std(encoder.numel() * (decoder is null ? 1 : 2));
            torch.Tensor Around(torch.Tensor centre) =>
                Float64.Of(centre)
                + scale * torch.randn(centre.shape, dtype: torch.ScalarType.Float64, generator: generator);
            var run = Minimize(loss, Around(encoder), decoder is null ? null : Around(decoder), steps);
            run.Encoder.DetachFromDisposeScope();
            run.Decoder?.DetachFromDisposeScope();
            runs.Add(run);
        }
        runs.Sort((a, b) => a.Value.CompareTo(b.Value));
        return runs;
    }

    /// <summary>The weights of both layers in one vector.</summary>
    private static Vector<double> Joined(torch.Tensor encoder, torch.Tensor? decoder) =>
        (decoder is null ? Float64.Array(encoder) : [.. Float64.Array(encoder), .. Float64.Array(decoder)]).AsVector();

    /// <summary>The two-loop recursion: minus the gradient times the inverse Hessian that the last moves
    /// tell.</summary>
    private static Vector<double> Direction(
        Vector<double> slope,
        List<(Vector<double> Move, Vector<double> Change, double Product)> memory
    )
    {
        var direction = -slope;
        var shares = new double[memory.Count];
        for (var i = memory.Count - 1; i >= 0; i--)
        {
            shares[i] = memory[i].Move * direction / memory[i].Product;
            direction -= shares[i] * memory[i].Change;
        }
        if (memory.Count > 0)
            direction *= memory[^1].Product / (memory[^1].Change * memory[^1].Change);
        for (var i = 0; i < memory.Count; i++)
            direction += (shares[i] - memory[i].Change * direction / memory[i].Product) * memory[i].Move;
        return direction;
    }
}
