using System.Diagnostics;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Course;
using BalancedDiffusion.Reproduce.Course.Exercises;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;

namespace BalancedDiffusion.Notebook.Tests;

public sealed class CourseTests : IDisposable
{
    private static readonly Workspace Repository = Workspace.Find(AppContext.BaseDirectory);
    private readonly string place = Directory.CreateTempSubdirectory("course-test-").FullName;

    public void Dispose() => Directory.Delete(place, recursive: true);

    [Fact]
    public async Task AClassGetsWhatIsUnderVersionControlAndNoSolution()
    {
        using var clone = new EnvironmentWorkspace();
        Write(clone.Root, ".gitignore", "bin/\n*.user\n");
        Write(clone.Root, "lib/a.cs", "tracked");
        Write(clone.Root, "lib/bin/a.dll", "built");
        Write(clone.Root, "me.user", "mine");
        Write(clone.Root, "notebooks/exercises/source/03-x.md", "solution");
        Write(clone.Root, "notebooks/exercises/03-x.ipynb", "blank");
        string[] expected =
        [
            ".gitignore",
            "Notebooks.sln",
            "dotnet-tools.json",
            "lib/a.cs",
            "notebooks/exercises/03-x.ipynb",
        ];
        Assert.Equal(expected.Order(StringComparer.Ordinal), StudentCopy.Files(clone.Repository));

        foreach (var words in new[] { "init -q", "add ." })
            using (
                var git = Process.Start(
                    new ProcessStartInfo("git", words.Split(' ')) { WorkingDirectory = clone.Root }
                )!
            )
                await git.WaitForExitAsync(TestContext.Current.CancellationToken);
        Write(clone.Root, "grades.csv", "not tracked");
        Assert.Equal(expected.Order(StringComparer.Ordinal), StudentCopy.Files(clone.Repository));

        var (code, output) = await RunAsync(clone.Root, "course", "new", Path.Combine(place, "class"));
        Assert.Equal((0, true), (code, output.Contains("5 files, no solutions")));
        Assert.Equal("tracked", File.ReadAllText(Path.Combine(place, "class", "lib", "a.cs")));
        Assert.Equal(
            5,
            Directory.EnumerateFiles(Path.Combine(place, "class"), "*", SearchOption.AllDirectories).Count()
        );
        foreach (
            var (words, sentence) in new[]
            {
                ("course grade .", "belongs to the teacher's clone, not to a student's copy"),
                ("exercises build", "belongs to the teacher's clone"),
                ("exercises test", "belongs to the teacher's clone"),
                ("course new other", "a class is made from the teacher's clone, not from a student's copy"),
            }
        )
            Assert.Equal(
                (2, true),
                await RunAsync(Path.Combine(place, "class"), words.Split(' ')) is var (c, o)
                    ? (c, o.Contains(sentence))
                    : default
            );
    }

    [Fact]
    public async Task AFolderThatIsNotEmptyAFileAndAPlaceInsideTheRepositoryAreRefused()
    {
        using var clone = new EnvironmentWorkspace();
        Write(clone.Root, "notebooks/exercises/source/03-x.md", "solution");
        Write(place, "full/a", "a");
        foreach (
            var (folder, sentence) in new[]
            {
                (Path.Combine(place, "full"), "is not empty"),
                (Path.Combine(place, "full", "a"), "is a file"),
                (Path.Combine(clone.Root, "class"), "lies inside the repository"),
            }
        )
        {
            var (code, output) = await RunAsync(clone.Root, "course", "new", folder);
            Assert.Equal((2, true), (code, output.Contains(sentence)));
        }
        Assert.Equal("a", File.ReadAllText(Path.Combine(place, "full", "a")));
    }

