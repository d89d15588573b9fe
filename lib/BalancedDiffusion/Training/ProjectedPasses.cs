using System.Numerics;
using System.Runtime.CompilerServices;

namespace BalancedDiffusion.Training;

/// <summary>What <see cref="ProjectedStep"/> does between its matrix products, each in one pass where torch makes
/// several.</summary>
internal static class ProjectedPasses
{
    // What stays in the core's nearest cache, and what float32 adds up before float64 takes over.
    private const int Chunk = 1024;

    /// <summary>How the rows lie: those of noise are (pairs · batch, units); those of one noise a sample as many,
    /// those of both signs twice as many, all of the first sign first.</summary>
    /// <param name="Batch">Samples.</param>
    /// <param name="Units">p.</param>
    /// <param name="Pairs">Noises drawn a sample.</param>
    /// <param name="IsMirrored">Whether the negative of each is taken too.</param>
    public readonly record struct Shape(int Batch, int Units, int Pairs, bool IsMirrored);

    /// <summary><c>hidden = relu(means ± noise)</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Activate<T>(Shape shape, ReadOnlySpan<T> means, ReadOnlySpan<T> noise, Span<T> hidden)
        where T : unmanaged, INumber<T>
    {
        // All samples of a pair lie one after the other, as the means do.
        var block = shape.Batch * shape.Units;
        for (var pair = 0; pair < shape.Pairs; pair++)
        {
            var n = noise.Slice(pair * block, block);
            var plus = hidden.Slice(pair * block, block);
            var minus = shape.IsMirrored ? hidden.Slice((shape.Pairs + pair) * block, block) : [];
            var offset = 0;
            for (; offset + Vector<T>.Count <= block; offset += Vector<T>.Count)
            {
                Vector<T> m = new(means[offset..]),
                    e = new(n[offset..]);
                Rectify(m + e).CopyTo(plus[offset..]);
                if (shape.IsMirrored)
                    Rectify(m - e).CopyTo(minus[offset..]);
            }
            for (; offset < block; offset++)
            {
                plus[offset] = Rectify(means[offset] + n[offset]);
                if (shape.IsMirrored)
                    minus[offset] = Rectify(means[offset] - n[offset]);
            }
        }
    }

    // Not Max, which would hide a NaN on some processors: where it is not below zero it stays as it is.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<T> Rectify<T>(Vector<T> value)
        where T : unmanaged, INumber<T> =>
        Vector.ConditionalSelect(Vector.LessThan(value, Vector<T>.Zero), Vector<T>.Zero, value);

    private static T Rectify<T>(T value)
        where T : unmanaged, INumber<T> => value < T.Zero ? T.Zero : value;

    /// <summary>From <c>R = H Gᵥ</c> the error <c>D = R - M</c> and <c>Δ = D ∘ 1[H &gt; 0]</c>; summed over the
    /// noises of a sample for the products with clean samples, and subtracted within each pair for that with the
    /// noise.</summary>
    /// <param name="shape">How the rows lie.</param>
    /// <param name="hidden">H.</param>
    /// <param name="reconstructed">R, like H.</param>
    /// <param name="means">M of the decoder, (batch, units).</param>
    /// <param name="delta">Receives Δ of a noise less Δ of its negative, like the noise.</param>
    /// <param name="ofEncoder">Receives <c>scale Σ Δ</c>, (batch, units); where <paramref name="ofDecoder"/> is empty
    /// <c>scale Σ (Δ - H)</c>.</param>
    /// <param name="ofDecoder">Receives <c>-scale Σ H</c>, (batch, units), or is empty.</param>
    /// <param name="scale">The factor.</param>
    /// <returns>The sum of <c>H ∘ (D - M)</c>, pieces of it added up in float64.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static double Differentiate<T>(
        Shape shape,
        ReadOnlySpan<T> hidden,
        ReadOnlySpan<T> reconstructed,
        ReadOnlySpan<T> means,
        Span<T> delta,
        Span<T> ofEncoder,
        Span<T> ofDecoder,
        T scale
    )
        where T : unmanaged, INumber<T>
    {
        delta.Clear();
        ofEncoder.Clear();
        ofDecoder.Clear();
        var total = 0.0;
        var block = shape.Batch * shape.Units;
        for (var pair = 0; pair < shape.Pairs; pair++)
        for (var from = 0; from < block; from += Chunk)
        {
            int length = Math.Min(Chunk, block - from),
                place = pair * block + from;
            var encoder = ofEncoder.Slice(from, length);
            for (var sign = 1; sign >= (shape.IsMirrored ? -1 : 1); sign -= 2)
            {
                var row = sign > 0 ? place : place + shape.Pairs * block;
                total += Add(
                    hidden.Slice(row, length),
                    reconstructed.Slice(row, length),
                    means.Slice(from, length),
                    delta.Slice(place, length),
                    encoder,
                    ofDecoder.IsEmpty ? encoder : ofDecoder.Slice(from, length),
                    T.CreateChecked(sign),
                    scale
                );
            }
        }
        return total;
    }

    // One noise of some samples. The spans of encoder and decoder may be the same.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Add<T>(
        ReadOnlySpan<T> hidden,
        ReadOnlySpan<T> reconstructed,
        ReadOnlySpan<T> means,
        Span<T> difference,
        Span<T> encoder,
        Span<T> decoder,
        T sign,
        T scale
    )
        where T : unmanaged, INumber<T>
    {
        var sums = Vector<T>.Zero;
        var offset = 0;
        for (; offset + Vector<T>.Count <= hidden.Length; offset += Vector<T>.Count)
        {
            Vector<T> h = new(hidden[offset..]),
                m = new(means[offset..]);
            var error = new Vector<T>(reconstructed[offset..]) - m;
            sums += h * (error - m);
            var delta = Vector.ConditionalSelect(Vector.GreaterThan(h, Vector<T>.Zero), error, Vector<T>.Zero);
            (new Vector<T>(difference[offset..]) + sign * delta).CopyTo(difference[offset..]);
            (new Vector<T>(encoder[offset..]) + scale * delta).CopyTo(encoder[offset..]);
            (new Vector<T>(decoder[offset..]) - scale * h).CopyTo(decoder[offset..]);
        }
        var total = double.CreateChecked(Vector.Sum(sums));
        for (; offset < hidden.Length; offset++)
        {
            var h = hidden[offset];
            var error = reconstructed[offset] - means[offset];
            total += double.CreateChecked(h * (error - means[offset]));
            var delta = h > T.Zero ? error : T.Zero;
            difference[offset] += sign * delta;
            encoder[offset] += scale * delta;
            decoder[offset] -= scale * h;
        }
        return total;
    }
}
