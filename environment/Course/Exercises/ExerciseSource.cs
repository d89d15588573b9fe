using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>
/// The source of an exercise notebook: Markdown in which every fenced block of C# is a code cell. An exercise begins
/// with a heading <c>## 03.2 · Title</c> and a line such as <c>●●○ · 10 minutes</c>, and holds one answer and
/// one check. In an answer the lines between <c>/// solution</c> and <c>/// blank</c> are the worked solution, and
/// those from there to <c>/// end</c> are what a student sees in its place.
/// </summary>
public sealed partial class ExerciseSource
{
    /// <summary>What the first code cell must be, to the letter.</summary>
    public const string FirstCell = "#!import \"../lab.dib\"";

    /// <summary>What the second code cell must be.</summary>
    /// <param name="stem">The notebook's name.</param>
    public static string SecondCell(string stem) => $"Lab.Start(\"exercises-{stem[..2]}\");";

    private const string Solution = "/// solution",
        Blank = "/// blank",
        End = "/// end",
        Fence = "```";

    private ExerciseSource(string stem, IReadOnlyList<ExerciseCell> cells, IReadOnlyList<ExerciseTask> tasks) =>
        (Stem, Cells, Tasks) = (stem, cells, tasks);

    /// <summary>The file's name without its ending, e.g. <c>03-memorization</c>.</summary>
    public string Stem { get; }

    /// <summary>The chapter's number.</summary>
    public int Number => int.Parse(Stem[..2]);

    /// <summary>The cells in order.</summary>
    public IReadOnlyList<ExerciseCell> Cells { get; }

    /// <summary>The exercises in order.</summary>
    public IReadOnlyList<ExerciseTask> Tasks { get; }

    /// <summary>Reads a source from a file.</summary>
    /// <exception cref="FormatException">As for <see cref="Parse"/>.</exception>
    public static ExerciseSource Load(string file) =>
        Parse(Path.GetFileNameWithoutExtension(file), File.ReadAllText(file));

    /// <summary>Reads a source.</summary>
    /// <param name="stem">The notebook's name, e.g. <c>03-memorization</c>.</param>
    /// <param name="text">The Markdown.</param>
    /// <exception cref="FormatException">Something is missing, stands twice or is out of place; the message says where
    /// and what to do.</exception>
    public static ExerciseSource Parse(string stem, string text)
    {
        ArgumentNullException.ThrowIfNull(stem);
        ArgumentNullException.ThrowIfNull(text);
        return new Reader(stem).Read(text.ReplaceLineEndings("\n").Split('\n'));
    }

    // Goes through the lines once; what is being collected is a cell of prose, or one of code.
    private sealed class Reader(string stem)
    {
        private readonly List<ExerciseCell> cells = [];
        private readonly List<ExerciseTask> tasks = [];
        private readonly Dictionary<string, int> counts = [];
        private readonly List<string> prose = [];
        private int line;
        private int proseLine;
        private (string Id, string Title, int Line)? open;
        private ExerciseCell? answer,
            check;

        public ExerciseSource Read(string[] lines)
        {
            if (!StemShape().IsMatch(stem))
                throw new FormatException($"a source's name must be like 03-memorization.md, was '{stem}'");
            if (!lines[0].StartsWith($"# {stem[..2]} · ", StringComparison.Ordinal))
                throw Fault(1, $"the first line must be the title, '# {stem[..2]} · …', was '{lines[0]}'");
            while (line < lines.Length)
            {
                var text = lines[line];
                if (text.StartsWith(Fence + "csharp", StringComparison.Ordinal))
                    ReadCode(lines);
                else if (IsMarker(text))
                    throw Fault(line + 1, $"the marker '{text.Trim()}' stands outside of a block of C#");
                else
                {
                    if (text.StartsWith("## ", StringComparison.Ordinal))
                        BeginSection(lines);
                    if (prose.Count == 0)
                        proseLine = line + 1;
                    prose.Add(text);
                    line++;
                    if (text.StartsWith(Fence, StringComparison.Ordinal))
                    {
                        // A block in another language is prose, whatever stands in it.
                        var end = Array.FindIndex(lines, line, l => l.TrimEnd() == Fence);
                        if (end < 0)
                            throw Fault(line, "the block is never closed; end it with ```");
                        prose.AddRange(lines[line..(end + 1)]);
                        line = end + 1;
                    }
                }
            }
            FlushProse();
            CloseExercise();
            if (tasks.Count == 0)
                throw Fault(1, $"there is no exercise; begin one with a heading '## {stem[..2]}.1 · Title'");
            var code = cells.Where(c => c.Kind != ExerciseCellKind.Text).Select(c => c.Blank).ToList();
            if (code[0] != FirstCell)
                throw Fault(1, $"the first block of C# must be exactly {FirstCell}");
            if (code[1] != SecondCell(stem))
                throw Fault(1, $"the second block of C# must be exactly {SecondCell(stem)}");
            return new ExerciseSource(stem, cells, tasks);
        }

