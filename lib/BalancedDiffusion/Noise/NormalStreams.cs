using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace BalancedDiffusion.Noise;

/// <summary>
/// Streams of standard normal numbers, one a seed: xoshiro128++ (Blackman and Vigna 2021) in eight lanes, seeded by
/// SplitMix64, and the polar form of Box and Muller eight pairs at a time. A number depends on the seed and its place
/// alone, so that it is the same in every batch; a stream costs some nanoseconds to open, where a generator of torch
/// costs microseconds.
/// </summary>
internal static class NormalStreams
{
    private const int Block = 16;

    /// <summary>Fills a row with the first numbers of the stream of this seed; at most 6.66 in size, in steps of
    /// float32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Fill(Span<float> row, long seed)
    {
        Span<ulong> words = stackalloc ulong[Block];
        var state = (ulong)seed;
        foreach (ref var word in words)
        {
            state += 0x9E3779B97F4A7C15UL;
            var z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9UL;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
            word = z ^ (z >> 31);
        }
        ref var first = ref Unsafe.As<ulong, uint>(ref MemoryMarshal.GetReference(words));
        var s0 = Vector256.LoadUnsafe(ref first);
        var s1 = Vector256.LoadUnsafe(ref first, 8);
        var s2 = Vector256.LoadUnsafe(ref first, 16);
        var s3 = Vector256.LoadUnsafe(ref first, 24);
        ref var target = ref MemoryMarshal.GetReference(row);
        var offset = 0;
        for (; offset + Block <= row.Length; offset += Block)
        {
            var (a, b) = Pair(Next(ref s0, ref s1, ref s2, ref s3), Next(ref s0, ref s1, ref s2, ref s3));
            a.StoreUnsafe(ref target, (nuint)offset);
            b.StoreUnsafe(ref target, (nuint)offset + 8);
        }
        if (offset == row.Length)
            return;
        Span<float> rest = stackalloc float[Block];
        var (c, d) = Pair(Next(ref s0, ref s1, ref s2, ref s3), Next(ref s0, ref s1, ref s2, ref s3));
        c.CopyTo(rest);
        d.CopyTo(rest[8..]);
        rest[..(row.Length - offset)].CopyTo(row[offset..]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> Next(
        ref Vector256<uint> s0,
        ref Vector256<uint> s1,
        ref Vector256<uint> s2,
        ref Vector256<uint> s3
    )
    {
        var sum = s0 + s3;
        var result = ((sum << 7) | (sum >>> 25)) + s0;
        var shifted = s1 << 9;
        s2 ^= s0;
        s3 ^= s1;
        s1 ^= s2;
        s0 ^= s3;
        s2 ^= shifted;
        s3 = (s3 << 11) | (s3 >>> 21);
        return result;
    }

    /// <summary>
    /// Two independent normal numbers a lane, <c>r cos and r sin</c> of an angle: <c>r² = -2 ln u</c>. The angle is
    /// pi/4 + delta with |delta| ≤ pi/4, where <c>cos = (cos delta - sin delta)/sqrt 2</c> and <c>sin = (cos delta +
    /// sin delta)/sqrt 2</c>, and two random signs carry it around the circle.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float>, Vector256<float>) Pair(Vector256<uint> radius, Vector256<uint> angle)
    {
        // u in (0, 1], as mantissa m in [sqrt(1/2), sqrt 2) times 2^e; ln m by the series of 2 artanh((m - 1)/(m + 1)).
        var u =
            (Vector256.ConvertToSingle((radius >>> 1).AsInt32()) + Vector256.Create(0.5f))
            * Vector256.Create(1f / (1u << 31));
        var bits = u.AsInt32() - Vector256.Create(0x3F3504F3);
        var exponent = Vector256.ConvertToSingle(bits >> 23);
        var m = ((bits & Vector256.Create(0x007FFFFF)) + Vector256.Create(0x3F3504F3)).AsSingle();
        var s = (m - Vector256<float>.One) / (m + Vector256<float>.One);
        var q = s * s;
        var series = Vector256.MultiplyAddEstimate(q, Vector256.Create(-2f / 9), Vector256.Create(-2f / 7));
        series = Vector256.MultiplyAddEstimate(q, series, Vector256.Create(-2f / 5));
        series = Vector256.MultiplyAddEstimate(q, series, Vector256.Create(-2f / 3));
        series = Vector256.MultiplyAddEstimate(q, series, Vector256.Create(-2f));
        var minusLog = Vector256.MultiplyAddEstimate(exponent, Vector256.Create(-0.693147180559945f), series * s);
        // -ln u may come out a rounding below 0 where u is 1.
        var r = Vector256.Sqrt(Vector256.Max(minusLog, Vector256<float>.Zero));

        var signs = angle & Vector256.Create(0x80000000u);
        var signs2 = (angle << 1) & Vector256.Create(0x80000000u);
        var turn = Vector256.ConvertToSingle((angle & Vector256.Create(0x3FFFFFFFu)).AsInt32());
        var delta = Vector256.MultiplyAddEstimate(
            turn,
            Vector256.Create((float)(Math.PI / 2 / (1 << 30))),
            Vector256.Create((float)(-Math.PI / 4))
        );
        var d2 = delta * delta;
        var sine = Vector256.MultiplyAddEstimate(d2, Vector256.Create(1f / 362880), Vector256.Create(-1f / 5040));
        sine = Vector256.MultiplyAddEstimate(d2, sine, Vector256.Create(1f / 120));
        sine = Vector256.MultiplyAddEstimate(d2, sine, Vector256.Create(-1f / 6));
        sine = Vector256.MultiplyAddEstimate(d2, sine, Vector256<float>.One) * delta;
        var cosine = Vector256.MultiplyAddEstimate(d2, Vector256.Create(1f / 40320), Vector256.Create(-1f / 720));
        cosine = Vector256.MultiplyAddEstimate(d2, cosine, Vector256.Create(1f / 24));
        cosine = Vector256.MultiplyAddEstimate(d2, cosine, Vector256.Create(-0.5f));
        cosine = Vector256.MultiplyAddEstimate(d2, cosine, Vector256<float>.One);
        return ((r * (cosine - sine)).AsUInt32().Xor(signs), (r * (cosine + sine)).AsUInt32().Xor(signs2));
    }

    private static Vector256<float> Xor(this Vector256<uint> value, Vector256<uint> signs) =>
        (value ^ signs).AsSingle();
}
