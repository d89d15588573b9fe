using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>What every command works with.</summary>
/// <param name="Console">Where it writes.</param>
/// <param name="StartFolder">The folder it was called in.</param>
public sealed record Session(IAnsiConsole Console, string StartFolder)
{
    /// <summary>The repository around the folder, or around this program.</summary>
    public Workspace Workspace => Workspace.Find(StartFolder, AppContext.BaseDirectory);

    /// <summary>Writes one line as it is, never wrapped.</summary>
    public void Say(string line) => Console.Profile.Out.Writer.WriteLine(line);
}
