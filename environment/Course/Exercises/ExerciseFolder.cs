using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>The exercises of the repository: their sources, and the notebooks for students that are made from
/// them.</summary>
/// <param name="workspace">The repository.</param>
public sealed class ExerciseFolder(Workspace workspace)
{
    /// <summary>Where the notebooks for students are, and where they run.</summary>
    public string Folder => Path.Combine(workspace.NotebooksFolder, "exercises");

    /// <summary>Where the sources with the solutions are; a student's copy has no such folder.</summary>
    public string SourceFolder => Path.Combine(Folder, "source");

    /// <summary>Whether the solutions are here.</summary>
    public bool HasSources => Directory.Exists(SourceFolder);

    /// <summary>The notebook for students that belongs to a source.</summary>
    public string BlankFile(string stem) => Path.Combine(Folder, stem + ".ipynb");

    /// <summary>The content of the notebook for students that is there, or null.</summary>
    public string? Committed(string stem) => File.Exists(BlankFile(stem)) ? File.ReadAllText(BlankFile(stem)) : null;

    /// <summary>The names of notebooks that no source has made.</summary>
    public IEnumerable<string> Orphans(IReadOnlyList<ExerciseSource> sources) =>
        Directory
            .EnumerateFiles(Folder, "*.ipynb")
            .Select(f => Path.GetFileNameWithoutExtension(f)!)
            .Where(stem => sources.All(s => s.Stem != stem))
            .Order(StringComparer.Ordinal);

    /// <summary>The sources that were asked for, in order.</summary>
    /// <param name="numbers">Numbers of chapters such as <c>3</c> or <c>03</c>; all of them when there is none.</param>
    /// <exception cref="UsageException">The sources are not here, something is not a number, or there is no such
    /// chapter.</exception>
    /// <exception cref="FormatException">A source is faulty.</exception>
    public IReadOnlyList<ExerciseSource> Sources(params IReadOnlyList<string> numbers)
    {
        if (!HasSources)
            throw new UsageException(
                "the sources of the exercises (notebooks/exercises/source) are not here: this command "
                    + "belongs to the teacher's clone, not to a student's copy."
            );
        var all = Directory
            .EnumerateFiles(SourceFolder, "*.md")
            .Order(StringComparer.Ordinal)
            .Select(ExerciseSource.Load)
            .ToList();
        if (all.GroupBy(s => s.Number).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new UsageException(
                $"two sources of exercises carry the number {twice.Key:00}: "
                    + $"{string.Join(", ", twice.Select(s => s.Stem))}; give one of them another."
            );
        var known = string.Join(", ", all.Select(s => s.Stem[..2]));
        foreach (var wish in numbers)
        {
            if (wish.Length is 0 or > 2 || !wish.All(char.IsAsciiDigit))
                throw new UsageException($"'{wish}' is no number of a chapter such as 3; there are {known}.");
            if (all.All(s => s.Number != int.Parse(wish)))
                throw new UsageException($"there are no exercises {int.Parse(wish):00}; there are {known}.");
        }
        return numbers.Count == 0 ? all : [.. all.Where(s => numbers.Any(n => int.Parse(n) == s.Number))];
    }
}
