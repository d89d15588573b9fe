using System.Runtime.InteropServices;

namespace BalancedDiffusion.Runtime;

/// <summary>
/// Asks the C library to keep freed memory for the next tensor. As it comes, glibc maps every large block anew and gives it back when it is freed, so that each activation of a network is
/// page-faulted again at every step: the U-Nets of notebook 08 then spend a fifth of their time on it. Blocks above <see cref="KeptBlock"/> go back to the system as before.
/// </summary>
internal static class NativeHeap
{
    /// <summary>The largest block that is kept, bytes.</summary>
    public const int KeptBlock = 64 << 20;

    /// <summary>How much free memory at the heap's end is kept, bytes.</summary>
    public const int KeptEnd = 512 << 20;

    private const int TrimThreshold = -1, MapThreshold = -3;
    private static readonly string[] UsersOwn = ["MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"];

    /// <summary>Sets both thresholds, unless the environment sets them or this is not glibc.</summary>
    /// <returns>What was done, one sentence, or null where nothing was.</returns>
    public static string? KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux() || UsersOwn.Any(name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)))) return null;
        // Another C library, or another allocator that was loaded before it, has no such call.
        if (!NativeLibrary.TryLoad("libc.so.6", out var library) || !NativeLibrary.TryGetExport(library, "mallopt", out var address)) return null;
        var set = Marshal.GetDelegateForFunctionPointer<Set>(address);
        return set(MapThreshold, KeptBlock) == 1 && set(TrimThreshold, KeptEnd) == 1 ? $"Freed blocks of up to {KeptBlock >> 20} MB are kept for the next tensor." : null;
    }

    /// <summary>Gives all free memory back to the system, where this is glibc; else does nothing.</summary>
    public static void Release()
    {
        if (OperatingSystem.IsLinux() && NativeLibrary.TryLoad("libc.so.6", out var library) && NativeLibrary.TryGetExport(library, "malloc_trim", out var address))
            Marshal.GetDelegateForFunctionPointer<Trim>(address)(0);
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Set(int parameter, int value);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Trim(nuint keep);
}
