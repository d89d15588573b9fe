using BalancedDiffusion.Notebook;

namespace BalancedDiffusion.Exercises;

/// <summary>Says how wrong numbers differ from the right ones, and names none of them.</summary>
internal static class Diagnosis
{
    /// <summary>Whether every case is right.</summary>
    /// <param name="cases">The cases.</param>
    /// <param name="tolerance">How far results may be apart, as a fraction of the largest expected number.</param>
    public static bool IsRight(IReadOnlyList<Case> cases, double tolerance) => cases.All(c => IsRight(c, tolerance));

    /// <summary>The powers of an input that an answer is likely to be off by, and how they are written.</summary>
    private static readonly (double Power, string Text)[] Powers =
    [
        (1, ""),
        (2, "²"),
        (0.5, "^½"),
        (-1, ""),
        (-2, "²"),
        (-0.5, "^½"),
    ];

    /// <summary>What is wrong, half a sentence.</summary>
    /// <param name="cases">Cases without faults, of which one at least is wrong.</param>
    /// <param name="tolerance">As for <see cref="IsRight(IReadOnlyList{Case}, double)"/>.</param>
    public static string Of(IReadOnlyList<Case> cases, double tolerance)
    {
        var wrong = cases.First(c => !IsRight(c, tolerance));
        var (given, expected) = (wrong.Given.Parts, wrong.Expected.Parts);
        if (given.Count != expected.Count)
            return $"it gives {Count(given.Count, "value")}, {Count(expected.Count, "value")} are asked for";
        var index = Enumerable.Range(0, given.Count).First(i => !Same(expected[i], given[i], tolerance));
        var which = given.Count > 1 ? $"value {index + 1} of {given.Count}: " : "";
        if (!given[index].Shape.SequenceEqual(expected[index].Shape))
            return $"{which}its shape is {Shape(given[index].Shape)}, it must be "
                + $"{Shape(expected[index].Shape)}{wrong.Inputs.Where}";
        var lost = given[index].Values.Count(v => !double.IsFinite(v));
        if (lost > 0)
        {
            var all = given[index].Values.Length;
            var subject = all == 1 ? "it is" : $"{lost} of {Count(all, "number")} are";
            return $"{which}{subject} NaN or infinite{wrong.Inputs.Where}";
        }
        var pairs = cases
            .Where(c =>
                c.Given.Parts.Count > index
                && c.Given.Parts[index].Values.Length == c.Expected.Parts[index].Values.Length
            )
            .Select(c => new Pair(c.Inputs, c.Given.Parts[index].Values, c.Expected.Parts[index].Values))
            .ToList();
        if (IsConstant(pairs))
            return which + "it gives the same whatever its inputs are";
        if (Pattern(pairs, tolerance) is { } pattern)
            return which + pattern;
        if (cases.FirstOrDefault(c => IsRight(c, tolerance)) is { } right)
            return $"{which}right in {cases.Count(c => IsRight(c, tolerance))} of {cases.Count} cases, such "
                + $"as{right.Inputs.Where[(right.Inputs.Where.Length > 0 ? 6 : 0)..]}, and wrong{wrong.Inputs.Where}";
        var distance = 100 * Distance(given[index].Values, expected[index].Values) / Size(expected[index].Values);
        return $"{which}not the right numbers: off by {Claims.Number(Math.Round(distance, 1))} "
            + $"% of the largest{wrong.Inputs.Where}";
    }

    private static bool IsRight(Case c, double tolerance) =>
        c.Given is { Fault: null, BlankIn: null }
        && c.Given.Parts.Count == c.Expected.Parts.Count
        && c.Expected.Parts.Zip(c.Given.Parts).All(p => Same(p.First, p.Second, tolerance));

    private static bool Same(
        (long[] Shape, double[] Values) expected,
        (long[] Shape, double[] Values) given,
        double tolerance
    ) => expected.Shape.SequenceEqual(given.Shape) && IsClose(given.Values, expected.Values, tolerance);

    private static bool IsClose(double[] given, double[] expected, double tolerance) =>
        Distance(given, expected) <= tolerance * Size(expected);

