using System.Numerics;
using System.Runtime.CompilerServices;

namespace BalancedDiffusion.Training;

/// <summary>What <see cref="ReluDaeStep"/> does between its matrix products, each in one pass where torch makes
/// several.</summary>
internal static class FusedBackward
{
    /// <summary><c>e = scale (e - x)</c>.</summary>
    /// <returns>The sum of <c>(e - x)²</c>, rows of it added up in float64.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Error<T>(Span<T> error, ReadOnlySpan<T> clean, int row, T scale)
        where T : unmanaged, INumber<T>
    {
        var total = 0.0;
        for (var from = 0; from < error.Length; from += row)
        {
            var e = error.Slice(from, row);
            var x = clean.Slice(from, row);
            var sums = Vector<T>.Zero;
            var at = 0;
            for (; at + Vector<T>.Count <= row; at += Vector<T>.Count)
            {
                var difference = new Vector<T>(e[at..]) - new Vector<T>(x[at..]);
                sums += difference * difference;
                (difference * scale).CopyTo(e[at..]);
            }
            total += double.CreateChecked(Vector.Sum(sums));
            for (; at < row; at++)
            {
                var difference = e[at] - x[at];
                total += double.CreateChecked(difference * difference);
                e[at] = difference * scale;
            }
        }
        return total;
    }

    /// <summary>Sets to zero what belongs to units that are silent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gate<T>(Span<T> delta, ReadOnlySpan<T> code)
        where T : unmanaged, INumber<T>
    {
        var at = 0;
        for (; at + Vector<T>.Count <= delta.Length; at += Vector<T>.Count)
            Vector
                .ConditionalSelect(
                    Vector.GreaterThan(new Vector<T>(code[at..]), Vector<T>.Zero),
                    new Vector<T>(delta[at..]),
                    Vector<T>.Zero
                )
                .CopyTo(delta[at..]);
        for (; at < delta.Length; at++)
            if (!(code[at] > T.Zero))
                delta[at] = T.Zero;
    }
}
