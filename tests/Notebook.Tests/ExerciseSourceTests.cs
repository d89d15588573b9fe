using System.Text.RegularExpressions;
using BalancedDiffusion.Exercises;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner.Linting;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

public sealed class ExerciseSourceTests
{
    private static readonly ExerciseFolder Folder = new(Workspace.Find(AppContext.BaseDirectory));

    // A student's copy has none.
    private static IReadOnlyList<ExerciseSource> Sources => Folder.HasSources ? Folder.Sources() : [];

    public static TheoryData<string> Stems => [.. Sources.Select(s => s.Stem)];

    private const string Good = """
        # 03 · A title

        What this is about.

        ```csharp
        #!import "../lab.dib"
        ```

        ```csharp
        Lab.Start("exercises-03");
        ```

        ## 03.1 · The first

        ●○○ · ★★☆ · 5 minutes

        A task, with a block that is no cell:

        ```text
        ## not a heading
        /// solution
        ```

        ```csharp
        double Answer(double x)
        {
        /// solution
            return 2 * x;   // worked
        /// blank
            throw new BlankException();
        /// end
        }
        ```

        ```csharp
        Check.Exercise("03.1", Answer);
        ```

        ## 03.2 · The second

        ●●● · 1 minute

        ```csharp
        var given = 3;
        ```

        ```csharp
        /// solution
        int Other() => given;
        /// blank
        int Other() => throw new BlankException();
        /// end
        ```

        <details><summary>Hint</summary>

        Look above.

        </details>

        ```csharp
        Check.Exercise("03.2", Other);
        ```

        ## Where you stand

        ```csharp
        Check.Table();
        ```

        The end.
        """;

    [Fact]
    public void ASourceBecomesCellsWithIdsThatStay()
    {
        var source = ExerciseSource.Parse("03-memorization", Good);
        Assert.Equal(
            [
                "text-1",
                "code-1",
                "code-2",
                "03-1-text-1",
                "03-1-answer",
                "03-1-check",
                "03-2-text-1",
                "03-2-code-1",
                "03-2-answer",
                "03-2-text-2",
                "03-2-check",
                "text-2",
                "code-3",
                "text-3",
            ],
            source.Cells.Select(c => c.Id)
        );
        Assert.Equal(
            [new ExerciseTask("03.1", "The first", "Answer"), new ExerciseTask("03.2", "The second", "Other")],
            source.Tasks
        );
        var answer = source.Cells.Single(c => c.Id == "03-1-answer");
        Assert.Equal("double Answer(double x)\n{\n    return 2 * x;   // worked\n}", answer.Solved);
        Assert.Equal("double Answer(double x)\n{\n    throw new BlankException();\n}", answer.Blank);
        Assert.Contains("## not a heading", source.Cells.Single(c => c.Id == "03-1-text-1").Blank);
        Assert.DoesNotContain("worked", ExerciseNotebook.Blank(source).ToJson());
        Assert.Contains("worked", ExerciseNotebook.Solved(source).ToJson());
        Assert.Equal(
            ExerciseNotebook.Blank(source).ToJson(),
            ExerciseNotebook.Blank(ExerciseSource.Parse("03-memorization", Good.ReplaceLineEndings("\r\n"))).ToJson()
        );
        Assert.Empty(new NotebookLinter().CheckExercises(source, ExerciseNotebook.Blank(source).ToJson()));
    }