    [Fact]
    public void OnlyCellsOfAnswersAreReadAndWhatCannotBeUsedIsSaid()
    {
        var source = Source();
        Hand("anna/01-x.ipynb", ("01-1-answer", "mine"), ("01-1-check", "forged"));
        Hand("ben/a.ipynb", ("01-1-answer", "first"), ("01-2-answer", "second"), ("01-2-answer", "again"));
        Hand("ben/sub/b.ipynb", ("01-1-answer", "other"));
        Hand("ben/.ipynb_checkpoints/b.ipynb", ("01-1-answer", "old"));
        Hand("cara/old.ipynb", ("17-1-answer", "x"));
        Write(place, "dora/broken.ipynb", "{");
        Hand("emil/own.ipynb", ("abc", "Check.Exercise(\"01.1\", F);"));
        Directory.CreateDirectory(Path.Combine(place, "empty"));
        Hand("fay.ipynb", ("01-1-answer", "f"), ("01-2-answer", "g"));
        Hand("anna.ipynb", ("01-1-answer", "f"), ("01-2-answer", "g"));
        Write(place, "readme.txt", "not a submission");

        var read = new SubmissionReader([source]).Read(place).ToDictionary(s => s.Student);
        Assert.Equal(
            ["anna", "anna.ipynb", "ben", "cara", "dora", "emil", "empty", "fay"],
            read.Keys.Order(StringComparer.Ordinal)
        );
        Assert.Equal("mine", Assert.Single(read["anna"].Chapters[1]).Value);
        Assert.Equal(["01.2: its cell 01-2-answer is missing"], read["anna"].Remarks);
        Assert.Equal(["first", "second"], read["ben"].Chapters[1].Values);
        Assert.Equal(
            [
                "a.ipynb has the cell 01-2-answer 2 times; the first one counts",
                "sub/b.ipynb was not looked at: a.ipynb holds answers to 01 too",
            ],
            read["ben"].Remarks
        );
        Assert.Equal(["old.ipynb answers exercises 17, which do not exist"], read["cara"].Remarks);
        Assert.Equal(["broken.ipynb cannot be read: not valid JSON at line 1, byte 2"], read["dora"].Remarks);
        Assert.Equal(
            [
                "none of the 1 notebook(s) has a cell of an answer; hand in the course's own notebooks, "
                    + "whose cells carry ids such as 01-1-answer",
            ],
            read["emil"].Remarks
        );
        Assert.Equal(["no notebook was handed in"], read["empty"].Remarks);
        Assert.Empty(read["fay"].Remarks);
    }

    [Fact]
    public void AFolderWithoutSubmissionsIsRefused()
    {
        Assert.Contains(
            "there is no folder",
            Assert
                .Throws<UsageException>(() => new SubmissionReader([Source()]).Read(Path.Combine(place, "none")))
                .Message
        );
        Write(place, "readme.txt", "");
        Assert.Contains(
            "holds no submission",
            Assert.Throws<UsageException>(() => new SubmissionReader([Source()]).Read(place)).Message
        );
    }

    [Fact]
    public void TheTableHasARowAStudentAndNoFormula()
    {
        var table = new GradeTable(
            [Source()],
            [
                new Submission(
                    "=1+1",
                    new Dictionary<int, IReadOnlyDictionary<string, string>>(),
                    ["no, \"really\"\nno"]
                ),
                new Submission("ben", new Dictionary<int, IReadOnlyDictionary<string, string>>(), []),
            ]
        );
        table.Add(
            new ChapterGrade(
                "ben",
                1,
                [new CheckedAnswer("01.1", "passed", "right"), new CheckedAnswer("01.2", "wrong", "the sign is wrong")]
            )
        );
        Assert.Equal(
            "student,01.1,01.2,points,of,remarks\r\n'=1+1,,,0,2,\"no, \"\"really\"\" no\"\r\n"
                + "ben,1,0,1,2,01.2: the sign is wrong\r\n",
            table.ToCsv()
        );
        Assert.Equal(
            [
                "student  01  points",
                "=1+1     ··  0 of 2",
                "ben      ✓✗  1 of 2",
                "=1+1: no, \"really\"\nno",
                "ben: 01.2: the sign is wrong",
            ],
            table.Lines()
        );
    }

