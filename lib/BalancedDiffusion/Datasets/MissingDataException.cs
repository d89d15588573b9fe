namespace BalancedDiffusion.Datasets;

/// <summary>A file or folder of a data set or checkpoint is in none of the data folders. The message says what is
/// missing and where was looked; <see cref="EntryName"/> lets a caller add how to get it.</summary>
public sealed class MissingDataException : FileNotFoundException
{
    /// <summary>An exception with its sentence.</summary>
    /// <param name="message">What is missing, and where was looked.</param>
    /// <param name="fileName">The path below a data folder.</param>
    /// <param name="entryName">The entry of the manifest that it belongs to, or null where it belongs to none.</param>
    public MissingDataException(string message, string fileName, string? entryName)
        : base(message, fileName) => EntryName = entryName;

    /// <summary>The entry of the <see cref="DataManifest"/> that it belongs to, e.g. <c>fashion-mnist</c>, whose
    /// <see cref="DataEntry.HowToGet"/> says how to get it; null where the manifest does not list it or the message
    /// says what to do.</summary>
    public string? EntryName { get; }
}
