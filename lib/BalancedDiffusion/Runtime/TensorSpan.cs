using System.Runtime.InteropServices;
using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>A tensor's numbers where they lie, for managed code that makes one pass where torch makes
/// several.</summary>
internal static class TensorSpan
{
    /// <summary>Whether managed code can pass over the numbers: float32 or float64, on the CPU, contiguous, and not
    /// beyond the 2^31 bytes that a span holds.</summary>
    public static bool IsPlain(this torch.Tensor tensor) =>
        tensor.device_type == DeviceType.CPU
        && tensor.dtype is torch.ScalarType.Float32 or torch.ScalarType.Float64
        && tensor.is_contiguous()
        && tensor.NumberOfElements * tensor.ElementSize <= int.MaxValue;

    /// <summary>The numbers of a contiguous tensor on the CPU, of at most 2^31 bytes; valid as long as the tensor
    /// lives.</summary>
    /// <typeparam name="T">The tensor's type.</typeparam>
    public static Span<T> Numbers<T>(this torch.Tensor tensor)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(tensor.bytes);
}