    [Fact]
    public void TheJournalSurvivesALineThatWasCutOff()
    {
        var (file, grade) = (
            Path.Combine(place, "journal"),
            new ChapterGrade("ben", 1, [new CheckedAnswer("01.1", "passed", "right")])
        );
        new GradeJournal(file).Add("a", grade);
        File.AppendAllText(file, "{\"Key\":\"b\",\"Gra");
        new GradeJournal(file).Add("c", grade with { Student = "cara" });
        var journal = new GradeJournal(file);
        Assert.Equal(["ben", null, "cara"], new[] { "a", "b", "c" }.Select(k => journal.Find(k)?.Student));
        Assert.Equal(grade.Answers, journal.Find("a")!.Answers);
    }

    [Fact]
    public async Task AClassIsGradedByItsAnswersAloneWhateverTheyDo()
    {
        var folder = new ExerciseFolder(Repository);
        if (!folder.HasSources)
            Assert.Skip("grading belongs to the teacher's clone");
        var source = folder.Sources("2").Single();
        var right = source.Cells.Where(c => c.Kind == ExerciseCellKind.Answer).ToDictionary(c => c.Id, c => c.Solved);
        Hand("in/anna/02.ipynb", [.. right.Select(r => (r.Key, r.Value))]);
        Hand(
            "in/ben/02.ipynb",
            [
                ("02-1-answer", right["02-1-answer"].Replace("return ", "return -")),
                ("02-2-answer", "double Activation("),
                ("02-3-answer", "System.Environment.Exit(0);"),
                (
                    "02-4-answer",
                    right["02-4-answer"] + "\nSystem.IO.File.WriteAllText(\"mine.txt\", \"\");" + Escape(folder)
                ),
                ("02-5-answer", "double RepresentationStd(int m, int p, double norm) { while (true) { } }"),
            ]
        );
        var forged =
            "KernelInvocationContext.Current.DisplayAs("
            + "\"{\\\"id\\\":\\\"02.1\\\",\\\"outcome\\\":\\\"passed\\\",\\\"sentence\\\":\\\"\\\"}\", "
            + "\"application/vnd.balanced-diffusion.exercise+json\");";
        Hand(
            "in/cara/02.ipynb",
            (
                "02-1-answer",
                $"using Microsoft.DotNet.Interactive;\nTensor Network(Tensor y, Tensor w) {{ {forged} return y; }}"
            ),
            (
                "02-2-answer",
                "using Microsoft.DotNet.Interactive;\nstatic class Check { public static void "
                    + "Exercise(string id, System.Delegate answer) { "
                    + forged.Replace("02.1", "02.2")
                    + " } }\ndouble Activation(Tensor w, Tensor x, double sigma) => 1;"
            ),
            ("02-2-check", forged)
        );
        Write(place, "in/dora/02.ipynb", "[]");

        var table = Path.Combine(place, "grades.csv");
        var (code, output) = await RunAsync(
            Repository.Root,
            "course",
            "grade",
            Path.Combine(place, "in"),
            "--out",
            table,
            "--timeout",
            "20"
        );
        Assert.True(code == 0, output);
        var header = File.ReadAllLines(table)[0].Split(',');
        var rows = File.ReadAllLines(table).Skip(1).ToDictionary(r => r.Split(',')[0]);
        string Points(string student) =>
            string.Concat(
                header
                    .Zip(rows[student].Split(','))
                    .Where(c => c.First.StartsWith("02.", StringComparison.Ordinal))
                    .Select(c => c.Second)
            );
        Assert.Equal(["11111", "00010", "00000", ""], new[] { "anna", "ben", "cara", "dora" }.Select(Points));
        Assert.EndsWith($",5,{folder.Sources().Sum(s => s.Tasks.Count)},", rows["anna"]);
        Assert.Matches(
            "02.1: the sign is wrong .*; 02.2: the answer failed: CompilationError: .*; 02.3: the answer "
                + "ended the kernel: .*; 02.5: the answer did not end within 20 seconds",
            rows["ben"]
        );
        Assert.Contains("02.1: 9 verdicts came from one check", rows["cara"]);
        Assert.Contains("02.ipynb cannot be read: not a notebook", rows["dora"]);

        // Once more: nothing is run again, and the table is the same.
        var before = File.ReadAllText(table);
        File.Delete(table);
        (code, output) = await RunAsync(
            Repository.Root,
            "course",
            "grade",
            Path.Combine(place, "in"),
            "--out",
            table,
            "--timeout",
            "20"
        );
        Assert.Equal((0, true), (code, output.Contains("3 of 3 notebook(s) are graded already")));
        Assert.Equal(before, File.ReadAllText(table));
    }

