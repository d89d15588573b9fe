namespace BalancedDiffusion.Reproduce.Runner.Notebooks;

/// <summary>The repository on this machine: where its notebooks are and where results go.</summary>
public sealed class Workspace
{
    private Workspace(string root) => Root = root;

    /// <summary>The folder that holds <c>Notebooks.sln</c>; an absolute path without a separator at its end.</summary>
    public string Root { get; }

    /// <summary>The folder of the notebooks, also the working directory of every kernel.</summary>
    public string NotebooksFolder => Path.Combine(Root, "notebooks");

    /// <summary>The folder of libraries that the notebooks load, made by a build.</summary>
    public string KernelFolder => Path.Combine(Root, "lib", "BalancedDiffusion.Exercises", "bin", "kernel");

    /// <summary>Whether the library that the notebooks load was built for CUDA, as <c>-p:Cuda=true</c> does.</summary>
    public bool IsBuiltForCuda
    {
        get
        {
            var natives = Path.Combine(KernelFolder, "runtimes");
            return Directory.Exists(natives)
                && Directory.EnumerateFiles(natives, "*torch_cuda*", SearchOption.AllDirectories).Any();
        }
    }

    /// <summary>Where results go unless <c>--out</c> says otherwise.</summary>
    public string DefaultOut => Path.Combine(Root, "artifacts");

    /// <summary>Whether a path is the folder of the notebooks or lies in it.</summary>
    public bool IsInNotebooks(string path) =>
        (Path.TrimEndingDirectorySeparator(path) + Path.DirectorySeparatorChar).StartsWith(
            NotebooksFolder + Path.DirectorySeparatorChar,
            StringComparison.Ordinal
        );

    /// <summary>Walks up from a folder to the one that holds <c>Notebooks.sln</c>.</summary>
    /// <param name="startFolders">Folders to start from, tried in order.</param>
    /// <exception cref="UsageException">None of the folders lies inside the repository.</exception>
    public static Workspace Find(params IReadOnlyList<string> startFolders)
    {
        foreach (var start in startFolders)
            for (var folder = new DirectoryInfo(Path.GetFullPath(start)); folder is not null; folder = folder.Parent)
                if (File.Exists(Path.Combine(folder.FullName, "Notebooks.sln")))
                    return new Workspace(Path.TrimEndingDirectorySeparator(folder.FullName));
        throw new UsageException(
            $"Notebooks.sln was not found in '{startFolders.FirstOrDefault()}' or any folder above it; run "
                + "the command inside the repository."
        );
    }

    /// <summary>The numbered notebooks, in the order of their numbers.</summary>
    /// <exception cref="UsageException">Two notebooks carry the same number.</exception>
    public IReadOnlyList<NotebookFile> Notebooks() => NotebooksIn(NotebooksFolder);

    /// <summary>The numbered notebooks of a folder, in the order of their numbers; none where it does not
    /// exist.</summary>
    /// <exception cref="UsageException">Two notebooks carry the same number.</exception>
    public static IReadOnlyList<NotebookFile> NotebooksIn(string folder)
    {
        if (!Directory.Exists(folder))
            return [];
        var all = Directory
            .EnumerateFiles(folder, "*.ipynb")
            .Select(NotebookFile.TryFrom)
            .OfType<NotebookFile>()
            .OrderBy(n => n.Number)
            .ThenBy(n => n.Stem, StringComparer.Ordinal)
            .ToList();
        var twice = all.GroupBy(n => n.Number).FirstOrDefault(g => g.Count() > 1);
        return twice is null
            ? all
            : throw new UsageException(
                $"two notebooks carry the number {twice.Key:00}: "
                    + $"{string.Join(", ", twice.Select(n => n.Stem))}; give one of them another."
            );
    }

    /// <summary>The notebooks that were asked for: numbers (<c>3</c>, <c>03</c>) and ranges (<c>0-2</c>); all of them
    /// when nothing was asked.</summary>
    /// <exception cref="UsageException">Something is not a number, or there is no such notebook.</exception>
    public IReadOnlyList<NotebookFile> Select(IReadOnlyList<string> wishes)
    {
        var all = Notebooks();
        if (all.Count == 0)
            throw new UsageException(
                "the folder notebooks/ holds no numbered notebook (NN-title.ipynb); there is nothing to run."
            );
        if (wishes.Count == 0)
            return all;
        var known = string.Join(", ", all.Select(n => n.Number.ToString("00")));
        var wanted = new SortedSet<int>();
        foreach (var wish in wishes)
        {
            var parts = wish.Split('-');
            if (parts.Length > 2 || parts.Any(p => p.Length is 0 or > 3 || !p.All(char.IsAsciiDigit)))
                throw new UsageException(
                    $"'{wish}' is neither a command nor a notebook's number such as 3 or 0-2; there are {known}."
                );
            var (first, last) = (int.Parse(parts[0]), int.Parse(parts[^1]));
            if (last < first)
                throw new UsageException($"the range '{wish}' runs backwards; write {last}-{first}.");
            if (parts.Length == 1 && all.All(n => n.Number != first))
                throw new UsageException($"there is no notebook {first:00}; there are {known}.");
            var hit = all.Where(n => n.Number >= first && n.Number <= last).ToList();
            if (hit.Count == 0)
                throw new UsageException($"no notebook's number lies in {wish}; there are {known}.");
            wanted.UnionWith(hit.Select(n => n.Number));
        }
        return all.Where(n => wanted.Contains(n.Number)).ToList();
    }
}
