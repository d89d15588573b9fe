namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>The templates and style sheets that are built into this program.</summary>
public static class EmbeddedText
{
    /// <summary>The text of a file.</summary>
    /// <param name="name">Part and file, e.g. <c>runner/report.html</c>.</param>
    /// <exception cref="ArgumentException">There is no such file.</exception>
    public static string Read(string name)
    {
        using var stream =
            typeof(EmbeddedText).Assembly.GetManifestResourceStream(name)
            ?? throw new ArgumentException($"there is no embedded file '{name}'", nameof(name));
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
