using System.Text.Json;

namespace BalancedDiffusion.Checkpoints;

/// <summary>One network of a diffusers folder: what its config says, and the file or index of its weights.</summary>
/// <param name="Name">The name of its folder, e.g. <c>unet</c>.</param>
/// <param name="Config">Its <c>config.json</c>, an object.</param>
/// <param name="WeightPath">The file of its weights, or the index of their shards, as an absolute path.</param>
public sealed record DiffusersPart(string Name, JsonElement Config, string WeightPath)
{
    /// <summary>Reads the headers of the weights.</summary>
    /// <exception cref="InvalidDataException">As for <see cref="WeightFiles.Open"/>.</exception>
    public WeightFiles Weights() => WeightFiles.Open(WeightPath);

    /// <summary>A whole number of the config, or null where it says none.</summary>
    public long? Number(string key) =>
        Config.TryGetProperty(key, out var value)
        && value.ValueKind == JsonValueKind.Number
        && value.TryGetInt64(out var number)
            ? number
            : null;

    /// <summary>A text of the config, or null where it says none.</summary>
    public string? Text(string key) =>
        Config.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
