namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>The user asked for something that cannot be: one sentence that says what is wrong and what to do; exit code
/// 2.</summary>
public sealed class UsageException(string message) : Exception(message);
