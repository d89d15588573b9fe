using System.Diagnostics;
using System.Globalization;

namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>Ends a process and everything it started, also what outlived its parent.</summary>
public static class ProcessTree
{
    /// <summary>The variable that marks a kernel and its children.</summary>
    public const string MarkerVariable = "BALANCED_DIFFUSION_KERNEL_MARK";

    /// <summary>Kills the process and its descendants, then, where the system lists processes in /proc, whatever else
    /// carries the marker.</summary>
    public static void Kill(Process process, string marker)
    {
        try
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
        catch (Exception e)
            when (e
                    is InvalidOperationException
                        or System.ComponentModel.Win32Exception
                        or NotSupportedException
                        or AggregateException
            )
        { /* already gone */
        }
        foreach (var id in Marked(marker))
            try
            {
                using var orphan = Process.GetProcessById(id);
                orphan.Kill();
            }
            catch (Exception e)
                when (e is ArgumentException or InvalidOperationException or System.ComponentModel.Win32Exception)
            { /* already gone */
            }
    }

    /// <summary>
    /// The most memory, in bytes, that any one living process of the tree has held at once; null where the system does
    /// not say. Where it lists processes in /proc, all that carry the marker count, else the process alone.
    /// </summary>
    public static long? PeakBytes(Process process, string marker)
    {
        ArgumentNullException.ThrowIfNull(process);
        if (OperatingSystem.IsLinux())
            return Marked(marker).Append(process.Id).Select(id => MemorySize.Line($"/proc/{id}/status", "VmHWM")).Max();
        try
        {
            process.Refresh();
            return process.PeakWorkingSet64 is > 0 and var peak ? peak : null;
        }
        catch (Exception e)
            when (e is InvalidOperationException or System.ComponentModel.Win32Exception or NotSupportedException)
        {
            return null; // already gone
        }
    }

    /// <summary>
    /// The processor time that the tree has used, of all its threads together; null where the system does not say.
    /// Where it lists processes in /proc, all that carry the marker count, and those that have ended and were waited
    /// for; else the process alone.
    /// </summary>
    public static TimeSpan? ProcessorTime(Process process, string marker)
    {
        ArgumentNullException.ThrowIfNull(process);
        if (OperatingSystem.IsLinux())
            return Marked(marker)
                .Append(process.Id)
                .Distinct()
                .Select(Ticks)
                .Aggregate((TimeSpan?)null, (sum, ticks) => ticks is null ? sum : (sum ?? TimeSpan.Zero) + ticks);
        try
        {
            process.Refresh();
            return process.TotalProcessorTime;
        }
        catch (Exception e)
            when (e is InvalidOperationException or System.ComponentModel.Win32Exception or NotSupportedException)
        {
            return null; // already gone
        }
    }

    /// <summary>Whether a thread of a living process that carries the marker computes, or waits for a core or a disk;
    /// false where the system has no /proc.</summary>
    public static bool IsRunnable(string marker) =>
        Marked(marker)
            .Any(id =>
            {
                try
                {
                    // The state is the first field behind the name, which may hold blanks and parentheses.
                    return Directory
                        .EnumerateDirectories($"/proc/{id}/task")
                        .Any(t =>
                            File.ReadAllText(Path.Combine(t, "stat")).Split(')')[^1].TrimStart()[0] is 'R' or 'D'
                        );
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    return false; // gone, or another user's
                }
            });

    // Fields 14 to 17 of /proc/ID/stat: its own time and that of its ended children, in hundredths of a second.
    private static TimeSpan? Ticks(int id)
    {
        try
        {
            // The name in the second field may hold blanks and parentheses.
            var fields = File.ReadAllText($"/proc/{id}/stat")
                .Split(')')[^1]
                .Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return TimeSpan.FromSeconds(fields[11..15].Sum(f => long.Parse(f, CultureInfo.InvariantCulture)) / 100.0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // gone, or another user's
        }
    }

    /// <summary>The ids of living processes that carry the marker; empty where the system has no /proc.</summary>
    public static IReadOnlyList<int> Marked(string marker)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(marker);
        if (!Directory.Exists("/proc/self"))
            return [];
        var sought = System.Text.Encoding.UTF8.GetBytes($"{MarkerVariable}={marker}");
        var found = new List<int>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var id) || id == Environment.ProcessId)
                continue;
            try
            {
                if (File.ReadAllBytes(Path.Combine(folder, "environ")).AsSpan().IndexOf(sought) >= 0)
                    found.Add(id);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            { /* another user's, or gone */
            }
        }
        return found;
    }
}
