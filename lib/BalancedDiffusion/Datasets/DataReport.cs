using System.Globalization;

namespace BalancedDiffusion.Datasets;

/// <summary>What this machine has of the data sets and checkpoints of the manifest, and how to get the rest.</summary>
public sealed class DataReport
{
    private readonly DataSearch folders;

    private DataReport(IReadOnlyList<DataReportRow> rows, DataSearch folders) => (Rows, this.folders) = (rows, folders);

    /// <summary>One row an entry, in the manifest's order.</summary>
    public IReadOnlyList<DataReportRow> Rows { get; }

    /// <summary>What is wrong with the folders that were asked for by name, one sentence each.</summary>
    public IReadOnlyList<string> Warnings => folders.Warnings;

    /// <summary>Looks for every file of the manifest.</summary>
    /// <param name="manifest">The manifest; the built-in one by default.</param>
    /// <param name="folders">Where to look; <see cref="DataFolders.Current"/> by default.</param>
    /// <param name="verify">Whether to compute the checksums of what is found (about a second for all).</param>
    public static DataReport Create(DataManifest? manifest = null, DataSearch? folders = null, bool verify = false)
    {
        manifest ??= DataManifest.Load();
        folders ??= DataFolders.Current;
        var rows = new List<DataReportRow>();
        foreach (var entry in manifest.Entries)
        {
            var places = entry.Files.Select(file => folders.Find(file)).ToArray();
            var problems = new List<string>();
            if (verify)
                foreach (var (file, place) in entry.Files.Zip(places))
                    if (place is not null && file.Verify(place) is { } wrong)
                        problems.Add($"'{place}' {wrong}.");
            rows.Add(new DataReportRow(entry, places, problems));
        }
        return new DataReport(rows, folders);
    }

    /// <summary>A list for people: state, size and licence of each entry, where it is or how to get it.</summary>
    public override string ToString()
    {
        var lines = new List<string>();
        foreach (var row in Rows)
        {
            lines.Add($"{row.Entry.Name} ({row.Entry.Kind}): {row.State}");
            lines.Add($"  {row.Entry.Title}");
            lines.Add($"  licence: {row.Entry.Licence}");
            var size =
                row.Entry.Bytes is { } bytes ? $"{Size(bytes)} unpacked"
                : row.Entry.AboutBytes is null ? null
                : row.Entry.SizeText;
            if (row.BytesOnDisk > 0)
                size = $"{Size(row.BytesOnDisk)} on the disk{(size is null ? "" : $", {size}")}";
            if (size is not null)
                lines.Add($"  size: {size}");
            if (row.Entry.Files.Where(file => file.RecordsSum).ToList() is { Count: > 0 } unpublished)
                lines.Add(
                    $"  checksums: no published one is at hand for {unpublished.Count} of "
                        + $"{row.Entry.Files.Count} files; that of the first download is recorded and holds from "
                        + "then on"
                );
            foreach (var folder in row.Folders)
                lines.Add($"  in {folder}");
            foreach (var problem in row.Problems)
                lines.Add($"  {problem}");
            if (row.State == "incomplete")
                foreach (var (file, place) in row.Entry.Files.Zip(row.Places))
                    if (place is null)
                        lines.Add($"  missing: {file.Path}");
            if (!row.IsComplete)
                lines.Add($"  to get it: {row.Entry.HowToGet}");
        }
        lines.Add("Searched, in this order:");
        lines.AddRange(folders.Describe().Split(Environment.NewLine).Select(line => $"  {line}"));
        return string.Join(Environment.NewLine, lines);
    }

    /// <summary>A length for people, e.g. <c>3.4 GB</c>.</summary>
    internal static string Size(long bytes) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{(bytes < 1_000_000 ? bytes / 1e3 : bytes < 1_000_000_000 ? bytes / 1e6 : bytes / 1e9):0.#} "
                + $"{(bytes < 1_000_000 ? "kB" : bytes < 1_000_000_000 ? "MB" : "GB")}"
        );
}
