using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>Takes out of a text what belongs to one machine: its absolute paths and colours meant for a
/// terminal.</summary>
public sealed partial class OutputScrubber
{
    private readonly List<(Regex Path, string Stand)> rules = [];

    /// <summary>Knows the places of this machine.</summary>
    /// <param name="workspaceRoot">The repository; written relative to <c>notebooks/</c>.</param>
    /// <param name="home">The user's home folder, written <c>~</c>; by default the current user's.</param>
    public OutputScrubber(string workspaceRoot, string? home = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(workspaceRoot);
        home ??= Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var root = Path.TrimEndingDirectorySeparator(workspaceRoot);
        var places = new List<(string Place, string Stand)> { (Path.Combine(root, "notebooks"), "."), (root, "..") };
        if (
            Path.GetDirectoryName(root) is { Length: > 1 } parent
            && Path.GetPathRoot(parent) != parent
            && !Same(parent, home)
        )
            places.Add((parent, "../.."));
        if (home.Length > 1 && Path.GetPathRoot(home) != home)
            places.Add((Path.TrimEndingDirectorySeparator(home), "~"));
        foreach (var (place, stand) in places.OrderByDescending(p => p.Place.Length))
        {
            // The same folder may be written with slashes, backslashes or, inside JSON, doubled backslashes.
            var pattern = string.Join(@"(?:/|\\{1,2})", place.Split('/', '\\').Select(Regex.Escape));
            var options = OperatingSystem.IsWindows() ? RegexOptions.IgnoreCase : RegexOptions.None;
            rules.Add(
                (
                    new Regex($@"(?<![\w.~-])(?:file://)?{pattern}(?![\w.-])", options | RegexOptions.CultureInvariant),
                    stand
                )
            );
        }
    }

    /// <summary>The text with the repository's, its neighbours' and the home folder's paths made relative.</summary>
    public string Scrub(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (var (path, stand) in rules)
            text = path.Replace(text, stand);
        return text;
    }

    /// <summary>The text without terminal escape sequences.</summary>
    public static string WithoutColours(string text) => Escapes().Replace(text, "");

    private static bool Same(string a, string b) =>
        string.Equals(
            Path.TrimEndingDirectorySeparator(a),
            Path.TrimEndingDirectorySeparator(b),
            StringComparison.Ordinal
        );

    [GeneratedRegex(
        @"\x1B(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1B]*(?:\x07|\x1B\\)|[@-Z\\-_])",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Escapes();
}