        private void BeginSection(string[] lines)
        {
            FlushProse();
            CloseExercise();
            if (Heading().Match(lines[line]) is not { Success: true } heading)
            {
                if (LooseHeading().IsMatch(lines[line]))
                    throw Fault(
                        line + 1,
                        $"the heading of an exercise must be '## {stem[..2]}.{tasks.Count + 1} · Title', was "
                            + $"'{lines[line]}'"
                    );
                return;
            }
            var (id, expected) = (heading.Groups[1].Value, $"{stem[..2]}.{tasks.Count + 1}");
            if (tasks.Any(t => t.Id == id))
                throw Fault(line + 1, $"the exercise {id} stands twice; number them in order");
            if (id != expected)
                throw Fault(line + 1, $"the exercise must have the number {expected}, was {id}");
            var about = lines.Skip(line + 1).FirstOrDefault(l => l.Trim().Length > 0) ?? "";
            if (!Difficulty().IsMatch(about))
                throw Fault(
                    line + 1,
                    $"below the heading of {id} must stand its difficulty and time, such as '●●○ · 10 "
                        + $"minutes', was '{about}'"
                );
            open = (id, heading.Groups[2].Value.Trim(), line + 1);
        }

        private void ReadCode(string[] lines)
        {
            FlushProse();
            var start = line + 1;
            var end = Array.FindIndex(lines, start, l => l.TrimEnd() == Fence);
            if (end < 0)
                throw Fault(start, "the block of C# is never closed; end it with ```");
            var body = lines[start..end];
            line = end + 1;
            if (lines[start - 1].Trim() != Fence + "csharp")
                throw Fault(start, $"a block of C# begins with ```csharp and nothing else, was '{lines[start - 1]}'");
            if (body.All(string.IsNullOrWhiteSpace))
                throw Fault(start, "the block of C# is empty");
            if (body.Any(IsMarker))
                AddAnswer(body, start);
            else if (body.Any(l => l.Contains("Check.Exercise(", StringComparison.Ordinal)))
                AddCheck(body, start);
            else
            {
                var code = string.Join('\n', body).Trim('\n');
                cells.Add(new ExerciseCell(Number("code"), ExerciseCellKind.Code, code, code));
            }
        }

        private void AddAnswer(string[] body, int start)
        {
            if (open is not { } exercise)
                throw Fault(start, "an answer belongs below the heading of its exercise");
            if (answer is not null)
                throw Fault(start, $"the exercise {exercise.Id} has a second answer; one block holds the whole answer");
            var (blank, solved, state) = (new List<string>(), new List<string>(), End);
            var seen = new Dictionary<string, int> { [Solution] = 0, [Blank] = 0 };
            for (var i = 0; i < body.Length; i++)
            {
                if (IsMarker(body[i]))
                {
                    var (was, marker) = (state, body[i].Trim());
                    state = (was, marker) switch
                    {
                        (End, Solution) => Solution,
                        (Solution, Blank) => Blank,
                        (Blank, End) => End,
                        _ => throw Fault(
                            start + i + 1,
                            $"the marker '{marker}' is out of order; it goes {Solution}, {Blank}, {End}"
                        ),
                    };
                    if (marker != Solution && seen[was] == 0)
                        throw Fault(start + i + 1, $"between '{was}' and '{marker}' nothing stands");
                    if (marker == Solution)
                        seen[Solution] = seen[Blank] = 0;
                    continue;
                }
                if (state != Solution)
                    blank.Add(body[i]);
                if (state != Blank)
                    solved.Add(body[i]);
                if (state != End && body[i].Trim().Length > 0)
                    seen[state]++;
            }
            if (state != End)
                throw Fault(start, $"the marker '{state}' is never closed; end it with '{End}'");
            answer = new ExerciseCell(
                ExerciseTask.CellPrefix(exercise.Id) + "answer",
                ExerciseCellKind.Answer,
                string.Join('\n', blank).Trim('\n'),
                string.Join('\n', solved).Trim('\n')
            );
            cells.Add(answer);
        }

