using BalancedDiffusion.Datasets;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>data where</c>: the folders that are searched, and the one that downloads go to.</summary>
public sealed class DataWhereCommand : Command<SessionSettings>
{
    /// <inheritdoc/>
    public override int Execute(CommandContext context, SessionSettings settings, CancellationToken cancellationToken)
    {
        settings.Session.Say("Searched, in this order:");
        foreach (var line in DataFolders.Describe().Split(Environment.NewLine))
            settings.Session.Say("  " + line);
        settings.Session.Say($"Downloads go to {DataFolders.DownloadFolder}");
        settings.Session.Say(
            $"Name folders of your own in {DataSearch.Variable}, separated by '{Path.PathSeparator}'."
        );
        return 0;
    }
}
