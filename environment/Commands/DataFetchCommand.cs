using System.ComponentModel;
using BalancedDiffusion.Datasets;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>data fetch NAME</c>: downloads what is missing of a data set or checkpoint.</summary>
public sealed class DataFetchCommand : AsyncCommand<DataFetchCommand.Settings>
{
    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The name in the manifest.</summary>
        [CommandArgument(0, "<NAME>")]
        [Description("The data set or checkpoint; 'data list' shows the names.")]
        public string Name { get; init; } = "";
    }

    /// <inheritdoc/>
    public override async Task<int> ExecuteAsync(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var session = settings.Session;
        if (settings.Name.Trim().Equals("faces", StringComparison.OrdinalIgnoreCase))
        {
            session.Say("The faces are drawn by the library; there is nothing to fetch.");
            return 0;
        }
        DataEntry entry;
        try { entry = DataManifest.Load()[settings.Name]; }
        catch (ArgumentException e) { throw new UsageException(e.Message.Split(" (Parameter", 2)[0] + "."); }
        using var downloader = new DataDownloader();
        var said = "";
        var gate = new Lock();
        var progress = new Progress<DownloadProgress>(p =>
        {
            var line = p.Total is > 0 and { } total ? $"{p.File}: {Math.Min(p.Received * 10 / total * 10, 100)} % of {total / 1e6:0.0} MB" : $"{p.File}: {p.Received / 10_000_000 * 10} MB";
            lock (gate)
            {
                if (line == said) return;
                said = line;
                session.Say(line);
            }
        });
        var places = await downloader.FetchAsync(entry, progress: progress, cancellation: cancellationToken);
        foreach (var place in places) session.Say($"have {place}");
        return 0;
    }
}
