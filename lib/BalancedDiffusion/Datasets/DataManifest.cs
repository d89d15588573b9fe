using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Datasets;

/// <summary>The list of data sets and checkpoints that the notebooks can use: where they come from, their licences and
/// checksums.</summary>
public sealed class DataManifest
{
    private const string Resource = "BalancedDiffusion.data.manifest.json";
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNameCaseInsensitive = true,
        RespectNullableAnnotations = true,
    };

    private DataManifest(IReadOnlyList<DataEntry> entries) => Entries = entries;

    /// <summary>All entries, in the manifest's order.</summary>
    public IReadOnlyList<DataEntry> Entries { get; }

    /// <summary>The names of all entries, in the manifest's order.</summary>
    public IReadOnlyList<string> Names => [.. Entries.Select(entry => entry.Name)];

    /// <summary>The entry of this name; capitals do not matter.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names there are.</exception>
    public DataEntry this[string name]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(name);
            return Entries.FirstOrDefault(entry => entry.Name.Equals(name.Trim(), StringComparison.OrdinalIgnoreCase))
                ?? throw new ArgumentException(
                    $"there is no data set or checkpoint named '{name}'; known are {string.Join(", ", Names)}",
                    nameof(name)
                );
        }
    }

    /// <summary>The manifest that was built into this library (data/manifest.json of the repository).</summary>
    public static DataManifest Load()
    {
        using var stream =
            typeof(DataManifest).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException(
                $"this build of the library lacks its resource {Resource}; build the repository again"
            );
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd(), "data/manifest.json");
    }

    /// <summary>Reads a manifest from a file, such as a mirror's.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">As for <see cref="Parse"/>.</exception>
    public static DataManifest Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"there is no manifest at '{path}'; check the path", path);
        return Parse(File.ReadAllText(path), $"'{Path.GetFileName(path)}'");
    }

    /// <summary>Reads a manifest from JSON text.</summary>
    /// <param name="json">The text.</param>
    /// <param name="origin">What messages call it, e.g. its path.</param>
    /// <exception cref="InvalidDataException">It is not JSON, lacks a field, or an entry or file is malformed; the
    /// message says which.</exception>
    public static DataManifest Parse(string json, string origin = "the manifest")
    {
        ArgumentNullException.ThrowIfNull(json);
        List<DataEntry> entries;
        try
        {
            entries = JsonSerializer.Deserialize<Document>(json, Options)?.Entries ?? [];
        }
        catch (JsonException e)
        {
            throw new InvalidDataException(
                $"{origin} cannot be read as a manifest (line {e.LineNumber + 1}): {Sentence.First(e.Message)}",
                e
            );
        }
        var names = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in entries)
        {
            if (string.IsNullOrWhiteSpace(entry.Name) || !names.Add(entry.Name))
                throw new InvalidDataException($"{origin} has an entry whose name is empty or taken: '{entry.Name}'");
            if (entry.Files.Count == 0)
                throw new InvalidDataException($"{origin}: '{entry.Name}' names no files");
            foreach (var file in entry.Files)
            {
                if (DataSearch.IsUnsafe(file.Path))
                    throw new InvalidDataException(
                        $"{origin}: '{entry.Name}' has the path '{file.Path}', which must be relative and "
                            + "stay inside the data folder"
                    );
                if (file.Bytes < 0)
                    throw new InvalidDataException($"{origin}: '{file.Path}' has {file.Bytes} bytes");
                if (file.Sha256 is { } sum && (sum.Length != 64 || !sum.All(char.IsAsciiHexDigitLower)))
                    throw new InvalidDataException(
                        $"{origin}: '{file.Path}' has the checksum '{sum}', expected 64 lower-case hexadecimal digits"
                    );
                if (file.Urls is null)
                    throw new InvalidDataException($"{origin}: '{file.Path}' lacks its list of urls (it may be empty)");
                foreach (var url in file.Urls)
                    if (
                        !Uri.TryCreate(url, UriKind.Absolute, out var address)
                        || address.Scheme is not ("http" or "https")
                    )
                        throw new InvalidDataException(
                            $"{origin}: '{file.Path}' has the address '{url}', expected one of http or https"
                        );
                if (file.RecordsSum && (file.Sha256 is not null || file.Urls.Count == 0))
                    throw new InvalidDataException(
                        $"{origin}: '{file.Path}' records the checksum of its first download, which only a "
                            + "file does that has an address and no published checksum"
                    );
                if (file.Urls.Count > 0 && file.Sha256 is null && !file.RecordsSum)
                    throw new InvalidDataException($"{origin}: '{file.Path}' can be downloaded but has no checksum");
            }
        }
        return new DataManifest(entries);
    }

    private sealed record Document(List<DataEntry> Entries);
}
