using System.Diagnostics;

namespace BalancedDiffusion.Benchmarks;

/// <summary>Settings of the C library's memory that a process can only be started with.</summary>
public static class KernelMemory
{
    /// <summary>Runs this program once more with the settings that the kernels of notebooks have: one arena, and pages
    /// of 2 MB. Where the C library's settings are the user's own, or the system has none, nothing is done.</summary>
    /// <param name="args">The arguments of the program.</param>
    /// <returns>The exit code of that run, or null where this process is to go on.</returns>
    public static int? RunAsKernelsDo(string[] args)
    {
        const string tunables = "GLIBC_TUNABLES";
        if (
            !OperatingSystem.IsLinux()
            || Environment.GetEnvironmentVariable(tunables) is not null
            || Environment.ProcessPath is not { } program
        )
            return null;
        var start = new ProcessStartInfo(program);
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(typeof(KernelMemory).Assembly.Location);
        foreach (var word in args)
            start.ArgumentList.Add(word);
        start.Environment[tunables] = "glibc.malloc.hugetlb=1";
        start.Environment["MALLOC_ARENA_MAX"] = "1";
        using var run = Process.Start(start)!;
        run.WaitForExit();
        return run.ExitCode;
    }
}