    // Code that fails where it can reach what this system lets a submission be kept from.
    private string Escape(ExerciseFolder folder)
    {
        var kept = Confinement.Create([Repository.Root], [folder.SourceFolder]).Notice;
        var code = "\nvoid Must(bool be) { if (!be) throw new System.Exception(\"it got out\"); }";
        if (kept.Contains("without network"))
            code +=
                "\nMust(System.Net.NetworkInformation.NetworkInterface.GetAllNetworkInterfaces().All(i => "
                + "i.OperationalStatus != System.Net.NetworkInformation.OperationalStatus.Up));";
        if (kept.Contains("can read but not change"))
            code +=
                $"\nMust(!System.IO.Directory.EnumerateFileSystemEntries(\"{folder.SourceFolder}\").Any() && "
                + $"!System.IO.Directory.EnumerateFileSystemEntries(\"{Path.Combine(place, "in")}\").Any());"
                + $"\ntry {{ System.IO.File.WriteAllText(\"{Path.Combine(Repository.DefaultOut, "escaped")}\", "
                + $"\"\"); Must(false); }} catch (System.IO.IOException) {{ }} catch "
                + $"(System.UnauthorizedAccessException) {{ }}";
        return code;
    }

    private static ExerciseSource Source() =>
        ExerciseSource.Parse(
            "01-x",
            """
            # 01 · Title

            ```csharp
            #!import "../lab.dib"
            ```

            ```csharp
            Lab.Start("exercises-01");
            ```

            """
                + string.Concat(
                    new[] { 1, 2 }.Select(i =>
                        $"\n## 01.{i} · Title\n\n●○○ · 5 minutes\n\n```csharp\n/// solution\nint F{i}() => "
                        + $"1;\n/// blank\nint F{i}() => 0;\n/// end\n```\n\n```csharp\n"
                        + $"Check.Exercise(\"01.{i}\", F{i});\n```\n"
                    )
                )
        );

    private void Hand(string file, params (string Id, string Code)[] cells)
    {
        var document = NotebookDocument.Parse(EnvironmentWorkspace.Json([.. cells.Select(c => c.Code)]));
        foreach (var (cell, (id, _)) in document.CodeCells.Zip(cells))
            cell.Json["id"] = id;
        Write(place, file, document.Json.ToJsonString());
    }

    private static void Write(string root, string file, string text)
    {
        var path = Path.Combine(root, file);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
    }

    private static async Task<(int Code, string Output)> RunAsync(string folder, params string[] words)
    {
        using var writer = new StringWriter();
        var console = AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Out = new AnsiConsoleOutput(writer),
                Ansi = AnsiSupport.No,
                ColorSystem = ColorSystemSupport.NoColors,
                Interactive = InteractionSupport.No,
            }
        );
        var code = await CommandLine.RunAsync(words, console, folder, TestContext.Current.CancellationToken);
        return (code, writer.ToString());
    }
}
