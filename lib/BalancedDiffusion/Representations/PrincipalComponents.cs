using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>
/// The principal components of representations (Hotelling 1933): the orthonormal directions <c>u_k</c> along which
/// centred representations vary most, <c>H - 1 mᵀ = U S Vᵀ</c>, <c>u_k</c> the rows of <c>Vᵀ</c>. A
/// representation is seen in their plane, led along one of them, or kept to the span of the first few. It does not
/// change and holds no tensor.
/// </summary>
/// <example><c>var plane = PrincipalComponents.Of(h, 2); using var path = plane.Project(h);</c></example>
public sealed class PrincipalComponents
{
    private readonly double[] mean,
        components;

    private PrincipalComponents(double[] mean, double[] components, double[] variances, double totalVariance) =>
        (this.mean, this.components, Variances, TotalVariance) = (
            mean,
            components,
            Array.AsReadOnly(variances),
            totalVariance
        );

    /// <summary>The mean of each unit.</summary>
    public IReadOnlyList<double> Mean => Array.AsReadOnly(mean);

    /// <summary>How many components there are.</summary>
    public int Count => Variances.Count;

    /// <summary>How many units a representation has.</summary>
    public int Units => mean.Length;

    /// <summary>The population variance along each component, falling.</summary>
    public IReadOnlyList<double> Variances { get; }

    /// <summary>The population variance along all directions, those left out included.</summary>
    public double TotalVariance { get; }

    /// <summary>The share of the variance that the components hold, in [0, 1].</summary>
    public double Explained => Math.Min(1, Variances.Sum() / TotalVariance);

    /// <summary>A component: a vector of norm one over the units, such as
    /// <see cref="Steering.SteeringDirection.FromVectors"/> takes. Its largest entry by magnitude is
    /// positive.</summary>
    /// <param name="k">Which, from 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such component.</exception>
    public IReadOnlyList<double> this[int k] =>
        k >= 0 && k < Count
            ? Array.AsReadOnly(components[(k * Units)..((k + 1) * Units)])
            : throw new ArgumentOutOfRangeException(
                nameof(k),
                $"components are numbered from 0 to {Count - 1}, was {k}"
            );

    /// <summary>The first components of representations.</summary>
    /// <param name="representations">(n, units), floating point, finite, n ≥ 2. The caller keeps them.</param>
    /// <param name="count">How many, from 1 to the number of directions in which the representations vary.</param>
    /// <exception cref="ArgumentException">The shape is wrong, a number is not finite, or they do not vary in so
    /// many directions.</exception>
    public static PrincipalComponents Of(torch.Tensor representations, int count)
    {
        Spikiness.Check(representations);
        Guard.AtLeast(representations.shape[0], 2, "the number of representations");
        Guard.AtLeast(count, 1);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var rows = representations.detach().cpu().to_type(torch.float64);
        var middle = rows.mean([0L]);
        // Full matrices are not asked for: of n rows at most n - 1 directions have variance, however many units there
        // are.
        var (_, sizes, directions) = torch.linalg.svd(rows - middle, fullMatrices: false);
        var singular = sizes.data<double>().ToArray();
        var varied = singular.Count(s => s > 1e-12 * Math.Max(1e-300, singular[0]));
        if (count > varied)
            throw new ArgumentException(
                $"count must be at most {varied}, since the representations vary in so many directions only, was "
                    + $"{count}; ask for fewer or give more representations",
                nameof(count)
            );
        var first = directions.narrow(0, 0, count);
        var largest = first.gather(1, first.abs().argmax(1, keepdim: true));
        return new PrincipalComponents(
            middle.data<double>().ToArray(),
            (first * largest.sign()).contiguous().data<double>().ToArray(),
            [.. singular.Take(count).Select(s => s * s / rows.shape[0])],
            singular.Sum(s => s * s) / rows.shape[0]
        );
    }

    /// <summary>Where representations stand along the components, <c>(h - m)·u_k</c>.</summary>
    /// <param name="representations">(n, units), floating point. The caller keeps them.</param>
    /// <returns>(n, Count), of their type and on their device. The caller owns it.</returns>
    /// <exception cref="ArgumentException">They have another number of units.</exception>
    public torch.Tensor Project(torch.Tensor representations)
    {
        Check(representations, Units);
        using var scope = torch.NewDisposeScope();
        return (representations.detach() - Row(representations))
            .matmul(Axes(representations).t())
            .MoveToOuterDisposeScope();
    }

    /// <summary>The representations that stand there, <c>m + Σ_k c_k u_k</c>.</summary>
    /// <param name="coordinates">(n, Count), floating point. The caller keeps them.</param>
    /// <returns>(n, units), of their type and on their device. The caller owns it.</returns>
    /// <exception cref="ArgumentException">There are not as many numbers a row as components.</exception>
    public torch.Tensor Restore(torch.Tensor coordinates)
    {
        Check(coordinates, Count);
        using var scope = torch.NewDisposeScope();
        return (Row(coordinates) + coordinates.detach().matmul(Axes(coordinates))).MoveToOuterDisposeScope();
    }

    /// <summary>Representations without what lies outside the span of the components: the nearest in <c>m + span(u_1
    /// … u_Count)</c>.</summary>
    /// <param name="representations">(n, units), floating point. The caller keeps them.</param>
    /// <returns>(n, units). The caller owns it.</returns>
    /// <exception cref="ArgumentException">They have another number of units.</exception>
    public torch.Tensor Keep(torch.Tensor representations)
    {
        using var coordinates = Project(representations);
        return Restore(coordinates);
    }

    private static void Check(
        torch.Tensor values,
        int width,
        [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(values))] string? name = null
    )
    {
        Guard.Shape(values, [-1, width], name);
        if (!values.is_floating_point())
            throw new ArgumentException(
                $"{name} must hold floating-point numbers, was {values.dtype}; convert it first",
                name
            );
    }

    private torch.Tensor Row(torch.Tensor like) =>
        torch.tensor(mean, dtype: torch.float64).to_type(like.dtype).to(like.device);

    private torch.Tensor Axes(torch.Tensor like) =>
        torch.tensor(components, [Count, Units], dtype: torch.float64).to_type(like.dtype).to(like.device);
}
