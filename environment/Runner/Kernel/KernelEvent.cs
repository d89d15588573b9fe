using System.Text.Json;

namespace BalancedDiffusion.Reproduce.Runner.Kernel;

/// <summary>One event of the kernel, as it came over its standard output.</summary>
/// <param name="Type">E.g. <c>DisplayedValueProduced</c>.</param>
/// <param name="Token">The token of the command that caused it, empty where none did; a part of a split cell is
/// <c>token.n</c>.</param>
/// <param name="Body">The event's own fields.</param>
public sealed record KernelEvent(string Type, string Token, JsonElement Body)
{
    /// <summary>Whether a command with this token, or a part of it, caused the event.</summary>
    public bool BelongsTo(string token) =>
        Token == token
        || (
            Token.StartsWith(token, StringComparison.Ordinal)
            && Token.Length > token.Length
            && Token[token.Length] == '.'
        );

    /// <summary>The token of the whole command: what stands before the first dot.</summary>
    public string CommandToken => Token.IndexOf('.') is var dot and >= 0 ? Token[..dot] : Token;

    /// <summary>A text field of the event, or null.</summary>
    public string? Text(string name) =>
        Body.ValueKind == JsonValueKind.Object
        && Body.TryGetProperty(name, out var v)
        && v.ValueKind == JsonValueKind.String
            ? v.GetString()
            : null;

    /// <summary>The values of an output event by MIME type; those the kernel wants hidden are left out.</summary>
    public IReadOnlyList<(string MimeType, string Value)> FormattedValues()
    {
        if (
            Body.ValueKind != JsonValueKind.Object
            || !Body.TryGetProperty("formattedValues", out var all)
            || all.ValueKind != JsonValueKind.Array
        )
            return [];
        var found = new List<(string, string)>();
        foreach (var item in all.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object)
                continue;
            if (item.TryGetProperty("suppressDisplay", out var hide) && hide.ValueKind == JsonValueKind.True)
                continue;
            if (
                item.TryGetProperty("mimeType", out var type)
                && type.ValueKind == JsonValueKind.String
                && item.TryGetProperty("value", out var value)
                && value.ValueKind == JsonValueKind.String
            )
                found.Add((type.GetString()!, value.GetString()!));
        }
        return found;
    }
}
