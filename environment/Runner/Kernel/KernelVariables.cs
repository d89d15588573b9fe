namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>What every kernel that runs our notebooks is started with, by the runner and by the kernelspec.</summary>
internal static class KernelVariables
{
    private const string Tunables = "GLIBC_TUNABLES";

    /// <summary>Environment variables by name. The user's own settings of the C library's memory are kept.</summary>
    public static IReadOnlyDictionary<string, string> All { get; } =
        new Dictionary<string, string>
        {
            ["DOTNET_gcServer"] = "0",
            ["DOTNET_gcConcurrent"] = "0",
            // Of several arenas all but the first give freed memory back at once, which FreedMemory is to avoid.
            ["MALLOC_ARENA_MAX"] = "1",
            // Memory in pages of 2 MB where Linux has them: one page fault for a tensor instead of hundreds.
            [Tunables] = Environment.GetEnvironmentVariable(Tunables) ?? "glibc.malloc.hugetlb=1",
            ["OMP_WAIT_POLICY"] = "passive",
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
            ["DOTNET_INTERACTIVE_CLI_TELEMETRY_OPTOUT"] = "1",
        };
}
