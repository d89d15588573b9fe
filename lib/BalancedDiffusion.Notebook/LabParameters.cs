using System.Globalization;
using BalancedDiffusion.Datasets;

namespace BalancedDiffusion.Notebook;

/// <summary>What a run of a notebook may be set from outside, through environment variables.</summary>
/// <param name="Profile"><c>BALANCED_DIFFUSION_PROFILE</c>: quick (default) or full.</param>
/// <param name="Images"><c>BALANCED_DIFFUSION_IMAGES</c>: faces (default), fashion-mnist or celeba.</param>
/// <param name="Device"><c>BALANCED_DIFFUSION_DEVICE</c>: auto (default), cpu or cuda.</param>
/// <param name="Seed"><c>BALANCED_DIFFUSION_SEED</c>: a whole number ≥ 0, default 0.</param>
/// <param name="ClaimsPath"><c>BALANCED_DIFFUSION_CLAIMS</c>: the JSON-lines file that claims are appended to, or
/// null.</param>
public sealed record LabParameters(LabProfile Profile, string Images, string Device, long Seed, string? ClaimsPath)
{
    /// <summary>Reads the parameters.</summary>
    /// <param name="read">Gives the value of a variable, or null;
    /// <see cref="Environment.GetEnvironmentVariable(string)"/> where none is given.</param>
    /// <exception cref="ArgumentException">A value is not one of those allowed; the message names it and says which
    /// are.</exception>
    public static LabParameters Read(Func<string, string?>? read = null)
    {
        read ??= Environment.GetEnvironmentVariable;
        var profile = Choice(read, "BALANCED_DIFFUSION_PROFILE", "quick", "full");
        var images = Choice(read, "BALANCED_DIFFUSION_IMAGES", [.. ImageSources.Names]);
        var device = Choice(read, "BALANCED_DIFFUSION_DEVICE", "auto", "cpu", "cuda");
        var seed = Value(read, "BALANCED_DIFFUSION_SEED") ?? "0";
        if (!long.TryParse(seed, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            throw new ArgumentException(
                $"BALANCED_DIFFUSION_SEED must be a whole number from 0 to {long.MaxValue}, was '{seed}'"
            );
        var claims = Value(read, "BALANCED_DIFFUSION_CLAIMS");
        if (claims is not null && (Directory.Exists(claims) || claims.EndsWith('/') || claims.EndsWith('\\')))
            throw new ArgumentException($"BALANCED_DIFFUSION_CLAIMS must name a file, was the folder '{claims}'");
        return new LabParameters(
            profile == "full" ? LabProfile.Full : LabProfile.Quick,
            images,
            device,
            number,
            claims is null ? null : Path.GetFullPath(claims)
        );
    }

    private static string? Value(Func<string, string?> read, string variable) =>
        read(variable)?.Trim() is { Length: > 0 } value ? value : null;

    private static string Choice(Func<string, string?> read, string variable, params string[] allowed)
    {
        var value = Value(read, variable) ?? allowed[0];
        var found = allowed.FirstOrDefault(word => word.Equals(value, StringComparison.OrdinalIgnoreCase));
        return found
            ?? throw new ArgumentException(
                $"{variable} must be {string.Join(", ", allowed[..^1])} or {allowed[^1]}, was '{value}'"
            );
    }
}
