using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Tells numbers that a type can hold from those that it cannot, by their bits alone, in one pass and without
/// a temporary.</summary>
internal static class FiniteNumbers
{
    // The least float32 that rounds to infinity.
    private const uint TooLargeForBFloat16 = 0x7f7f8000;

    /// <summary>Whether every number is finite and stays so in the type it is wanted in.</summary>
    /// <param name="bytes">Numbers in the machine's order.</param>
    /// <param name="from">Their type.</param>
    /// <param name="to">The type they are converted to; whole numbers and booleans always pass.</param>
    public static bool Fit(ReadOnlySpan<byte> bytes, torch.ScalarType from, torch.ScalarType to) =>
        from switch
        {
            torch.ScalarType.Float32 => Below(
                MemoryMarshal.Cast<byte, uint>(bytes),
                (uint)int.MaxValue,
                to switch
                {
                    torch.ScalarType.Float16 => BitConverter.SingleToUInt32Bits(65520),
                    torch.ScalarType.BFloat16 => TooLargeForBFloat16,
                    _ => 0x7f800000,
                }
            ),
            torch.ScalarType.Float16 => Below(
                MemoryMarshal.Cast<byte, ushort>(bytes),
                (ushort)short.MaxValue,
                (ushort)0x7c00
            ),
            torch.ScalarType.BFloat16 => Below(
                MemoryMarshal.Cast<byte, ushort>(bytes),
                (ushort)short.MaxValue,
                (ushort)(to == torch.ScalarType.Float16 ? 0x4780 : 0x7f80)
            ),
            torch.ScalarType.Float64 => Below(
                MemoryMarshal.Cast<byte, ulong>(bytes),
                (ulong)long.MaxValue,
                to switch
                {
                    torch.ScalarType.Float16 => BySingle(65520),
                    torch.ScalarType.BFloat16 => BySingle(BitConverter.UInt32BitsToSingle(TooLargeForBFloat16)),
                    torch.ScalarType.Float32 => BitConverter.DoubleToUInt64Bits(3.4028235677973366e38),
                    _ => 0x7ff0000000000000,
                }
            ),
            _ => true,
        };

    // Torch rounds to float32 first: what lies half-way to a number that is too large becomes it (both numbers here end
    // in an even bit).
    private static ulong BySingle(float tooLarge) =>
        BitConverter.DoubleToUInt64Bits(((double)MathF.BitDecrement(tooLarge) + tooLarge) / 2);

    // Without its sign, a floating-point number grows with its bits; infinity and NaN have the largest.
    private static bool Below<T>(ReadOnlySpan<T> numbers, T withoutSign, T bound)
        where T : unmanaged, IBinaryInteger<T>
    {
        var blocks = MemoryMarshal.Cast<T, Vector<T>>(numbers);
        var (mask, limit) = (new Vector<T>(withoutSign), new Vector<T>(bound));
        foreach (var block in blocks)
            if (Vector.GreaterThanOrEqualAny(block & mask, limit))
                return false;
        foreach (var number in numbers[(blocks.Length * Vector<T>.Count)..])
            if ((number & withoutSign) >= bound)
                return false;
        return true;
    }
}
