using System.Globalization;

namespace BalancedDiffusion.Runtime;

/// <summary>Amounts of memory: as text for people, and what the machine has left.</summary>
public static class MemorySize
{
    /// <summary>E.g. <c>1.2 GB</c>, of 10^9 bytes; <c>–</c> where it is not known.</summary>
    public static string Format(long? bytes) =>
        bytes is { } b ? string.Create(CultureInfo.InvariantCulture, $"{b / 1e9:0.0} GB") : "–";

    /// <summary>The bytes that new processes can have without anything being swapped out; in a container not more than
    /// its limit.</summary>
    public static long Free()
    {
        if (OperatingSystem.IsLinux() && Line("/proc/meminfo", "MemAvailable") is { } available)
            return Math.Min(available, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes);
        // The collector knows the machine's load as of its last collection.
        GC.Collect(0);
        var known = GC.GetGCMemoryInfo();
        return Math.Max(known.TotalAvailableMemoryBytes - known.MemoryLoadBytes, 0);
    }

    /// <summary>The bytes in a line such as <c>VmHWM: 1234 kB</c> of a file of <c>/proc</c>, or null where there is no
    /// such file or line.</summary>
    public static long? Line(string file, string name)
    {
        try
        {
            var line = File.ReadLines(file).FirstOrDefault(l => l.StartsWith(name + ":", StringComparison.Ordinal));
            return
                line is not null
                && long.TryParse(
                    line[(name.Length + 1)..].Replace("kB", "").Trim(),
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var kilobytes
                )
                ? kilobytes * 1024
                : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // the process is gone, or another user's
        }
    }
}
