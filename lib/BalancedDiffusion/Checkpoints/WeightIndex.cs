using System.Text.Json;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Checkpoints;

/// <summary>An index of shards (<c>*.safetensors.index.json</c>, <c>*.bin.index.json</c>): which file holds which
/// tensor.</summary>
internal static class WeightIndex
{
    private const long Limit = 64 << 20;

    /// <summary>Whether a name is that of an index; a variant may stand before its ending, as in
    /// <c>.index.fp16.json</c>.</summary>
    public static bool Is(string path) =>
        path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
        && Path.GetFileName(path).Contains(".index.", StringComparison.OrdinalIgnoreCase);

    /// <summary>The file of every tensor, below the index's own folder.</summary>
    public static IReadOnlyDictionary<string, string> Read(string path)
    {
        var name = Path.GetFileName(path);
        if (!File.Exists(path))
            throw new FileNotFoundException(
                $"there is no index at '{path}'; check the path or fetch the file first",
                path
            );
        if (new FileInfo(path).Length > Limit)
            throw new InvalidDataException($"the index '{name}' has more than {Limit} bytes; it is not one");
        var shards = new Dictionary<string, string>();
        try
        {
            using var json = JsonDocument.Parse(
                File.ReadAllBytes(path),
                new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = 8 }
            );
            if (
                json.RootElement.ValueKind != JsonValueKind.Object
                || !json.RootElement.TryGetProperty("weight_map", out var map)
                || map.ValueKind != JsonValueKind.Object
            )
                throw new InvalidDataException($"the index '{name}' has no weight_map; fetch it again");
            foreach (var entry in map.EnumerateObject())
            {
                var file =
                    entry.Value.ValueKind == JsonValueKind.String
                        ? entry.Value.GetString()!
                        : throw new InvalidDataException(
                            $"the index '{name}' gives {Listing.Quoted(entry.Name)} a file that is not a "
                                + "text; fetch it again"
                        );
                if (IsOutside(file))
                    throw new InvalidDataException(
                        $"the index '{name}' names the file {Listing.Quoted(file)}, which does not lie in its "
                            + "own folder; it was refused, get the index from a place that you trust"
                    );
                shards.Add(entry.Name, file);
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException(
                $"the index '{name}' is not valid JSON ({Listing.Printable(Sentence.First(e.Message))}); "
                    + "fetch it again",
                e
            );
        }
        if (shards.Count == 0)
            throw new InvalidDataException($"the index '{name}' names no tensors; fetch it again");
        var absent = shards.Values.Distinct().Where(file => !File.Exists(Beside(path, file))).ToList();
        if (absent.Count > 0)
            throw new InvalidDataException(
                $"the index '{name}' names {Listing.Of(absent)}, which {(absent.Count == 1 ? "is" : "are")} "
                    + "not beside it; fetch the missing files"
            );
        return shards;
    }

    public static string Beside(string index, string file) =>
        Path.Combine(Path.GetDirectoryName(Path.GetFullPath(index))!, file);

    private static bool IsOutside(string file) =>
        string.IsNullOrWhiteSpace(file) || file is "." or ".." || file.IndexOfAny(['/', '\\', ':', '\0']) >= 0;
}
