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
            var offset = 0;
            for (; offset + Vector<T>.Count <= row; offset += Vector<T>.Count)
            {
                var difference = new Vector<T>(e[offset..]) - new Vector<T>(x[offset..]);
                sums += difference * difference;
                (difference * scale).CopyTo(e[offset..]);
            }
            total += double.CreateChecked(Vector.Sum(sums));
            for (; offset < row; offset++)
            {
                var difference = e[offset] - x[offset];
                total += double.CreateChecked(difference * difference);
                e[offset] = difference * scale;
            }
        }
        return total;
    }

    /// <summary>Sets to zero what belongs to units that are silent.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Gate<T>(Span<T> delta, ReadOnlySpan<T> hidden)
        where T : unmanaged, INumber<T>
    {
        var offset = 0;
        for (; offset + Vector<T>.Count <= delta.Length; offset += Vector<T>.Count)
            Vector
                .ConditionalSelect(
                    Vector.GreaterThan(new Vector<T>(hidden[offset..]), Vector<T>.Zero),
                    new Vector<T>(delta[offset..]),
                    Vector<T>.Zero
                )
                .CopyTo(delta[offset..]);
        for (; offset < delta.Length; offset++)
            if (!(hidden[offset] > T.Zero))
                delta[offset] = T.Zero;
    }
}
