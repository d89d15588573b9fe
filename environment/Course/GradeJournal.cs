using System.Text.Json;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>The grades as they come, one line each, so that a run that was stopped goes on where it was. A grade is
/// known by all that it depends on.</summary>
public sealed class GradeJournal
{
    private readonly string file;
    private readonly Dictionary<string, ChapterGrade> known = [];

    /// <summary>Reads the journal; what is not there counts as empty, and a line that was cut off is passed over and
    /// ended.</summary>
    public GradeJournal(string file)
    {
        this.file = file;
        if (!File.Exists(file))
            return;
        var text = File.ReadAllText(file);
        // Behind a line that was cut off, the next one must not be lost too.
        if (text.Length > 0 && !text.EndsWith('\n'))
            File.AppendAllText(file, "\n");
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            try
            {
                if (
                    JsonSerializer.Deserialize<Line>(line) is
                    { Key: { } key, Grade: { Student: not null, Answers: not null } grade }
                )
                    known[key] = grade;
            }
            catch (JsonException)
            { /* graded again */
            }
    }

    /// <summary>The grade of this key, or null.</summary>
    public ChapterGrade? Find(string key) => known.GetValueOrDefault(key);

    /// <summary>Adds a grade, on disk when this returns.</summary>
    public void Add(string key, ChapterGrade grade)
    {
        known[key] = grade;
        File.AppendAllText(file, JsonSerializer.Serialize(new Line(key, grade)) + "\n");
    }

    private sealed record Line(string Key, ChapterGrade Grade);
}