    [Theory]
    [InlineData("# 03 · A title", "# 04 · A title", "line 1: the first line must be the title, '# 03 · …'")]
    [InlineData(
        "#!import \"../lab.dib\"",
        "#!import \"lab.dib\"",
        "the first block of C# must be exactly #!import \"../lab.dib\""
    )]
    [InlineData(
        "exercises-03",
        "03-memorization",
        "the second block of C# must be exactly Lab.Start(\"exercises-03\");"
    )]
    [InlineData("/// end\n}", "}", "line 24: the marker '/// blank' is never closed; end it with '/// end'")]
    [InlineData(
        "/// blank\n    throw",
        "    throw",
        "line 30: the marker '/// end' is out of order; it goes /// solution, /// blank, /// end"
    )]
    [InlineData(
        "/// solution\n    return",
        "/// solution\n/// solution\n    return",
        "the marker '/// solution' is out of order"
    )]
    [InlineData("    return 2 * x;   // worked\n", "\n", "between '/// solution' and '/// blank' nothing stands")]
    [InlineData(
        "    throw new BlankException();\n/// end",
        "/// end",
        "between '/// blank' and '/// end' nothing stands"
    )]
    [InlineData(
        "A task, with",
        "/// blank\nA task, with",
        "line 17: the marker '/// blank' stands outside of a block of C#"
    )]
    [InlineData("## 03.2 ·", "## 03.1 ·", "the exercise 03.1 stands twice")]
    [InlineData("## 03.2 ·", "## 03.3 ·", "the exercise must have the number 03.2, was 03.3")]
    [InlineData("## 03.2 ·", "## 04.2 ·", "the exercise must have the number 03.2, was 04.2")]
    [InlineData(
        "## 03.2 · The second",
        "## 03.2 The second",
        "the heading of an exercise must be '## 03.2 · Title', was '## 03.2 The second'"
    )]
    [InlineData(
        "●●● · 1 minute",
        "hard",
        "below the heading of 03.2 must stand its difficulty and time, such as '●●○ · 10 minutes', was 'hard'"
    )]
    [InlineData("```csharp\nCheck.Exercise(\"03.1\", Answer);\n```", "", "the exercise 03.1 has no check")]
    [InlineData(
        "Check.Exercise(\"03.1\", Answer);",
        "Check.Exercise(\"03.2\", Answer);",
        "the check below the heading of 03.1 names the exercise 03.2"
    )]
    [InlineData(
        "Check.Exercise(\"03.1\", Answer);",
        "Check.Exercise(\"03.1\", 4);",
        "a check is one line, Check.Exercise(\"03.1\", NameOfTheAnswer);"
    )]
    [InlineData(
        "Check.Exercise(\"03.1\", Answer);\n```",
        "Check.Exercise(\"03.1\", Answer);\n```\n\n```csharp\nCheck.Exercise(\"03.1\", Answer);\n```",
        "the exercise 03.1 has a second check"
    )]
    [InlineData(
        "var given = 3;",
        "/// solution\nvar given = 3;\n/// blank\nvar given = 0;\n/// end",
        "the exercise 03.2 has a second answer"
    )]
    [InlineData("var given = 3;", "Check.Exercise(\"03.2\", Other);", "the check of 03.2 stands before its answer")]
    [InlineData("/// solution\nint Other() => given;\n/// blank\n", "", "the marker '/// end' is out of order")]
    [InlineData(
        "/// solution\nint Other() => given;\n/// blank\nint Other() => throw new BlankException();\n/// end",
        "int Other() => given;",
        "the check of 03.2 stands before its answer"
    )]
    [InlineData(
        "Check.Table();",
        "/// solution\n1\n/// blank\n2\n/// end",
        "an answer belongs below the heading of its exercise"
    )]
    [InlineData(
        "Check.Table();",
        "Check.Exercise(\"03.2\", Other);",
        "a check belongs below the heading of its exercise"
    )]
    [InlineData("</details>", "", "a hint is opened and not closed")]
    [InlineData("Check.Table();\n```", "Check.Table();", "the block of C# is never closed")]
    [InlineData("Check.Table();", "  ", "the block of C# is empty")]
    [InlineData(
        "```csharp\nvar given",
        "```csharp hidden\nvar given",
        "a block of C# begins with ```csharp and nothing else"
    )]
    [InlineData("/// solution\n```\n", "/// solution\n", "the block is never closed")]
    public void AFaultIsNamedWithItsPlace(string was, string becomes, string sentence)
    {
        Assert.Contains(was, Good);
        var position = Good.IndexOf(was, StringComparison.Ordinal);
        var text =
            was == "/// solution\n```\n"
                ? Good[..position] + becomes + Good[(position + was.Length)..].Replace("```\n", "").Replace("```", "")
                : Good[..position] + becomes + Good[(position + was.Length)..];
        var message = Assert.Throws<FormatException>(() => ExerciseSource.Parse("03-memorization", text)).Message;
        Assert.Contains(sentence, message);
        Assert.Matches(@"^03-memorization\.md, line \d+: ", message);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData("exercises")]
    [InlineData("3-memorization")]
    [InlineData("03 memorization")]
    public void ASourceHasANameWithItsNumber(string stem) =>
        Assert.Contains($"'{stem}'", Assert.Throws<FormatException>(() => ExerciseSource.Parse(stem, Good)).Message);

