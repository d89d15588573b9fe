namespace BalancedDiffusion.Notebook;

/// <summary>Finds a browser of the Chromium family, which renders still pictures of charts.</summary>
internal static class BrowserSearch
{
    private static readonly string[] Names =
    [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
        "msedge",
        "microsoft-edge",
        "microsoft-edge-stable",
    ];

    /// <summary>The program's path, or null and one sentence that says what to do.</summary>
    /// <param name="read">Gives the value of an environment variable, or null.</param>
    /// <param name="exists">Whether a file exists.</param>
    public static (string? Path, string? Trouble) Find(Func<string, string?> read, Func<string, bool> exists)
    {
        foreach (var variable in new[] { "BALANCED_DIFFUSION_BROWSER", "CHROME_PATH" })
        {
            if (read(variable)?.Trim() is not { Length: > 0 } setting)
                continue;
            if (setting.Equals("none", StringComparison.OrdinalIgnoreCase))
                return (null, null);
            return exists(setting)
                ? (setting, null)
                : (
                    null,
                    $"{variable} names '{Path.GetFileName(setting)}', which does not exist: figures have no "
                        + "still pictures; let it name the program of Chromium, Chrome or Edge."
                );
        }
        var folders = (read("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        var ending = OperatingSystem.IsWindows() ? ".exe" : "";
        var onPath = from name in Names from folder in folders select Path.Combine(folder.Trim('"'), name + ending);
        var found = onPath.Concat(WellKnown(read)).FirstOrDefault(exists);
        return found is not null
            ? (found, null)
            : (
                null,
                "No Chromium, Chrome or Edge was found: figures have no still pictures, though editors still "
                    + "draw them; install one of the three, or let CHROME_PATH name its program."
            );
    }

    private static IEnumerable<string> WellKnown(Func<string, string?> read)
    {
        if (OperatingSystem.IsWindows())
            return from root in new[] { "ProgramFiles", "ProgramFiles(x86)", "LocalAppData" }
                    .Select(read)
                    .OfType<string>()
                from end in new[]
                {
                    @"Google\Chrome\Application\chrome.exe",
                    @"Microsoft\Edge\Application\msedge.exe",
                    @"Chromium\Application\chrome.exe",
                }
                select Path.Combine(root, end);
        if (OperatingSystem.IsMacOS())
            return from root in new[] { "/Applications", Path.Combine(read("HOME") ?? "/", "Applications") }
                from end in new[]
                {
                    "Google Chrome.app/Contents/MacOS/Google Chrome",
                    "Chromium.app/Contents/MacOS/Chromium",
                    "Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
                }
                select Path.Combine(root, end);
        return ["/snap/bin/chromium", "/opt/google/chrome/chrome", "/opt/microsoft/msedge/msedge"];
    }
}
