using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BalancedDiffusion.Training;

/// <summary>An <see cref="UpdateRule{T}"/> in one pass over the numbers of a parameter, where torch makes one for each
/// operation.</summary>
internal static class FusedUpdate
{
    /// <summary>One update.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="parameter">The numbers of the parameter, changed in place.</param>
    /// <param name="gradient">As many numbers of its gradient.</param>
    /// <param name="first">As many of the first moment, or none for a rule without.</param>
    /// <param name="second">As many of the second moment, or none for a rule without.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<T>(
        UpdateRule<VectorElements<T>> rule,
        Span<T> parameter,
        ReadOnlySpan<T> gradient,
        Span<T> first,
        Span<T> second
    )
        where T : unmanaged, INumber<T>
    {
        var width = Vector<T>.Count;
        var whole = parameter.Length - parameter.Length % width;
        for (var offset = 0; offset < whole; offset += width)
            Step(rule, parameter, gradient, first, second, offset);
        var left = parameter.Length - whole;
        if (left == 0)
            return;
        // The last numbers fill a part of a vector only.
        Span<T> padded = stackalloc T[4 * width];
        padded.Clear();
        Span<T> lastParameter = padded[..width],
            lastGradient = padded[width..][..width],
            lastFirst = first.Length > 0 ? padded[(2 * width)..][..width] : [],
            lastSecond = second.Length > 0 ? padded[(3 * width)..] : [];
        parameter[whole..].CopyTo(lastParameter);
        gradient[whole..].CopyTo(lastGradient);
        if (first.Length > 0)
            first[whole..].CopyTo(lastFirst);
        if (second.Length > 0)
            second[whole..].CopyTo(lastSecond);
        Step(rule, lastParameter, lastGradient, lastFirst, lastSecond, 0);
        lastParameter[..left].CopyTo(parameter[whole..]);
        if (first.Length > 0)
            lastFirst[..left].CopyTo(first[whole..]);
        if (second.Length > 0)
            lastSecond[..left].CopyTo(second[whole..]);
    }

    /// <summary>One vector of an update, from this place on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<T>(
        in UpdateRule<VectorElements<T>> rule,
        Span<T> parameter,
        ReadOnlySpan<T> gradient,
        Span<T> first,
        Span<T> second,
        int offset
    )
        where T : unmanaged, INumber<T>
    {
        ref T p = ref Unsafe.Add(ref MemoryMarshal.GetReference(parameter), offset),
            g = ref Unsafe.Add(ref MemoryMarshal.GetReference(gradient), offset),
            a = ref Unsafe.Add(ref MemoryMarshal.GetReference(first), offset),
            b = ref Unsafe.Add(ref MemoryMarshal.GetReference(second), offset);
        VectorElements<T> value = new(Vector.LoadUnsafe(ref p)),
            mean = first.Length > 0 ? new(Vector.LoadUnsafe(ref a)) : default,
            square = second.Length > 0 ? new(Vector.LoadUnsafe(ref b)) : default;
        rule.Apply(ref value, new(Vector.LoadUnsafe(ref g)), ref mean, ref square);
        value.Value.StoreUnsafe(ref p);
        if (first.Length > 0)
            mean.Value.StoreUnsafe(ref a);
        if (second.Length > 0)
            square.Value.StoreUnsafe(ref b);
    }
}