    [Theory]
    [InlineData("")]
    [InlineData("# 03 · A title\n\nNothing else.")]
    public void ASourceWithoutExercisesIsRefused(string text) =>
        Assert.Throws<FormatException>(() => ExerciseSource.Parse("03-memorization", text));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Stems))]
    public void ACommittedNotebookOfExercisesBreaksNoRule(string stem) =>
        Assert.Empty(
            new NotebookLinter(Workspace.Find(AppContext.BaseDirectory).Root).CheckExercises(
                Source(stem),
                Folder.Committed(stem)
            )
        );

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Stems))]
    public void ANotebookForStudentsHoldsNoLineOfASolution(string stem)
    {
        var seen = string.Join('\n', ExerciseNotebook.Blank(Source(stem)).Cells.Select(c => c.Source));
        foreach (var answer in Source(stem).Cells.Where(c => c.Kind == ExerciseCellKind.Answer))
        {
            var kept = answer.Blank.Split('\n').Select(l => l.Trim()).ToHashSet();
            var solution = answer.Solved.Split('\n').Select(l => l.Trim()).Where(l => !kept.Contains(l)).ToList();
            Assert.NotEmpty(solution);
            Assert.All(solution, line => Assert.DoesNotContain(line, seen));
        }
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(Stems))]
    public void EveryExerciseOfASourceCanBeCheckedAndDeclaresWhatTheCheckWants(string stem)
    {
        foreach (var task in Source(stem).Tasks)
        {
            var exercise = ExerciseRegistry.Find(task.Id);
            Assert.True(exercise is not null, $"there is no check for {task.Id}");
            Assert.Equal(exercise.Title, task.Title);
            var declared = Regex.Match(
                Source(stem).Cells.Single(c => c.Id == task.AnswerCell).Blank,
                $@"^(\S.*?) {task.AnswerName}(\(.*?\))\s*(?:=>.*)?$",
                RegexOptions.Multiline
            );
            Assert.Equal(exercise.Signature, $"{declared.Groups[2].Value} → {declared.Groups[1].Value}");
        }
    }

    [Fact]
    public void EveryCheckHasAnExerciseInASource()
    {
        if (!Folder.HasSources)
            Assert.Skip("a student's copy has no sources");
        Assert.Equal(ExerciseRegistry.All.Select(e => e.Id), Sources.SelectMany(s => s.Tasks).Select(t => t.Id));
    }

    [Fact]
    public void CheckFindsNotebooksThatAreMissingChangedOrOfNoSource()
    {
        var source = ExerciseSource.Parse("03-memorization", Good);
        var json = ExerciseNotebook.Blank(source).ToJson();
        Assert.Equal(LintRule.Generated, Assert.Single(new NotebookLinter().CheckExercises(source, null)).Rule);
        Assert.Equal(
            LintRule.Generated,
            Assert.Single(new NotebookLinter().CheckExercises(source, json.Replace("What this", "What that"))).Rule
        );
        Assert.Equal(
            LintRule.Generated,
            Assert.Single(new NotebookLinter().CheckExercises(source, ExerciseNotebook.Solved(source).ToJson())).Rule
        );
        var far = ExerciseSource.Parse(
            "03-memorization",
            Good.Replace("var given = 3;", "var given = \"/home/jo/x\";")
        );
        Assert.Equal(
            LintRule.AbsolutePath,
            Assert.Single(new NotebookLinter().CheckExercises(far, ExerciseNotebook.Blank(far).ToJson())).Rule
        );
        var large = ExerciseSource.Parse(
            "03-memorization",
            Good.Replace("var given = 3;", string.Concat(Enumerable.Repeat("var given = 3;\n", 31)))
        );
        Assert.Equal(
            LintRule.LongCell,
            Assert.Single(new NotebookLinter().CheckExercises(large, ExerciseNotebook.Blank(large).ToJson())).Rule
        );
    }

    private static ExerciseSource Source(string stem) => Sources.Single(s => s.Stem == stem);
}
