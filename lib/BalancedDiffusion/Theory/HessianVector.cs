using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Theory;

/// <summary>
/// Products of the exact loss's Hessian with vectors, by central differences of the analytic gradient in float64, over
/// the coordinates of chosen units. The Hessian exists and is continuous wherever the chosen units differ from zero; at
/// a zero column it does not. Vectors are laid out unit by unit, encoder rows first, then (untied) decoder rows.
/// Disposable: holds copies of the weights.
/// </summary>
public sealed class HessianVector : IDisposable
{
    private readonly ExactExpectedLoss loss;
    private readonly torch.Tensor encoder,
        index;
    private readonly torch.Tensor? decoder;
    private readonly double step;

    /// <summary>The Hessian at a point.</summary>
    /// <param name="loss">The objective; stays the caller's.</param>
    /// <param name="encoder">W1ᵀ, (p, d).</param>
    /// <param name="decoder">W2ᵀ, (p, d), or null for a tied model.</param>
    /// <param name="units">The units that move; null for all that are not zero.</param>
    /// <param name="step">The length of the difference step, &gt; 0; 1e-5 suits weights of order one and sigma above
    /// 0.01.</param>
    /// <exception cref="ArgumentException">A shape is wrong, a weight is not finite, or no unit may move.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A unit or the step is out of range.</exception>
    public HessianVector(
        ExactExpectedLoss loss,
        torch.Tensor encoder,
        torch.Tensor? decoder = null,
        IReadOnlyList<int>? units = null,
        double step = 1e-5
    )
    {
        ArgumentNullException.ThrowIfNull(loss);
        Guard.Shape(encoder, [-1, loss.Dimension]);
        Guard.Finite(encoder);
        Guard.Positive(step);
        if (decoder is not null)
        {
            Guard.Shape(decoder, encoder.shape);
            Guard.Finite(decoder);
        }
        using var scope = torch.NewDisposeScope();
        this.loss = loss;
        this.step = step;
        this.encoder = Float64.Of(encoder).clone();
        this.decoder = decoder is null ? null : Float64.Of(decoder).clone();
        Units = units is not null ? [.. units] : NonZero(this.encoder);
        foreach (var unit in Units)
            if (unit < 0 || unit >= encoder.shape[0])
                throw new ArgumentOutOfRangeException(
                    nameof(units),
                    $"unit {unit} is outside the model of {encoder.shape[0]} units"
                );
        if (Units.Count == 0)
            throw new ArgumentException(
                "no unit differs from zero, so there is no smooth direction to differentiate along",
                nameof(units)
            );
        index = torch.tensor(Units.Select(unit => (long)unit).ToArray());
        Dimension = (int)(Units.Count * loss.Dimension * (decoder is null ? 1 : 2));
        foreach (var tensor in new[] { this.encoder, this.decoder, index })
            tensor?.DetachFromDisposeScope();
    }

    /// <summary>The units that move.</summary>
    public IReadOnlyList<int> Units { get; }

    /// <summary>The length of a vector: moving units · d, twice that when untied.</summary>
    public int Dimension { get; }

    /// <summary>H v.</summary>
    /// <param name="vector">Numbers, as many as <see cref="Dimension"/>.</param>
    public double[] Apply(double[] vector)
    {
        ArgumentNullException.ThrowIfNull(vector);
        if (vector.Length != Dimension)
            throw new ArgumentException(
                $"the vector must hold {Dimension} numbers, was {vector.Length}",
                nameof(vector)
            );
        var norm = vector.AsVector().Norm();
        if (norm == 0)
            return new double[Dimension];
        double[] above = GradientAt(vector, step / norm),
            below = GradientAt(vector, -step / norm);
        var factor = norm / (2 * step);
        for (var i = 0; i < above.Length; i++)
            above[i] = (above[i] - below[i]) * factor;
        return above;
    }

    /// <summary>The gradient at the point moved by <paramref name="factor"/> · <paramref name="vector"/>, in the same
    /// layout.</summary>
    internal double[] GradientAt(double[] vector, double factor)
    {
        using var scope = torch.NewDisposeScope();
        var (first, second) = Moved(vector, factor);
        var gradient = loss.Gradient(first, second);
        var parts = Float64.Array(gradient.Encoder.index_select(0, index));
        return gradient.Decoder is null ? parts : [.. parts, .. Float64.Array(gradient.Decoder.index_select(0, index))];
    }

    /// <summary>The loss at the moved point.</summary>
    internal double ValueAt(double[] vector, double factor)
    {
        using var scope = torch.NewDisposeScope();
        var (first, second) = Moved(vector, factor);
        return loss.Value(first, second);
    }

    private (torch.Tensor, torch.Tensor?) Moved(double[] vector, double factor)
    {
        var d = loss.Dimension;
        var half = (int)(Units.Count * d);
        var first = encoder.index_add(0, index, Float64.Tensor(vector[..half], Units.Count, d), factor);
        return (first, decoder?.index_add(0, index, Float64.Tensor(vector[half..], Units.Count, d), factor));
    }

    internal static IReadOnlyList<int> NonZero(torch.Tensor encoder)
    {
        var norms = Float64.Array(encoder.abs().amax([1]));
        return [.. Enumerable.Range(0, norms.Length).Where(j => norms[j] > 0)];
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        encoder.Dispose();
        decoder?.Dispose();
        index.Dispose();
    }
}
