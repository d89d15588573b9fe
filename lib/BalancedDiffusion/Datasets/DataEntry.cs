namespace BalancedDiffusion.Datasets;

/// <summary>A data set or checkpoint, as the manifest knows it.</summary>
public sealed record DataEntry
{
    /// <summary>The name that it is asked for by, e.g. <c>fashion-mnist</c>.</summary>
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

    /// <summary>About how many bytes there are, where <see cref="Bytes"/> is not known; else null.</summary>
    public long? AboutBytes { get; init; }

    /// <summary>Its length for people: <c>3.4 GB</c>, <c>about 3.4 GB</c> or <c>not known</c>.</summary>
    public string SizeText =>
        Bytes is { } bytes ? DataReport.Size(bytes)
        : AboutBytes is { } about ? $"about {DataReport.Size(about)}"
        : "not known";

    /// <summary>Whether to show licence and size and to ask before it is fetched: where its licence sets conditions, or
    /// where it is larger than 100 MB.</summary>
    public bool AsksFirst => !Redistributable || (Bytes ?? AboutBytes ?? long.MaxValue) > 100_000_000;

    /// <summary>Whether every file has an address to download it from.</summary>
    public bool CanBeFetched => Files.All(file => file.Urls.Count > 0);

    /// <summary>The length of all files in bytes (unpacked), or null where one is not known.</summary>
    public long? Bytes => Files.All(file => file.Bytes is not null) ? Files.Sum(file => file.Bytes) : null;
}
