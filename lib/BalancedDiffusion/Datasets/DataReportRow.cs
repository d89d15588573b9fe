namespace BalancedDiffusion.Datasets;

/// <summary>What a machine has of one data set or checkpoint.</summary>
/// <param name="Entry">The entry of the manifest.</param>
/// <param name="Places">Where each of its files was found, in the entry's order; null for a missing one.</param>
/// <param name="Problems">What is wrong with files that were found, one sentence each; filled only where they were
/// verified.</param>
public sealed record DataReportRow(DataEntry Entry, IReadOnlyList<string?> Places, IReadOnlyList<string> Problems)
{
    /// <summary>Whether every file was found and, where they were verified, is right.</summary>
    public bool IsComplete => Places.All(place => place is not null) && Problems.Count == 0;

    /// <summary><c>found</c>, <c>missing</c>, <c>incomplete</c> (some files are missing) or <c>damaged</c>.</summary>
    public string State =>
        Problems.Count > 0 ? "damaged"
        : Places.All(p => p is not null) ? "found"
        : Places.All(p => p is null) ? "missing"
        : "incomplete";

    /// <summary>The folders its files were found in, each once.</summary>
    public IReadOnlyList<string> Folders =>
        [.. Places.OfType<string>().Select(place => Path.GetDirectoryName(place) ?? place).Distinct()];

    /// <summary>The length of the files that were found, in bytes on the disk.</summary>
    public long BytesOnDisk => Places.OfType<string>().Where(File.Exists).Sum(place => new FileInfo(place).Length);
}
