using TorchSharp;

namespace BalancedDiffusion.Checkpoints;

/// <summary>Moves the raw bytes of tensors from and to streams, in pieces so that no tensor is too large.</summary>
internal static class TensorBytes
{
    /// <summary>How many numbers are moved at a time.</summary>
    public const long Piece = 1 << 22;

    /// <summary>The bytes of one number.</summary>
    public static int Size(torch.ScalarType type) =>
        type switch
        {
            torch.ScalarType.Float64 or torch.ScalarType.Int64 => 8,
            torch.ScalarType.Float32 or torch.ScalarType.Int32 => 4,
            torch.ScalarType.Float16 or torch.ScalarType.BFloat16 or torch.ScalarType.Int16 => 2,
            _ => 1,
        };

    /// <summary>Fills a contiguous one-dimensional CPU tensor from the stream; every piece is also shown to
    /// <paramref name="seen"/>.</summary>
    /// <exception cref="EndOfStreamException">The stream ends before the tensor is full.</exception>
    public static void Fill(torch.Tensor flat, Stream stream, Action<ReadOnlySpan<byte>>? seen = null)
    {
        for (long offset = 0, count = flat.shape[0]; offset < count; offset += Piece)
        {
            using var piece = flat.narrow(0, offset, Math.Min(Piece, count - offset));
            stream.ReadExactly(piece.bytes);
            seen?.Invoke(piece.bytes);
        }
    }

    /// <summary>Writes a contiguous one-dimensional CPU tensor to the stream.</summary>
    public static void Write(torch.Tensor flat, Stream stream) => Show(flat, stream.Write);

    /// <summary>Shows a contiguous one-dimensional CPU tensor's bytes, piece after piece.</summary>
    public static void Show(torch.Tensor flat, Action<ReadOnlySpan<byte>> see)
    {
        for (long offset = 0, count = flat.shape[0]; offset < count; offset += Piece)
        {
            using var piece = flat.narrow(0, offset, Math.Min(Piece, count - offset));
            see(piece.bytes);
        }
    }

    /// <summary>Whether a boolean tensor's bytes are all 0 or 1; torch's behaviour is undefined for any
    /// other.</summary>
    public static bool AreBooleans(torch.Tensor flat)
    {
        for (long offset = 0, count = flat.shape[0]; offset < count; offset += Piece)
        {
            using var piece = flat.narrow(0, offset, Math.Min(Piece, count - offset));
            if (piece.bytes.ContainsAnyExcept((byte)0, (byte)1))
                return false;
        }
        return true;
    }
}
