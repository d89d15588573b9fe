using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Representations;

/// <summary>What is known of one image's representations, as a line of the authors' lists (<c>…_stats.jsonl</c>), so
/// that their numbers and ours can be read by either.</summary>
/// <param name="Url">The image, a path or an address.</param>
/// <param name="Prompt">What it was drawn from; empty where that is not known.</param>
/// <param name="CheckTimestep">The timestep that it was noised to.</param>
/// <param name="Pooling">How activations were pooled, in the authors' words: <c>spatial_max</c>, <c>spatial_mean</c> or
/// <c>channel_mean</c> (over tokens).</param>
/// <param name="Features">Standard deviation, l2 norm and l4/l2 of the representation, by the layer's name.</param>
public sealed record RepresentationStatistics(
    [property: JsonPropertyName("url")] string Url,
    [property: JsonPropertyName("prompt")] string Prompt,
    [property: JsonPropertyName("check_timestep")] double CheckTimestep,
    [property: JsonPropertyName("pooling")] string Pooling,
    [property: JsonPropertyName("features")] IReadOnlyDictionary<string, RepresentationFeatures> Features
)
{
    private static readonly JsonSerializerOptions Format = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
    };

    /// <summary>The numbers of representations, one per row.</summary>
    /// <param name="representations">(n, units), floating point, finite.</param>
    /// <exception cref="ArgumentException">The shape is wrong, or a number is not finite.</exception>
    public static IReadOnlyList<RepresentationFeatures> Of(torch.Tensor representations)
    {
        Spikiness.Check(representations);
        using var scope = torch.NewDisposeScope();
        double[] Numbers(torch.Tensor values) => values.to_type(torch.float64).cpu().data<double>().ToArray();
        var (std, norms, ratios) = (
            Numbers(Spikiness.StandardDeviation(representations)),
            Numbers(representations.detach().to_type(torch.float64).norm(1)),
            Numbers(Spikiness.L4OverL2(representations))
        );
        return [.. std.Select((s, i) => new RepresentationFeatures(s, norms[i], ratios[i]))];
    }

    /// <summary>Writes a list, whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <param name="lines">The lines.</param>
    public static void Write(string path, IEnumerable<RepresentationStatistics> lines)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ArgumentNullException.ThrowIfNull(lines);
        using var file = new AtomicFile(path);
        File.WriteAllLines(file.Temporary, lines.Select(line => JsonSerializer.Serialize(line, Format)));
        file.Commit();
    }

    /// <summary>Reads a list, the authors' or ours.</summary>
    /// <param name="path">The file; empty lines are passed over.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">Lines cannot be read; the message names them by number.</exception>
    public static IReadOnlyList<RepresentationStatistics> Read(string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"there is no list of representations at '{path}'; check the path", path);
        var (lines, bad) = (new List<RepresentationStatistics>(), new List<string>());
        var number = 0;
        foreach (var line in File.ReadLines(path))
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
                continue;
            try
            {
                lines.Add(
                    JsonSerializer.Deserialize<RepresentationStatistics>(line, Format) ?? throw new JsonException()
                );
            }
            catch (JsonException)
            {
                bad.Add($"line {number} ({Listing.Quoted(line.Length > 40 ? line[..40] : line)})");
            }
        }
        return bad.Count == 0
            ? lines
            : throw new InvalidDataException(
                $"the list of representations '{Path.GetFileName(path)}' cannot be read: {Listing.Some(bad)}; each "
                    + "line must be an object with url, prompt, check_timestep, pooling and features"
            );
    }

    /// <summary>One number of a layer over a list, for a <see cref="Statistics.RocCurve"/>.</summary>
    /// <param name="lines">The list.</param>
    /// <param name="layer">The layer's name.</param>
    /// <param name="number">Which; null for the standard deviation.</param>
    /// <exception cref="ArgumentException">A line has no such layer.</exception>
    public static IReadOnlyList<double> Values(
        IReadOnlyList<RepresentationStatistics> lines,
        string layer,
        Func<RepresentationFeatures, double>? number = null
    )
    {
        ArgumentNullException.ThrowIfNull(lines);
        ArgumentNullException.ThrowIfNull(layer);
        return
        [
            .. lines.Select(line =>
                line.Features.TryGetValue(layer, out var features)
                    ? (number ?? (f => f.StandardDeviation))(features)
                    : throw new ArgumentException(
                        $"the line of '{Listing.Printable(line.Url)}' has no layer {Listing.Quoted(layer)}; "
                            + $"it has {Listing.Of(line.Features.Keys)}",
                        nameof(layer)
                    )
            ),
        ];
    }
}
