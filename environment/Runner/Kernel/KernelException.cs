namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>The kernel process did not start, or died.</summary>
public sealed class KernelException(string message) : Exception(message);
