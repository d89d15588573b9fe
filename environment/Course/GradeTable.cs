using System.Globalization;
using BalancedDiffusion.Reproduce.Course.Exercises;

namespace BalancedDiffusion.Reproduce.Course;

/// <summary>The table of a class: a row a student, a column an exercise, points, and remarks.</summary>
/// <param name="sources">The exercises.</param>
/// <param name="submissions">The students.</param>
public sealed class GradeTable(IReadOnlyList<ExerciseSource> sources, IReadOnlyList<Submission> submissions)
{
    private readonly Dictionary<(string Student, int Chapter), ChapterGrade> grades = [];

    /// <summary>Enters a grade.</summary>
    public void Add(ChapterGrade grade)
    {
        ArgumentNullException.ThrowIfNull(grade);
        grades[(grade.Student, grade.Chapter)] = grade;
    }

    /// <summary>The table as comma-separated values: 1 for an exercise that is solved, 0 for one that is not, nothing
    /// where its chapter was not handed in or not graded yet.</summary>
    public string ToCsv()
    {
        string[] header = ["student", .. sources.SelectMany(s => s.Tasks).Select(t => t.Id), "points", "of", "remarks"];
        var rows = submissions.Select(s =>
            (string[])
                [
                    s.Student,
                    .. sources.SelectMany(c =>
                        c.Tasks.Select(t => Answer(s, c, t) is { } answer ? (answer.IsPassed ? "1" : "0") : "")
                    ),
                    Number(Points(s)),
                    Number(sources.Sum(c => c.Tasks.Count)),
                    string.Join("; ", Remarks(s)),
                ]
        );
        return string.Concat(rows.Prepend(header).Select(r => string.Join(',', r.Select(Field)) + "\r\n"));
    }

    /// <summary>Writes the table; the file is replaced as a whole or not at all.</summary>
    public void Save(string file)
    {
        var part = $"{file}.{Environment.ProcessId}.part";
        File.WriteAllText(part, ToCsv());
        File.Move(part, file, overwrite: true);
    }

    /// <summary>The table for the console: <c>✓</c> solved, <c>✗</c> not, <c>–</c> left blank, <c>·</c> not
    /// handed in; remarks below, a line each.</summary>
    public IEnumerable<string> Lines()
    {
        var width = Math.Max(submissions.Select(s => s.Student.Length).DefaultIfEmpty(0).Max(), 7);
        var widths = sources.Select(s => Math.Max(s.Tasks.Count, 2)).ToList();
        yield return $"{"student".PadRight(width)}  "
            + $"{string.Join("  ", sources.Select((s, i) => s.Stem[..2].PadRight(widths[i])))}  points";
        foreach (var s in submissions)
        {
            var marks = sources.Select(
                (c, i) => string.Concat(c.Tasks.Select(t => Mark(Answer(s, c, t)))).PadRight(widths[i])
            );
            yield return $"{s.Student.PadRight(width)}  {string.Join("  ", marks)}  "
                + $"{Number(Points(s))} of {Number(sources.Sum(c => c.Tasks.Count))}";
        }
        foreach (var s in submissions)
        foreach (var remark in Remarks(s))
            yield return $"{s.Student}: {remark}";
    }

    private CheckedAnswer? Answer(Submission submission, ExerciseSource source, ExerciseTask task) =>
        grades.GetValueOrDefault((submission.Student, source.Number))?.Answers.FirstOrDefault(a => a.Id == task.Id);

    private int Points(Submission submission) =>
        sources.Sum(c => c.Tasks.Count(t => Answer(submission, c, t) is { IsPassed: true }));

    private IEnumerable<string> Remarks(Submission submission) =>
        submission.Remarks.Concat(
            sources
                .SelectMany(c => c.Tasks.Select(t => Answer(submission, c, t)))
                .OfType<CheckedAnswer>()
                .Where(a => !a.IsPassed && !a.IsBlank)
                .Select(a => $"{a.Id}: {a.Sentence}")
        );

    private static char Mark(CheckedAnswer? answer) =>
        answer switch
        {
            null => '·',
            { IsPassed: true } => '✓',
            { IsBlank: true } => '–',
            _ => '✗',
        };

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    // What students wrote must not become a formula in a spreadsheet.
    private static string Field(string text)
    {
        text = text.ReplaceLineEndings(" ");
        if (text.Length > 0 && "=+-@\t".Contains(text[0]))
            text = "'" + text;
        return text.AsSpan().IndexOfAny(",\"") >= 0 ? $"\"{text.Replace("\"", "\"\"")}\"" : text;
    }
}
