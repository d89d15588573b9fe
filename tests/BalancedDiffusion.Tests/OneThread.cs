using System.Runtime.CompilerServices;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests;

/// <summary>
/// The two test projects run side by side, and libtorch's threads wait for each other by spinning: with as many threads
/// as cores in each, they stand in each other's way many times over. So each computes on one thread, and what they
/// start waits asleep.
/// </summary>
internal static class OneThread
{
    [ModuleInitializer]
    internal static void Set()
    {
        if (Environment.GetEnvironmentVariable("OMP_WAIT_POLICY") is null)
            Environment.SetEnvironmentVariable("OMP_WAIT_POLICY", "passive");
        TorchRuntime.EnsureLoaded();
        torch.set_num_threads(1);
    }
}
