namespace BalancedDiffusion.Datasets;

/// <summary>
/// Looks for data files in a list of folders, first come first served. <see cref="DataFolders"/> holds the search that
/// belongs to this machine; build one of your own to look elsewhere. Folders are only read here, so they may be
/// read-only.
/// </summary>
public sealed class DataSearch
{
    private readonly List<(string Folder, string Origin)> folders = [];
    private readonly List<string> warnings = [];

    private DataSearch() { }

    /// <summary>A search of these folders only.</summary>
    /// <param name="folders">Folders in the order to look, absolute or relative to the current directory; those that do
    /// not exist are kept and warned of.</param>
    public DataSearch(params IEnumerable<string> folders)
    {
        foreach (var folder in folders)
            Add(folder, "given to the search", warnIfMissing: true);
    }

    /// <summary>The environment variable that names one or more data folders, separated as in PATH.</summary>
    public const string Variable = "BALANCED_DIFFUSION_DATA";

    /// <summary>The folders in the order in which they are searched, as absolute paths, whether they exist or
    /// not.</summary>
    public IReadOnlyList<string> SearchPath => [.. folders.Select(f => f.Folder)];

    /// <summary>What is wrong with the folders that were asked for by name, one sentence each; empty where all
    /// exist.</summary>
    public IReadOnlyList<string> Warnings => warnings;

    /// <summary>
    /// The search of a machine: the folders that the variable names, the repository's <c>data</c>, <c>data</c> in the
    /// user's cache, and the system's folders.
    /// </summary>
    /// <param name="variable">The value of <see cref="Variable"/>, or null where it is not set.</param>
    /// <param name="startFolders">Folders from which to walk up to the one that holds <c>Notebooks.sln</c>.</param>
    /// <param name="cache">The user's cache folder.</param>
    /// <param name="systemFolders">Well-known folders of the system.</param>
    public static DataSearch For(
        string? variable,
        IEnumerable<string> startFolders,
        string cache,
        IEnumerable<string> systemFolders
    )
    {
        ArgumentNullException.ThrowIfNull(startFolders);
        ArgumentException.ThrowIfNullOrWhiteSpace(cache);
        ArgumentNullException.ThrowIfNull(systemFolders);
        var search = new DataSearch();
        foreach (
            var folder in (variable ?? "").Split(
                Path.PathSeparator,
                StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries
            )
        )
            search.Add(folder, $"named by {Variable}", warnIfMissing: true);
        foreach (var start in startFolders)
            if (RepositoryAbove(start) is { } root)
                search.Add(Path.Combine(root, "data"), "the repository's", warnIfMissing: false);
        search.Add(Path.Combine(cache, "data"), "the user's cache", warnIfMissing: false);
        foreach (var folder in systemFolders)
            search.Add(folder, "the system's", warnIfMissing: false);
        return search;
    }

    /// <summary>The first file or folder of this name in the search path, or null.</summary>
    /// <param name="relativePath">The path below a data folder, e.g. <c>celeba/list_attr_celeba.txt</c>; slashes of
    /// either kind.</param>
    /// <exception cref="ArgumentException">The path is empty, absolute, or leaves the folder by <c>..</c>.</exception>
    public string? Find(string relativePath)
    {
        if (IsUnsafe(relativePath))
            throw new ArgumentException(
                $"a data path must be relative and stay inside the data folder, was '{relativePath}'",
                nameof(relativePath)
            );
        var native = relativePath.Replace('\\', '/').Replace('/', Path.DirectorySeparatorChar);
        return folders.Select(f => Path.Combine(f.Folder, native)).FirstOrDefault(Path.Exists);
    }

    /// <summary>
    /// Where a file of the manifest lies, or null. Beside its own path, these will do: unpacked, without <c>.gz</c>;
    /// and directly in a data folder, without the first folder of its path.
    /// </summary>
    public string? Find(DataFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        var direct = file.Path[(file.Path.IndexOf('/') + 1)..];
        foreach (var path in new[] { file.Path, direct })
            if ((Find(path) ?? (path.EndsWith(".gz", StringComparison.Ordinal) ? Find(path[..^3]) : null)) is { } found)
                return found;
        return null;
    }

    /// <summary>The first file or folder of this name in the search path.</summary>
    /// <param name="relativePath">As in <see cref="Find(string)"/>.</param>
    /// <param name="whatToDo">How to get it, as half a sentence for the message; null for a general hint.</param>
    /// <exception cref="MissingDataException">There is none; the message says where was looked, and
    /// <see cref="MissingDataException.EntryName"/> which entry of the manifest lists the path.</exception>
    public string Require(string relativePath, string? whatToDo = null)
    {
        if (Find(relativePath) is { } found)
            return found;
        if (whatToDo is not null)
            throw Missing(relativePath, null, $"to get it: {whatToDo}");
        var path = relativePath.Replace('\\', '/');
        var entry = DataManifest.Load().Entries.FirstOrDefault(entry => entry.Files.Any(file => file.Path == path));
        throw Missing(relativePath, entry?.Name);
    }

    /// <summary>The search path, one line a folder with its origin and whether it exists, and then the
    /// warnings.</summary>
    public string Describe()
    {
        var lines = folders.Select(f =>
            $"{f.Folder} ({f.Origin}{(Directory.Exists(f.Folder) ? "" : ", does not exist")})"
        );
        return string.Join(Environment.NewLine, lines.Concat(warnings.Select(w => $"Warning: {w}")));
    }

    /// <summary>What to throw where something is in none of the folders.</summary>
    /// <param name="what">The path below a data folder.</param>
    /// <param name="entry">The entry of the manifest that it belongs to, or null.</param>
    /// <param name="whatToDo">The message's end; null for a general one.</param>
    internal MissingDataException Missing(string what, string? entry, string? whatToDo = null)
    {
        var where =
            folders.Count == 0
                ? "no folder at all"
                : string.Join(
                    ", ",
                    folders.Select(f => $"{f.Folder}{(Directory.Exists(f.Folder) ? "" : " (does not exist)")}")
                );
        whatToDo ??= $"put it into one of these folders, or name its folder in {Variable}";
        return new MissingDataException(
            $"'{what}'{(entry is null ? "" : $" of '{entry}'")} was not found in {where}; {whatToDo}.",
            what,
            entry
        );
    }

    internal static bool IsUnsafe(string? relativePath)
    {
        if (string.IsNullOrWhiteSpace(relativePath) || Path.IsPathRooted(relativePath) || relativePath.Contains('\0'))
            return true;
        var parts = relativePath.Split('/', '\\');
        return parts[0].Length == 0 || parts[0].EndsWith(':') || parts.Contains("..");
    }

    private static string? RepositoryAbove(string start)
    {
        if (string.IsNullOrEmpty(start))
            return null;
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Notebooks.sln")))
                return folder.FullName;
        return null;
    }

    private void Add(string folder, string origin, bool warnIfMissing)
    {
        if (folder == "~" || folder.StartsWith("~/", StringComparison.Ordinal))
            folder = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + folder[1..];
        string full;
        try
        {
            full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        }
        catch (ArgumentException)
        {
            warnings.Add($"The data folder '{folder}' ({origin}) is not a path and is ignored; correct it.");
            return;
        }
        if (folders.Any(f => f.Folder == full))
            return;
        folders.Add((full, origin));
        if (!warnIfMissing || Directory.Exists(full))
            return;
        warnings.Add(
            File.Exists(full)
                ? $"The data folder '{full}' ({origin}) is a file; name the folder that holds it instead."
                : $"The data folder '{full}' ({origin}) does not exist; create it or correct the name."
        );
    }
}