        private void AddCheck(string[] body, int start)
        {
            if (open is not { } exercise)
                throw Fault(start, "a check belongs below the heading of its exercise");
            var code = string.Join('\n', body).Trim();
            if (CheckLine().Match(code) is not { Success: true } match)
                throw Fault(
                    start,
                    $"a check is one line, Check.Exercise(\"{exercise.Id}\", NameOfTheAnswer);, was "
                        + $"'{code.Split('\n')[0]}'"
                );
            if (match.Groups[1].Value != exercise.Id)
                throw Fault(
                    start,
                    $"the check below the heading of {exercise.Id} names the exercise {match.Groups[1].Value}"
                );
            if (answer is null)
                throw Fault(start, $"the check of {exercise.Id} stands before its answer");
            if (check is not null)
                throw Fault(start, $"the exercise {exercise.Id} has a second check");
            check = new ExerciseCell(
                ExerciseTask.CellPrefix(exercise.Id) + "check",
                ExerciseCellKind.Check,
                code,
                code
            );
            cells.Add(check);
            tasks.Add(new ExerciseTask(exercise.Id, exercise.Title, match.Groups[2].Value));
        }

        private void CloseExercise()
        {
            if (open is not { } exercise)
                return;
            if (answer is null)
                throw Fault(
                    exercise.Line,
                    $"the exercise {exercise.Id} has no answer; give it a block of C# with the markers "
                        + $"{Solution}, {Blank}, {End}"
                );
            if (check is null)
                throw Fault(
                    exercise.Line,
                    $"the exercise {exercise.Id} has no check; end it with Check.Exercise(\"{exercise.Id}\", "
                        + "NameOfTheAnswer);"
                );
            (open, answer, check) = (null, null, null);
        }

        private void FlushProse()
        {
            var text = string.Join('\n', prose).Trim('\n', ' ');
            prose.Clear();
            if (text.Length == 0)
                return;
            if (Regex.Count(text, "<details>") != Regex.Count(text, "</details>"))
                throw Fault(
                    proseLine,
                    "a hint is opened and not closed, or the other way round; write "
                        + "<details><summary>Hint</summary> … </details>"
                );
            cells.Add(new ExerciseCell(Number("text"), ExerciseCellKind.Text, text, text));
        }

        private string Number(string kind)
        {
            var prefix = open is { } exercise ? ExerciseTask.CellPrefix(exercise.Id) + kind : kind;
            counts[prefix] = counts.GetValueOrDefault(prefix) + 1;
            return $"{prefix}-{counts[prefix]}";
        }

        private FormatException Fault(int number, string sentence) => new($"{stem}.md, line {number}: {sentence}");
    }

    private static bool IsMarker(string line) => line.Trim() is Solution or Blank or End;

    [GeneratedRegex(@"^\d\d-[a-z0-9-]+$", RegexOptions.CultureInvariant)]
    private static partial Regex StemShape();

    [GeneratedRegex(@"^## (\d\d\.\d+) · (\S.*)$", RegexOptions.CultureInvariant)]
    private static partial Regex Heading();

    [GeneratedRegex(@"^##\s*\d+\.\d+", RegexOptions.CultureInvariant)]
    private static partial Regex LooseHeading();

    [GeneratedRegex(@"^[●○]{3} · (?:[★☆]{3} · )?\d+ minutes?$", RegexOptions.CultureInvariant)]
    private static partial Regex Difficulty();

    [GeneratedRegex(@"^Check\.Exercise\(""(\d\d\.\d+)"", ([A-Za-z_]\w*)\);$", RegexOptions.CultureInvariant)]
    private static partial Regex CheckLine();
}
