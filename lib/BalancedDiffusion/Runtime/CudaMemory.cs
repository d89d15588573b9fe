using System.Runtime.InteropServices;
using TorchSharp;

namespace BalancedDiffusion.Runtime;

/// <summary>What a CUDA device has free, asked of the driver, since TorchSharp does not tell.</summary>
internal static class CudaMemory
{
    private delegate int Asks(out nuint free, out nuint total);

    /// <summary>The bytes that are free on the device, or null where the driver does not answer.</summary>
    public static long? Free(torch.Device device)
    {
        // The driver answers for the context of the calling thread, which a tensor makes.
        using var nothing = torch.empty(1, device: device);
        if (!NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var driver))
            return null;
        try
        {
            return
                NativeLibrary.TryGetExport(driver, "cuMemGetInfo_v2", out var address)
                && Marshal.GetDelegateForFunctionPointer<Asks>(address)(out var free, out _) == 0
                ? (long)free
                : null;
        }
        finally
        {
            NativeLibrary.Free(driver);
        }
    }
}
