using System.Runtime.InteropServices;

namespace BalancedDiffusion.Runtime;

/// <summary>
/// What the C library does with the memory of tensors that were freed. glibc hands large pieces back to the system at
/// once and asks for them anew in the next step, and every page of them is cleared on its first touch: .1 to .3 µs a
/// page of 4 KB on a machine of one's own, 7 to 13 on some virtual machines, where a network then spends half its time
/// on it. Elsewhere than on Linux with glibc nothing is done.
/// </summary>
internal static class FreedMemory
{
    // Parameters of mallopt, from glibc's malloc.h.
    private const int TrimThreshold = -1,
        MapThreshold = -3;

    // The greatest that glibc takes; larger pieces still come from the system and go back to it.
    private const int LargestKept = 32 << 20;

    // What may stand free at the end of the heap.
    private const int MostKept = 512 << 20;

    /// <summary>Keeps freed memory for the next tensor, up to half a gigabyte, in pieces of at most 32 MB. A process
    /// that was started with its own settings of malloc keeps those.</summary>
    /// <returns>Whether it is kept.</returns>
    public static bool Keep()
    {
        if (
            Environment.GetEnvironmentVariable("MALLOC_TRIM_THRESHOLD_") is not null
            || Environment.GetEnvironmentVariable("MALLOC_MMAP_THRESHOLD_") is not null
            || Find("mallopt") is not { } address
        )
            return false;
        var set = Marshal.GetDelegateForFunctionPointer<Set>(address);
        return set(MapThreshold, LargestKept) == 1 && set(TrimThreshold, MostKept) == 1;
    }

    /// <summary>Gives what stands free back to the system.</summary>
    public static void Return()
    {
        if (Find("malloc_trim") is { } address)
            Marshal.GetDelegateForFunctionPointer<Trim>(address)(0);
    }

    // Another C library, or an allocator loaded before it, has no such call.
    private static nint? Find(string name) =>
        OperatingSystem.IsLinux()
        && NativeLibrary.TryLoad("libc.so.6", out var library)
        && NativeLibrary.TryGetExport(library, name, out var address)
            ? address
            : null;

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Set(int parameter, int value);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Trim(nuint keep);
}
