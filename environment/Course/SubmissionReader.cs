using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>Reads what students handed in: only the cells of answers count, found by their ids.</summary>
/// <param name="sources">The exercises.</param>
public sealed partial class SubmissionReader(IReadOnlyList<ExerciseSource> sources)
{
    /// <summary>A notebook with more bytes is not read.</summary>
    public const long SizeLimit = 20_000_000;

    // Copies that editors keep, and what a build leaves.
    private static readonly HashSet<string> Skipped = new(StringComparer.OrdinalIgnoreCase)
    {
        "bin",
        "obj",
        "artifacts",
        "node_modules",
        "__MACOSX",
    };

    /// <summary>Reads a folder of submissions: one folder or one notebook a student.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="UsageException">It does not exist, or nothing in it is a submission.</exception>
    public IReadOnlyList<Submission> Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new UsageException($"there is no folder '{folder}'; name the one that holds the submissions.");
        var entries = new DirectoryInfo(folder)
            .EnumerateFileSystemInfos()
            .Where(e => !e.Name.StartsWith('.') && (e is DirectoryInfo || IsNotebook(e.Name)))
            .OrderBy(e => e.Name, StringComparer.Ordinal)
            .ToList();
        if (entries.Count == 0)
            throw new UsageException(
                $"the folder '{folder}' holds no submission; it must hold a folder, or a notebook, for each student."
            );
        var folders = entries.OfType<DirectoryInfo>().Select(d => d.Name).ToHashSet();
        string Name(string file) =>
            Path.GetFileNameWithoutExtension(file) is var stem && folders.Contains(stem) ? file : stem;
        return
        [
            .. entries.Select(e =>
                e is DirectoryInfo inner
                    ? Read(inner.Name, inner.FullName, Notebooks(inner))
                    : Read(Name(e.Name), folder, [e.FullName])
            ),
        ];
    }

    private static bool IsNotebook(string name) => name.EndsWith(".ipynb", StringComparison.OrdinalIgnoreCase);

    private static IEnumerable<string> Notebooks(DirectoryInfo folder) =>
        folder
            .EnumerateFiles()
            .Where(f => IsNotebook(f.Name))
            .Select(f => f.FullName)
            .Order(StringComparer.Ordinal)
            .Concat(
                folder
                    .EnumerateDirectories()
                    .Where(d => d.LinkTarget is null && !d.Name.StartsWith('.') && !Skipped.Contains(d.Name))
                    .OrderBy(d => d.Name, StringComparer.Ordinal)
                    .SelectMany(Notebooks)
            );

    private Submission Read(string student, string folder, IEnumerable<string> files)
    {
        var chapters = new SortedDictionary<int, IReadOnlyDictionary<string, string>>();
        var taken = new Dictionary<int, string>();
        var remarks = new List<string>();
        var seen = 0;
        foreach (var file in files)
        {
            seen++;
            var name = Path.GetRelativePath(folder, file).Replace('\\', '/');
            NotebookDocument document;
            try
            {
                if (new FileInfo(file).Length > SizeLimit)
                    throw new FormatException($"it has more than {SizeLimit / 1_000_000} MB");
                document = NotebookDocument.Parse(File.ReadAllText(file));
            }
            catch (Exception e) when (e is FormatException or IOException or UnauthorizedAccessException)
            {
                remarks.Add($"{name} cannot be read: {e.Message}");
                continue;
            }
            foreach (
                var found in document
                    .CodeCells.Where(c => c.Id is not null && AnswerId().IsMatch(c.Id))
                    .GroupBy(c => int.Parse(c.Id![..2]))
            )
            {
                if (sources.FirstOrDefault(s => s.Number == found.Key) is not { } source)
                    remarks.Add($"{name} answers exercises {found.Key:00}, which do not exist");
                else if (!taken.TryAdd(found.Key, name))
                    remarks.Add(
                        $"{name} was not looked at: {taken[found.Key]} holds answers to {source.Stem[..2]} too"
                    );
                else
                {
                    var answers = found.GroupBy(c => c.Id!).ToDictionary(g => g.Key, g => g.First().Source);
                    remarks.AddRange(
                        found
                            .GroupBy(c => c.Id!)
                            .Where(g => g.Count() > 1)
                            .Select(g => $"{name} has the cell {g.Key} {g.Count()} times; the first one counts")
                    );
                    remarks.AddRange(
                        source
                            .Tasks.Where(t => !answers.ContainsKey(t.AnswerCell))
                            .Select(t => $"{t.Id}: its cell {t.AnswerCell} is missing")
                    );
                    chapters[found.Key] = answers;
                }
            }
        }
        if (seen == 0)
            remarks.Add("no notebook was handed in");
        else if (chapters.Count == 0 && remarks.Count == 0)
            remarks.Add(
                $"none of the {seen} notebook(s) has a cell of an answer; hand in the course's own notebooks, "
                    + $"whose cells carry ids such as {sources[0].Tasks[0].AnswerCell}"
            );
        return new Submission(student, chapters, remarks);
    }

    [GeneratedRegex(@"^\d\d-\d+-answer$", RegexOptions.CultureInvariant)]
    private static partial Regex AnswerId();
}
