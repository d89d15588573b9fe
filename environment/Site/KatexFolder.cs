using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>KaTeX on this machine: the script that sets formulas while the site is built, and the style sheet and fonts
/// that the pages need.</summary>
public sealed partial class KatexFolder
{
    /// <summary>The environment variable that names the folder.</summary>
    public const string Variable = "BALANCED_DIFFUSION_KATEX";

    private const string Advice =
        "install it with 'apt-get install libjs-katex' or 'npm install katex', or name its folder with --katex or "
        + Variable;
    private readonly string folder;

    private KatexFolder(string folder) => this.folder = folder;

    /// <summary>The script, JavaScript.</summary>
    public string Script => File.ReadAllText(Path.Combine(folder, "katex.min.js"));

    /// <summary>Finds KaTeX: in the folder that was named, in the one that the environment names, where Debian puts it,
    /// or where npm puts it.</summary>
    /// <param name="named">The folder of the option, or null.</param>
    /// <param name="startFolder">Where the command was called; relative paths start there.</param>
    /// <param name="read">Gives the value of an environment variable, or null.</param>
    /// <exception cref="UsageException">It is not there; the sentence says how to get it.</exception>
    public static KatexFolder Find(string? named, string startFolder, Func<string, string?> read)
    {
        ArgumentNullException.ThrowIfNull(read);
        foreach (var (who, given) in new[] { ("--katex", named), (Variable, read(Variable)) })
        {
            if (string.IsNullOrWhiteSpace(given))
                continue;
            var place = Path.GetFullPath(given, startFolder);
            return new[] { place, Path.Combine(place, "dist") }.Select(TryAt).FirstOrDefault(k => k is not null)
                ?? throw new UsageException($"{who} names '{given}', which holds no katex.min.js; {Advice}.");
        }
        string[] places =
        [
            "/usr/share/javascript/katex",
            "/usr/share/nodejs/katex/dist",
            Path.Combine(startFolder, "node_modules", "katex", "dist"),
        ];
        return places.Select(TryAt).FirstOrDefault(k => k is not null)
            ?? throw new UsageException($"KaTeX, which sets the formulas, was not found; {Advice}.");
    }

    /// <summary>The style sheet, which asks for nothing but the fonts beside it, and those fonts (WOFF2), by their
    /// paths from the style sheet.</summary>
    /// <exception cref="UsageException">The style sheet or a font is missing.</exception>
    public (string Style, IReadOnlyDictionary<string, byte[]> Fonts) Pages()
    {
        var sheet = Path.Combine(folder, "katex.min.css");
        if (!File.Exists(sheet))
            throw new UsageException($"KaTeX in '{folder}' lacks katex.min.css; {Advice}.");
        var fonts = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        var style = Source()
            .Replace(
                File.ReadAllText(sheet),
                match =>
                {
                    var name = match.Groups[1].Value;
                    var file = Path.Combine(folder, "fonts", name);
                    if (!File.Exists(file))
                        throw new UsageException($"KaTeX in '{folder}' lacks its font {name}; {Advice}.");
                    fonts[$"fonts/{name}"] = File.ReadAllBytes(file);
                    return $"src:url(fonts/{name}) format(\"woff2\")";
                }
            );
        return (style, fonts);
    }

    private static KatexFolder? TryAt(string folder) =>
        File.Exists(Path.Combine(folder, "katex.min.js")) ? new KatexFolder(folder) : null;

    // The WOFF2 form of a font stands first; every browser that shows the pages reads it.
    [GeneratedRegex(@"src:\s*url\([""']?fonts/([\w.-]+\.woff2)[""']?\)[^;}]*", RegexOptions.CultureInvariant)]
    private static partial Regex Source();
}
