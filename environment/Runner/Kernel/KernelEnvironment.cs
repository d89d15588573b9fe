namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>Where a kernel runs, and what it is given.</summary>
/// <param name="Folder">Its working directory; the tool's manifest lies in it or above.</param>
public sealed record KernelEnvironment(string Folder)
{
    /// <summary>A command that starts what follows it, such as one that takes the network away; empty for
    /// none.</summary>
    public IReadOnlyList<string> Launcher { get; init; } = [];

    /// <summary>The variables of this process that the kernel may see; null for all.</summary>
    public IReadOnlyCollection<string>? Inherited { get; init; }

    /// <summary>Variables to set.</summary>
    public IReadOnlyDictionary<string, string> Variables { get; init; } = new Dictionary<string, string>();
}