    // NaN is at no distance, and so never close.
    private static double Distance(double[] a, double[] b) =>
        a.Zip(b, (x, y) => Math.Abs(x - y))
            .DefaultIfEmpty(0)
            .Aggregate((x, y) => double.IsNaN(x) || double.IsNaN(y) ? double.NaN : Math.Max(x, y));

    private static double Size(double[] values) => Math.Max(values.Select(Math.Abs).DefaultIfEmpty(0).Max(), 1e-12);

    private static bool IsConstant(IReadOnlyList<Pair> pairs)
    {
        if (pairs.Count < 2)
            return false;
        var all = pairs.SelectMany(p => p.Given).ToList();
        if (all.All(v => v == all[0]))
            return true;
        return pairs.All(p => p.Given.AsSpan().SequenceEqual(pairs[0].Given));
    }

    // A simple relation that holds in every case and tells what sort of mistake it is.
    private static string? Pattern(IReadOnlyList<Pair> pairs, double tolerance)
    {
        bool Always(Func<double, double> of) =>
            pairs.All(p => IsClose([.. p.Given.Select(of)], p.Expected, 10 * tolerance));
        if (pairs.Count < 3)
            return null;
        if (Always(v => -v))
            return "the sign is wrong";
        if (pairs.All(p => p.Expected.All(v => v >= 0)))
        {
            if (Always(v => v * v))
                return "it looks like the square root of what is asked for";
            if (Always(v => Math.Sqrt(Math.Max(v, 0))))
                return "it looks like the square of what is asked for";
        }
        if (Always(v => 1 - v))
            return "it looks like one minus what is asked for";
        if (Always(v => 1 / v))
            return "it looks like one over what is asked for";
        var factors = pairs.Select(p => Factor(p, tolerance)).ToArray();
        if (
            factors.All(f => f is not null)
            && Proportion(pairs, [.. factors.Select(f => f!.Value)], tolerance) is { } factor
        )
            return factor;
        var shifts = pairs.Select(p => p.Given.Zip(p.Expected, (g, e) => g - e).Average()).ToArray();
        return pairs
            .Zip(shifts)
            .All(p => IsClose([.. p.First.Given.Select(v => v - shifts[0])], p.First.Expected, 10 * tolerance))
            ? "every number is off by the same amount: look for a term that is missing or too many"
            : null;
    }

    // The one number that all expected numbers were multiplied by, or null.
    private static double? Factor(Pair pair, double tolerance)
    {
        var square = pair.Expected.Sum(e => e * e);
        if (square == 0)
            return null;
        var factor = pair.Given.Zip(pair.Expected, (g, e) => g * e).Sum() / square;
        return
            Math.Abs(factor) > tolerance
            && IsClose([.. pair.Given.Select(g => g / factor)], pair.Expected, 10 * tolerance)
            ? factor
            : null;
    }

    // Whether the factor is a constant, or goes with a power of an input that has a name.
    private static string? Proportion(IReadOnlyList<Pair> pairs, double[] factors, double tolerance)
    {
        bool IsOne(IEnumerable<double> values) => values.All(v => Math.Abs(v - 1) < 100 * tolerance);
        if (IsOne(factors.Select(f => f / factors[0])))
            return "it is off by a constant factor";
        for (var input = 0; input < pairs[0].Inputs.Named.Count; input++)
        {
            var values = pairs.Select(p => p.Inputs.Named[input].Value).ToArray();
            if (values.All(v => Math.Abs(v / values[0] - 1) < 0.01))
                continue;
            foreach (var (power, text) in Powers)
            {
                var rest = factors.Zip(values, (f, v) => f / Math.Pow(v, power)).ToArray();
                var name = (power < 0 ? "1/" : "") + pairs[0].Inputs.Named[input].Name + text;
                if (IsOne(rest))
                    return $"it is off by the factor {name}";
                if (IsOne(rest.Select(r => r / rest[0])))
                    return $"it is off by a factor that goes with {name}";
            }
        }
        return null;
    }

    private static string Shape(long[] shape) =>
        shape.Length == 0 ? "() (a single number)" : $"({string.Join(", ", shape)})";

    private static string Count(int count, string noun) => $"{count} {noun}{(count == 1 ? "" : "s")}";

    private sealed record Pair(Draw Inputs, double[] Given, double[] Expected);
}
