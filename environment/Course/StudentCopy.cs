using System.Diagnostics;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>Makes a copy of the repository for a class: everything that is under version control but the sources of the
/// exercises, which hold the solutions.</summary>
public static class StudentCopy
{
    /// <summary>The files of the copy, relative to the root, with slashes.</summary>
    /// <param name="workspace">The repository.</param>
    public static IReadOnlyList<string> Files(Workspace workspace)
    {
        ArgumentNullException.ThrowIfNull(workspace);
        var solutions = Relative(workspace, new ExerciseFolder(workspace).SourceFolder) + "/";
        return
        [
            .. (Tracked(workspace) ?? NotIgnored(workspace))
                .Where(f =>
                    !f.StartsWith(solutions, StringComparison.Ordinal) && File.Exists(Path.Combine(workspace.Root, f))
                )
                .Order(StringComparer.Ordinal),
        ];
    }

    /// <summary>Copies the files: all of them, or none.</summary>
    /// <param name="workspace">The repository.</param>
    /// <param name="folder">The folder to make; absolute, missing or empty, outside of the repository or below its
    /// artifacts.</param>
    /// <param name="cancellation">Stops it; nothing stays behind.</param>
    /// <returns>How many files were copied.</returns>
    /// <exception cref="UsageException">The folder cannot be used, or this repository is a student's copy
    /// itself.</exception>
    public static int Make(Workspace workspace, string folder, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(workspace);
        if (!new ExerciseFolder(workspace).HasSources)
            throw new UsageException(
                "the sources of the exercises (notebooks/exercises/source) are not here: a class is made "
                    + "from the teacher's clone, not from a student's copy."
            );
        if (File.Exists(folder))
            throw new UsageException($"'{folder}' is a file; name a folder that does not exist yet.");
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new UsageException($"the folder '{folder}' is not empty; name one that does not exist yet.");
        if (IsIn(workspace.Root, folder) && !IsIn(workspace.DefaultOut, folder))
            throw new UsageException(
                $"the folder '{folder}' lies inside the repository; name one outside of it, such as ../course."
            );
        var files = Files(workspace);
        var part = $"{Path.TrimEndingDirectorySeparator(folder)}.{Environment.ProcessId}.part";
        try
        {
            foreach (var file in files)
            {
                cancellation.ThrowIfCancellationRequested();
                var target = Path.Combine(part, file);
                Directory.CreateDirectory(Path.GetDirectoryName(target)!);
                File.Copy(Path.Combine(workspace.Root, file), target);
            }
            if (Directory.Exists(folder))
                Directory.Delete(folder);
            Directory.Move(part, folder);
        }
        finally
        {
            if (Directory.Exists(part))
                Directory.Delete(part, recursive: true);
        }
        return files.Count;
    }

    private static bool IsIn(string folder, string path) =>
        (Path.GetFullPath(path) + Path.DirectorySeparatorChar).StartsWith(
            folder + Path.DirectorySeparatorChar,
            StringComparison.Ordinal
        );

    private static string Relative(Workspace workspace, string path) =>
        Path.GetRelativePath(workspace.Root, path).Replace('\\', '/');

    // What git knows, or null where this is no clone.
    private static List<string>? Tracked(Workspace workspace)
    {
        if (!Path.Exists(Path.Combine(workspace.Root, ".git")))
            return null;
        try
        {
            using var git = Process.Start(
                new ProcessStartInfo("git", ["ls-files", "-z"])
                {
                    WorkingDirectory = workspace.Root,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
            var errors = git.StandardError.ReadToEndAsync();
            var listed = git.StandardOutput.ReadToEnd();
            git.WaitForExit();
            if (git.ExitCode == 0)
                return [.. listed.Split('\0', StringSplitOptions.RemoveEmptyEntries)];
            throw new UsageException(
                $"git does not list the repository's files ({errors.Result.Split('\n')[0].Trim()}); fix "
                    + "that, so that nothing private is copied."
            );
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null; // git is not installed
        }
    }

    // Every file but those that .gitignore names, by a folder's name or by an ending.
    private static List<string> NotIgnored(Workspace workspace)
    {
        var ignore = Path.Combine(workspace.Root, ".gitignore");
        var rules = (File.Exists(ignore) ? File.ReadAllLines(ignore) : [])
            .Select(l => l.Trim())
            .Where(l => l.Length > 0 && l[0] != '#')
            .Append(".git/")
            .ToList();
        bool IsIgnored(string name, bool isFolder) =>
            rules.Any(r =>
                (isFolder || !r.EndsWith('/'))
                && Regex.IsMatch(name, $"^{Regex.Escape(r.TrimEnd('/')).Replace(@"\*", ".*")}$")
            );
        var files = new List<string>();
        void Walk(DirectoryInfo folder)
        {
            files.AddRange(
                folder
                    .EnumerateFiles()
                    .Where(f => !IsIgnored(f.Name, isFolder: false))
                    .Select(f => Relative(workspace, f.FullName))
            );
            foreach (
                var inner in folder
                    .EnumerateDirectories()
                    .Where(d => d.LinkTarget is null && !IsIgnored(d.Name, isFolder: true))
            )
                Walk(inner);
        }
        Walk(new DirectoryInfo(workspace.Root));
        return files;
    }
}
