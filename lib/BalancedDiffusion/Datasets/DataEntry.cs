namespace BalancedDiffusion.Datasets;

/// <summary>A data set or checkpoint, as the manifest knows it.</summary>
public sealed record DataEntry
{
    /// <summary>The name used on the command line, e.g. <c>fashion-mnist</c>.</summary>
    public required string Name { get; init; }

    /// <summary><c>data set</c> or <c>checkpoint</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>What it is, in one line.</summary>
    public required string Title { get; init; }

    /// <summary>The licence or agreement it is under.</summary>
    public required string Licence { get; init; }

    /// <summary>Whether the files may be passed on to others.</summary>
    public required bool Redistributable { get; init; }

    /// <summary>The address of its public home.</summary>
    public required string Source { get; init; }

    /// <summary>What to cite.</summary>
    public required string Citation { get; init; }

    /// <summary>How to get it: half a sentence, such as a command or what to download by hand.</summary>
    public required string HowToGet { get; init; }

    /// <summary>Its files, at least one.</summary>
    public required IReadOnlyList<DataFile> Files { get; init; }

    /// <summary>Whether every file has an address to download it from.</summary>
    public bool CanBeFetched => Files.All(file => file.Urls.Count > 0);

    /// <summary>The length of all files in bytes (unpacked), or null where one is not known.</summary>
    public long? Bytes => Files.All(file => file.Bytes is not null) ? Files.Sum(file => file.Bytes) : null;
}
