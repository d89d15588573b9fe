using System.Text.Json.Serialization;

namespace BalancedDiffusion.Generation;

/// <summary>One line of a <see cref="GenerationManifest"/>: an image, and all that it takes to draw it again.</summary>
/// <param name="File">Where the image lies, relative to the manifest's folder, with forward slashes.</param>
/// <param name="Seed">The seed of its noise.</param>
/// <param name="Network">The fingerprint of the network that drew it.</param>
public sealed record GeneratedImage(
    [property: JsonPropertyName("file")] string File,
    [property: JsonPropertyName("seed")] long Seed,
    [property: JsonPropertyName("network")] string Network
)
{
    /// <summary>The prompt, or null.</summary>
    [JsonPropertyName("prompt")]
    public string? Prompt { get; init; }

    /// <summary>The class, or null.</summary>
    [JsonPropertyName("class")]
    public long? Class { get; init; }

    /// <summary>The set it belongs to, such as <c>memorized</c> or <c>generalized</c>, or null.</summary>
    [JsonPropertyName("group")]
    public string? Group { get; init; }

    /// <summary>Where it was drawn with other settings than the rest (steps, guidance), what they were; or
    /// null.</summary>
    [JsonPropertyName("settings")]
    public string? Settings { get; init; }

    /// <summary>What it was drawn from: two images with the same are one image drawn twice.</summary>
    internal (string? Prompt, long? Class, string? Group, string? Settings, long Seed, string Network) Key =>
        (Prompt, Class, Group, Settings, Seed, Network);
}
