using System.Globalization;

namespace BalancedDiffusion.Notebook;

/// <summary>How a measured number must stand to a bound for a claim to hold. What is measured as NaN or infinite never
/// holds.</summary>
public sealed class Relation
{
    private readonly Func<double, double, bool> holds;
    private readonly Func<double, string> symbol;

    private Relation(Func<double, double, bool> holds, Func<double, string> symbol) =>
        (this.holds, this.symbol) = (holds, symbol);

    /// <summary>measured ≤ bound.</summary>
    public static Relation AtMost { get; } = new((measured, bound) => measured <= bound, _ => "<=");

    /// <summary>measured ≥ bound.</summary>
    public static Relation AtLeast { get; } = new((measured, bound) => measured >= bound, _ => ">=");

    /// <summary>measured &lt; bound.</summary>
    public static Relation Below { get; } = new((measured, bound) => measured < bound, _ => "<");

    /// <summary>measured &gt; bound.</summary>
    public static Relation Above { get; } = new((measured, bound) => measured > bound, _ => ">");

    /// <summary>|measured - bound| ≤ tolerance.</summary>
    /// <exception cref="ArgumentOutOfRangeException">tolerance is negative or not finite.</exception>
    public static Relation Within(double tolerance)
    {
        Runtime.Guard.NotNegative(tolerance);
        return new((measured, bound) => Math.Abs(measured - bound) <= tolerance, _ => Symbol(tolerance));
    }

    /// <summary>|measured - bound| ≤ fraction · |bound|, e.g. 0.02 for two per cent.</summary>
    /// <exception cref="ArgumentOutOfRangeException">fraction is negative or not finite.</exception>
    public static Relation WithinFraction(double fraction)
    {
        Runtime.Guard.NotNegative(fraction);
        return new(
            (measured, bound) => Math.Abs(measured - bound) <= fraction * Math.Abs(bound),
            bound => Symbol(fraction * Math.Abs(bound))
        );
    }

    /// <summary>Whether the measured number is finite and stands so to the bound.</summary>
    /// <exception cref="ArgumentException">The bound is not finite.</exception>
    public bool Holds(double measured, double bound)
    {
        if (!double.IsFinite(bound))
            throw new ArgumentException(
                $"the bound must be finite, was {bound.ToString(CultureInfo.InvariantCulture)}",
                nameof(bound)
            );
        return double.IsFinite(measured) && holds(measured, bound);
    }

    /// <summary>The relation in signs, as recorded: <c>&lt;=</c>, <c>&gt;=</c>, <c>&lt;</c>, <c>&gt;</c> or
    /// <c>=±tolerance</c>.</summary>
    public string ToSymbol(double bound) => symbol(bound);

    private static string Symbol(double tolerance) => "=±" + tolerance.ToString("G4", CultureInfo.InvariantCulture);
}
