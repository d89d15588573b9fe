using System.ComponentModel;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
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

        /// <summary>Whether to fetch without asking.</summary>
        [CommandOption("-y|--yes")]
        [Description("Accept size and licence without being asked, for scripts.")]
        public bool Yes { get; init; }

        /// <summary>Another manifest.</summary>
        [CommandOption("--manifest <FILE>")]
        [Description("Read the list from this file, such as a mirror's, in the format of data/manifest.json.")]
        public string? Manifest { get; init; }
    }

    /// <inheritdoc/>
    public override async Task<int> ExecuteAsync(
        CommandContext context,
        Settings settings,
        CancellationToken cancellationToken
    )
    {
        var session = settings.Session;
        if (settings.Name.Trim().Equals("faces", StringComparison.OrdinalIgnoreCase))
        {
            session.Say("The faces are drawn by the library; there is nothing to fetch.");
            return 0;
        }
        DataEntry entry;
        try
        {
            entry = (
                settings.Manifest is null
                    ? DataManifest.Load()
                    : DataManifest.Read(Path.Combine(session.StartFolder, settings.Manifest))
            )[settings.Name];
        }
        catch (Exception e) when (e is ArgumentException or FileNotFoundException)
        {
            throw new UsageException(e.Message.Split(" (Parameter", 2)[0] + ".");
        }
        if (
            entry.CanBeFetched
            && entry.AsksFirst
            && DataFolders.Current is var folders
            && entry.Files.Any(f => folders.Find(f) is null)
            && !Accepted(session, entry, settings.Yes)
        )
        {
            session.Say("Nothing was fetched.");
            return 1;
        }
        using var downloader = new DataDownloader();
        var said = "";
        var gate = new Lock();
        var progress = new Progress<DownloadProgress>(p =>
        {
            var line = p.Total is > 0 and { } total
                ? $"{p.File}: {Math.Min(p.Received * 10 / total * 10, 100)} % of {total / 1e6:0.0} MB"
                : $"{p.File}: {p.Received / 10_000_000 * 10} MB";
            lock (gate)
            {
                if (line == said)
                    return;
                said = line;
                session.Say(line);
            }
        });
        var places = await downloader.FetchAsync(entry, progress: progress, cancellation: cancellationToken);
        foreach (var (place, file) in places.Zip(entry.Files))
            session.Say($"have {place}{(file.Caveat(place) is { } caveat ? $" ({caveat})" : "")}");
        return 0;
    }

    private static bool Accepted(Session session, DataEntry entry, bool yes)
    {
        session.Say($"{entry.Name}: {entry.Title}");
        session.Say(
            $"  size: {entry.SizeText}, {entry.Files.Count} file(s) from {entry.Source}, to "
                + $"{DataFolders.DownloadFolder}"
        );
        session.Say($"  licence: {entry.Licence}");
        if (yes)
            return true;
        if (!session.Console.Profile.Capabilities.Interactive || Console.IsInputRedirected)
            throw new UsageException(
                $"'{entry.Name}' is fetched only when you accept its size and licence, and there is no "
                    + "terminal to ask on; add --yes to accept them."
            );
        return session.Console.Prompt(new ConfirmationPrompt("Fetch it under this licence?") { DefaultValue = false });
    }
}
