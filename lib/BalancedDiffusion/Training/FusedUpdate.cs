using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace BalancedDiffusion.Training;

/// <summary>
/// The update rules of <see cref="ParameterOptimizer"/> in one pass over the numbers of a parameter, where torch makes
/// one for each operation. All spans are of one length, but for those a rule does not use, which are empty.
/// <c>decay</c> is the share of the weights that is added to the gradient.
/// </summary>
internal static class FusedUpdate
{
    /// <summary><c>p -= rate g</c>; with momentum <c>b = momentum b + g</c>, then <c>p -= rate b</c>, or <c>p -= rate
    /// (g + momentum b)</c> for Nesterov.</summary>
    public static void Sgd<T>(
        Span<T> parameter,
        ReadOnlySpan<T> gradient,
        Span<T> buffer,
        double rate,
        double momentum,
        bool nesterov,
        double decay
    )
        where T : unmanaged, INumber<T> =>
        Run(
            new SgdRule<T>(All<T>(rate), All<T>(momentum), buffer.Length > 0, nesterov, All<T>(decay)),
            parameter,
            gradient,
            buffer,
            []
        );

    /// <summary><c>v = alpha v + (1 - alpha) g²; q = g / (sqrt v + epsilon); p -= rate q</c>, or with momentum <c>b =
    /// momentum b + q; p -= rate b</c>.</summary>
    public static void RmsProp<T>(
        Span<T> parameter,
        ReadOnlySpan<T> gradient,
        Span<T> buffer,
        Span<T> square,
        double rate,
        double alpha,
        double epsilon,
        double momentum,
        double decay
    )
        where T : unmanaged, INumber<T> =>
        Run(
            new RmsPropRule<T>(
                All<T>(rate),
                All<T>(alpha),
                All<T>(1 - alpha),
                All<T>(epsilon),
                All<T>(momentum),
                buffer.Length > 0,
                All<T>(decay)
            ),
            parameter,
            gradient,
            buffer,
            square
        );

    /// <summary><c>m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g²; p = shrink p - rate m / (root sqrt v +
    /// epsilon)</c>, with the corrections of both means in rate and root.</summary>
    public static void Adam<T>(
        Span<T> parameter,
        ReadOnlySpan<T> gradient,
        Span<T> mean,
        Span<T> square,
        double rate,
        double beta1,
        double beta2,
        double epsilon,
        double root,
        double shrink,
        double decay
    )
        where T : unmanaged, INumber<T> =>
        Run(
            new AdamRule<T>(
                All<T>(rate),
                All<T>(beta1),
                All<T>(1 - beta1),
                All<T>(beta2),
                All<T>(1 - beta2),
                All<T>(epsilon),
                All<T>(root),
                All<T>(shrink),
                All<T>(decay)
            ),
            parameter,
            gradient,
            mean,
            square
        );

    private static Vector<T> All<T>(double value)
        where T : unmanaged, INumber<T> => new(T.CreateChecked(value));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Run<TRule, T>(
        TRule rule,
        Span<T> parameter,
        ReadOnlySpan<T> gradient,
        Span<T> first,
        Span<T> second
    )
        where TRule : struct, IRule<T>
        where T : unmanaged
    {
        ref T p = ref MemoryMarshal.GetReference(parameter),
            g = ref MemoryMarshal.GetReference(gradient),
            a = ref MemoryMarshal.GetReference(first),
            b = ref MemoryMarshal.GetReference(second);
        var offset = 0;
        for (; offset + Vector<T>.Count <= parameter.Length; offset += Vector<T>.Count)
            rule.Apply(
                ref Unsafe.Add(ref p, offset),
                ref Unsafe.Add(ref g, offset),
                ref Unsafe.Add(ref a, offset),
                ref Unsafe.Add(ref b, offset)
            );
        if (offset == parameter.Length)
            return;
        // The last numbers fill a part of a vector only.
        Span<T> padded = stackalloc T[4 * Vector<T>.Count];
        padded.Clear();
        Span<T> ofP = padded[..Vector<T>.Count],
            ofG = padded[Vector<T>.Count..][..Vector<T>.Count],
            ofA = padded[(2 * Vector<T>.Count)..][..Vector<T>.Count],
            ofB = padded[(3 * Vector<T>.Count)..];
        parameter[offset..].CopyTo(ofP);
        gradient[offset..].CopyTo(ofG);
        if (first.Length > 0)
            first[offset..].CopyTo(ofA);
        if (second.Length > 0)
            second[offset..].CopyTo(ofB);
        rule.Apply(ref ofP[0], ref ofG[0], ref ofA[0], ref ofB[0]);
        ofP[..(parameter.Length - offset)].CopyTo(parameter[offset..]);
        if (first.Length > 0)
            ofA[..(parameter.Length - offset)].CopyTo(first[offset..]);
        if (second.Length > 0)
            ofB[..(parameter.Length - offset)].CopyTo(second[offset..]);
    }

    /// <summary>One vector of an update, at the places of parameter, gradient and the two moments.</summary>
    private interface IRule<T>
    {
        void Apply(ref T parameter, ref T gradient, ref T first, ref T second);
    }

    private readonly struct SgdRule<T>(
        Vector<T> rate,
        Vector<T> momentum,
        bool hasMomentum,
        bool nesterov,
        Vector<T> decay
    ) : IRule<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply(ref T parameter, ref T gradient, ref T first, ref T second)
        {
            var p = Vector.LoadUnsafe(ref parameter);
            var g = Vector.LoadUnsafe(ref gradient) + p * decay;
            if (hasMomentum)
            {
                var b = Vector.LoadUnsafe(ref first) * momentum + g;
                b.StoreUnsafe(ref first);
                g = nesterov ? g + b * momentum : b;
            }
            (p - g * rate).StoreUnsafe(ref parameter);
        }
    }

    private readonly struct RmsPropRule<T>(
        Vector<T> rate,
        Vector<T> alpha,
        Vector<T> rest,
        Vector<T> epsilon,
        Vector<T> momentum,
        bool hasMomentum,
        Vector<T> decay
    ) : IRule<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply(ref T parameter, ref T gradient, ref T first, ref T second)
        {
            var p = Vector.LoadUnsafe(ref parameter);
            var g = Vector.LoadUnsafe(ref gradient) + p * decay;
            var v = Vector.LoadUnsafe(ref second) * alpha + g * g * rest;
            v.StoreUnsafe(ref second);
            var q = g / (Vector.SquareRoot(v) + epsilon);
            if (hasMomentum)
            {
                q += Vector.LoadUnsafe(ref first) * momentum;
                q.StoreUnsafe(ref first);
            }
            (p - q * rate).StoreUnsafe(ref parameter);
        }
    }

    private readonly struct AdamRule<T>(
        Vector<T> rate,
        Vector<T> beta1,
        Vector<T> rest1,
        Vector<T> beta2,
        Vector<T> rest2,
        Vector<T> epsilon,
        Vector<T> root,
        Vector<T> shrink,
        Vector<T> decay
    ) : IRule<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply(ref T parameter, ref T gradient, ref T first, ref T second)
        {
            var p = Vector.LoadUnsafe(ref parameter) * shrink;
            var g = Vector.LoadUnsafe(ref gradient) + p * decay;
            var m = Vector.LoadUnsafe(ref first) * beta1 + g * rest1;
            var v = Vector.LoadUnsafe(ref second) * beta2 + g * g * rest2;
            m.StoreUnsafe(ref first);
            v.StoreUnsafe(ref second);
            (p - m * rate / (Vector.SquareRoot(v) * root + epsilon)).StoreUnsafe(ref parameter);
        }
    }
}
