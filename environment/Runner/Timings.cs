using System.Text.Json;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>How long each cell took before, kept beside the results, so that a run can say when it will be
/// done.</summary>
public sealed class Timings
{
    private const double StartGuess = 3,
        CellGuess = 3;
    private static readonly JsonSerializerOptions Layout = new() { WriteIndented = true };
    private readonly string file;
    private readonly SortedDictionary<string, SortedDictionary<string, double>> known;

    private Timings(string file, SortedDictionary<string, SortedDictionary<string, double>> known) =>
        (this.file, this.known) = (file, known);

    /// <summary>Reads the timings; a missing or damaged file counts as none.</summary>
    public static Timings Load(string file)
    {
        try
        {
            if (
                File.Exists(file)
                && JsonSerializer.Deserialize<SortedDictionary<string, SortedDictionary<string, double>>>(
                    File.ReadAllText(file)
                )
                    is { } read
                && read.Values.All(v => v is not null && v.Values.All(s => double.IsFinite(s) && s >= 0))
            )
                return new Timings(file, read);
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        { /* guesses do */
        }
        return new Timings(file, []);
    }

    /// <summary>Seconds that a cell took last time, or null.</summary>
    public double? Cell(string timingKey, string notebook, string cellId) =>
        known.TryGetValue(Key(timingKey, notebook), out var cells) && cells.TryGetValue(cellId, out var s) ? s : null;

    /// <summary>Seconds that a whole notebook is likely to take, kernel start included: known cells as before, others
    /// like the average.</summary>
    /// <param name="timingKey">Which earlier runs count.</param>
    /// <param name="notebook">The notebook.</param>
    /// <param name="cellIds">Its code cells.</param>
    /// <param name="cellGuess">Seconds of a cell where none is known; 3 when not given.</param>
    public double Estimate(
        string timingKey,
        string notebook,
        IReadOnlyList<string> cellIds,
        double? cellGuess = null
    ) => StartGuess + Remaining(timingKey, notebook, cellIds, cellGuess);

    /// <summary>Seconds that these cells of a notebook are likely to take; parameters as for
    /// <see cref="Estimate"/>.</summary>
    public double Remaining(string timingKey, string notebook, IReadOnlyList<string> cellIds, double? cellGuess = null)
    {
        var times = cellIds.Select(id => Cell(timingKey, notebook, id)).ToList();
        var average = times.Any(t => t is not null) ? times.OfType<double>().Average() : cellGuess ?? CellGuess;
        return times.Sum(t => t ?? average);
    }

    /// <summary>Takes the times of a notebook over; those of cells that did not run stay as they were.</summary>
    public void Learn(string timingKey, NotebookResult result)
    {
        var key = Key(timingKey, result.Notebook.Stem);
        if (!known.TryGetValue(key, out var cells))
            known[key] = cells = [];
        foreach (var (id, seconds) in result.CellSeconds)
            cells[id] = Math.Round(seconds, 3);
        if (result.Failure is null)
            foreach (var gone in cells.Keys.Where(id => !result.CellSeconds.ContainsKey(id)).ToList())
                cells.Remove(gone);
    }

    /// <summary>Writes the timings.</summary>
    public void Save()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, JsonSerializer.Serialize(known, Layout) + "\n");
    }

    private static string Key(string timingKey, string notebook) => $"{notebook} {timingKey}";
}
