namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>How a MIME type is written into a notebook.</summary>
public static class MimeTypes
{
    /// <summary>Written as a JSON value, not as a text: <c>application/json</c> and every <c>…+json</c>.</summary>
    public static bool IsJson(string mimeType) =>
        Is(mimeType, t => t == "application/json" || t.EndsWith("+json", StringComparison.Ordinal));

    /// <summary>Written as one base64 text, never split into lines.</summary>
    public static bool IsBinary(string mimeType) =>
        Is(
            mimeType,
            t =>
                (t.StartsWith("image/", StringComparison.Ordinal) && t != "image/svg+xml")
                || t.StartsWith("audio/", StringComparison.Ordinal)
                || t.StartsWith("video/", StringComparison.Ordinal)
                || t is "application/pdf" or "application/octet-stream"
        );

    private static bool Is(string mimeType, Func<string, bool> test) =>
        test(mimeType.Split(';')[0].Trim().ToLowerInvariant());
}
