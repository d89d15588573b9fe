using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>Settings of a command that works with the session.</summary>
public class SessionSettings : CommandSettings
{
    /// <summary>Given before the command is executed.</summary>
    public Session Session { get; internal set; } = null!;
}
