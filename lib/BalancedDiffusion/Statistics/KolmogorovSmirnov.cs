namespace BalancedDiffusion.Statistics;

/// <summary>The two-sample test of Kolmogorov and Smirnov: whether two independent samples come from one
/// distribution.</summary>
/// <param name="Statistic"><c>D = max |F1(x) - F2(x)|</c> over the empirical distribution functions, in
/// [0, 1].</param>
/// <param name="PValue">The chance of a D at least as large where the distributions are equal, in [0, 1]. Exact up to
/// 4 million pairs of values (by counting lattice paths, Hodges 1958; too large where values are tied), beyond by the
/// limit with Stephens' correction (1970).</param>
public sealed record KolmogorovSmirnov(double Statistic, double PValue)
{
    private const long MostPairs = 4_000_000;

    /// <summary>Compares two samples.</summary>
    /// <param name="first">At least one finite number; numbers of a sample are independent of one another.</param>
    /// <param name="second">At least one finite number.</param>
    /// <exception cref="ArgumentException">A sample is empty or not finite.</exception>
    public static KolmogorovSmirnov Of(IReadOnlyList<double> first, IReadOnlyList<double> second)
    {
        var (a, b) = (Sorted(first, nameof(first)), Sorted(second, nameof(second)));
        long n = a.Length,
            m = b.Length,
            most = 0;
        int i = 0,
            j = 0;
        while (i < n && j < m)
        {
            var x = Math.Min(a[i], b[j]);
            while (i < n && a[i] <= x)
                i++;
            while (j < m && b[j] <= x)
                j++;
            most = Math.Max(most, Math.Abs(i * m - j * n));
        }
        var statistic = most / ((double)n * m);
        return new(statistic, n * m <= MostPairs ? Exact(n, m, most) : Limit(statistic, n, m));
    }

    /// <summary><c>Q(λ) = 2 Σ (-1)^(k-1) exp(-2 k² λ²)</c>, the chance that a Brownian bridge
    /// leaves [-λ, λ].</summary>
    internal static double Survival(double lambda)
    {
        // Below, Q differs from 1 by less than 1e-12 and the series converges slowly.
        if (lambda < 0.2)
            return 1;
        var sum = 0.0;
        for (var k = 1; k <= 100; k++)
        {
            var term = Math.Exp(-2.0 * k * k * lambda * lambda);
            sum += k % 2 == 1 ? term : -term;
            if (term < 1e-17)
                break;
        }
        return Math.Clamp(2 * sum, 0, 1);
    }

    private static double Limit(double statistic, long n, long m)
    {
        var root = Math.Sqrt((double)n * m / (n + m));
        return Survival((root + 0.12 + 0.11 / root) * statistic);
    }

    // The chance that a random path from (0, 0) to (n, m) meets a point with |i/n - j/m| ≥ D: 1 on such points,
    // elsewhere the mean over the two last steps, of which the one from (i - 1, j) has chance i/(i + j).
    private static double Exact(long n, long m, long most)
    {
        if (most == 0)
            return 1;
        var row = new double[m + 1];
        for (var i = 0L; i <= n; i++)
        for (var j = 0L; j <= m; j++)
            row[j] =
                Math.Abs(i * m - j * n) >= most ? 1
                : i == 0 && j == 0 ? 0
                : (i * row[j] + (j > 0 ? j * row[j - 1] : 0)) / (i + j);
        return row[m];
    }

    private static double[] Sorted(IReadOnlyList<double> values, string name)
    {
        ArgumentNullException.ThrowIfNull(values, name);
        if (values.Count == 0)
            throw new ArgumentException($"{name} must hold at least one number, was empty; draw samples", name);
        if (values.Any(v => !double.IsFinite(v)))
            throw new ArgumentException(
                $"{name} holds NaN or infinity; leave such samples out or find where it came from",
                name
            );
        var sorted = values.ToArray();
        Array.Sort(sorted);
        return sorted;
    }
}
