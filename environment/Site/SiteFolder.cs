using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Site;

/// <summary>The folder that a site is written into. A list of its files lies in it, so that the next build removes what
/// an earlier one wrote and nothing else.</summary>
public sealed class SiteFolder
{
    /// <summary>The file that marks the folder as a site and lists the site's files, one a line.</summary>
    public const string Marker = ".balanced-diffusion-site";

    private const string Head = "# Files that 'environment -- site' wrote here; the next build replaces them.";
    private readonly string folder;
    private readonly string name;
    private readonly HashSet<string> ours;

    private SiteFolder(string folder, string name, HashSet<string> ours) =>
        (this.folder, this.name, this.ours) = (folder, name, ours);

    /// <summary>Looks at the folder; changes nothing.</summary>
    /// <param name="folder">Its absolute path; need not exist.</param>
    /// <param name="name">How the user called it.</param>
    /// <exception cref="UsageException">It is a file, or holds something and is no site.</exception>
    public static SiteFolder Open(string folder, string name)
    {
        if (File.Exists(folder))
            throw new UsageException($"--out must name a folder, but '{name}' is a file.");
        if (!Directory.Exists(folder))
            return new SiteFolder(folder, name, []);
        var marker = Path.Combine(folder, Marker);
        if (File.Exists(marker))
            return new SiteFolder(
                folder,
                name,
                [.. File.ReadLines(marker).Where(l => l.Length > 0 && l[0] != '#' && IsInside(folder, l))]
            );
        return Directory.EnumerateFileSystemEntries(folder).Any()
            ? throw new UsageException(
                $"--out '{name}' holds files that are not a site's, so nothing was written there; name an "
                    + "empty or a new folder."
            )
            : new SiteFolder(folder, name, []);
    }

    /// <summary>Writes a site in the place of the one that an earlier build wrote.</summary>
    /// <param name="files">Contents by path from the folder, with slashes.</param>
    /// <exception cref="UsageException">A file that is not the site's has the name of one; nothing was
    /// written.</exception>
    public void Write(IReadOnlyDictionary<string, byte[]> files)
    {
        ArgumentNullException.ThrowIfNull(files);
        if (
            files.Keys.FirstOrDefault(f => !ours.Contains(f) && (File.Exists(At(f)) || Directory.Exists(At(f)))) is
            { } foreign
        )
            throw new UsageException(
                $"--out '{name}' holds '{foreign}', which 'site' did not write; move it away or name another folder."
            );
        Directory.CreateDirectory(folder);
        // Listed before they exist: a build that is interrupted leaves nothing that the next one does not know.
        List([.. ours, .. files.Keys]);
        foreach (var old in ours.Where(f => !files.ContainsKey(f)))
            Remove(old);
        foreach (var (file, content) in files)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(At(file))!);
            File.WriteAllBytes(At(file), content);
        }
        List([.. files.Keys]);
    }

    private void List(HashSet<string> files) =>
        File.WriteAllLines(Path.Combine(folder, Marker), [Head, .. files.Order(StringComparer.Ordinal)]);

    private void Remove(string file)
    {
        File.Delete(At(file));
        for (
            var parent = Path.GetDirectoryName(At(file))!;
            parent.Length > folder.Length
                && Directory.Exists(parent)
                && !Directory.EnumerateFileSystemEntries(parent).Any();
            parent = Path.GetDirectoryName(parent)!
        )
            Directory.Delete(parent);
    }

    private string At(string file) => Path.Combine(folder, file.Replace('/', Path.DirectorySeparatorChar));

    private static bool IsInside(string folder, string file) =>
        Path.GetFullPath(Path.Combine(folder, file))
            .StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal);
}
