using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>What the documents say exists: files, headings, types, claims, numbers, commands, folders.</summary>
public sealed partial class DocumentTests
{
    private static readonly Workspace Repository = Workspace.Find(AppContext.BaseDirectory);
    private static readonly string[] Made =
    [
        "bin",
        "obj",
        ".git",
        "artifacts",
        "TestResults",
        "BenchmarkDotNet.Artifacts",
        "node_modules",
    ];
    private static readonly Assembly[] Assemblies =
    [
        typeof(Runtime.Seeds).Assembly,
        typeof(Lab).Assembly,
        typeof(CommandLine).Assembly,
    ];

    /// <summary>Documents and notebooks, by their path below the repository. What exercises are made from is left out:
    /// its links are those of the notebooks made from it.</summary>
    public static TheoryData<string> Files =>
        [
            .. FilesBelow(Repository.Root)
                .Where(f =>
                    f.EndsWith(".md", StringComparison.Ordinal) || f.EndsWith(".ipynb", StringComparison.Ordinal)
                )
                .Select(f => Path.GetRelativePath(Repository.Root, f).Replace('\\', '/'))
                .Where(f => !f.StartsWith("notebooks/exercises/source/", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];

    [Theory]
    [MemberData(nameof(Files))]
    public void EveryLinkLeadsToAFileAndAHeading(string file) =>
        Assert.Empty(BrokenLinks(Path.Combine(Repository.Root, file), Prose(file)));

    [Theory]
    [InlineData("see [there](missing.md)", "missing.md")]
    [InlineData("[`Code`](Lib/README.md)", "Lib/README.md")]
    [InlineData("[a heading](#not-there)", "#not-there")]
    [InlineData("[elsewhere](README.md#not-there)", "README.md#not-there")]
    [InlineData("<img src=\"none.png\">", "none.png")]
    [InlineData("[up](../../../outside.md)", "../../../outside.md")]
    public void ABrokenLinkIsFound(string prose, string link) =>
        Assert.Equal([link], BrokenLinks(Path.Combine(Repository.Root, "x.md"), "# A heading\n" + prose));

    [Theory]
    [InlineData(
        "[a](#two-words-and-code) [web](https://example.org/x) [b](README.md#notebooks) [c](lib/) "
            + "`[d](none.md)`\n```\n[e](none.md)\n```"
    )]
    public void AGoodLinkIsNot(string prose) =>
        Assert.Empty(BrokenLinks(Path.Combine(Repository.Root, "x.md"), "## Two words, and `code`\n" + prose));

    [Theory]
    [InlineData("notebooks/README.md", 100)]
    [InlineData("lib/README.md", 10)]
    public void ALinkedTypeStandsInTheLinkedFileAndHasTheMember(string file, int least)
    {
        var links = TypeLink().Matches(Prose(file));
        Assert.True(links.Count >= least, $"{links.Count} types are linked");
        Assert.All(
            links,
            link =>
            {
                var (name, member) = (link.Groups["type"].Value, link.Groups["member"].Value);
                var source = File.ReadAllText(
                    Path.Combine(Repository.Root, Path.GetDirectoryName(file)!, link.Groups["file"].Value)
                );
                Assert.True(
                    Regex.IsMatch(source, $@"\b(?:class|record|struct|interface|enum) {name}\b"),
                    $"{link.Value} declares no {name}"
                );
                if (member.Length > 0)
                    Assert.True(
                        Assemblies
                            .SelectMany(a => a.GetTypes())
                            .Where(t => t.Name == name)
                            .Any(t => t.GetMember(member).Length > 0),
                        $"{name} has no public {member}"
                    );
            }
        );
    }

    [Fact]
    public void ClaimsThatAreNamedAreMadeInTheirNotebook()
    {
        var made = Repository
            .Notebooks()
            .SelectMany(n => NotebookDocument.Load(n.File).CodeCells)
            .SelectMany(c => ClaimId().Matches(c.Source))
            .Select(m => m.Groups[1].Value)
            // Checked once for each of the two deep networks.
            .SelectMany(id =>
                Regex.IsMatch(id, @"\{(kind|id)\}")
                    ? new[] { "unet", "dit" }.Select(kind => Regex.Replace(id, @"\{(kind|id)\}", kind))
                    : [id]
            )
            .ToHashSet();
        var named = Rows("notebooks/README.md", "claims")
            .SelectMany(row =>
                Regex
                    .Matches(row["claims"], @"(\d\d):([^;]*)")
                    .SelectMany(part =>
                        Regex
                            .Matches(part.Groups[2].Value, "`([a-z0-9-]+[*]?)`")
                            .Select(m => $"{part.Groups[1].Value}.{m.Groups[1].Value}")
                    )
            )
            .ToArray();
        Assert.True(named.Length > 120, $"{named.Length} claims were found in the tables");
        Assert.All(
            named,
            n =>
                Assert.True(
                    n.EndsWith('*')
                        ? made.Any(id => id.StartsWith(n[..^1], StringComparison.Ordinal))
                        : made.Contains(n),
                    $"no notebook makes the claim {n}"
                )
        );
    }

    [Fact]
    public void OurNumbersStandInTheOutputsOfTheNotebooksThatAreNamed()
    {
        var outputs = Repository
            .Notebooks()
            .ToDictionary(
                n => n.Number,
                n =>
                    Numbers(
                            string.Join(
                                '\n',
                                NotebookDocument.Load(n.File).CodeCells.SelectMany(c => c.Outputs).Select(Text)
                            )
                        )
                        .Select(m => m.Value)
                        .ToArray()
            );
        var rows = Rows("notebooks/README.md", "our number").Where(row => row["our number"].Length > 0).ToArray();
        Assert.True(rows.Length > 15, $"{rows.Length} rows were found");
        Assert.All(
            rows,
            row =>
            {
                var known = Regex
                    .Matches(row["notebook and section"], @"\]\((\d\d)-")
                    .SelectMany(m => outputs[int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture)])
                    .ToArray();
                Assert.All(
                    Numbers(row["our number"]),
                    n =>
                        Assert.True(
                            known.Any(x => Math.Abs(x - n.Value) <= n.Half * 1.0001),
                            $"{row["paper"]}: {n.Value} is in no output of its notebooks"
                        )
                );
            }
        );
    }

    [Fact]
    public async Task CommandsThatAreNamedAreKnown()
    {
        var known = await CommandsAsync();
        var branches = new Dictionary<string, IReadOnlyList<string>>();
        var named = Files
            .SelectMany(file =>
                Command()
                    .Matches(Prose(file.Data))
                    .Select(m => (File: file.Data, First: m.Groups["first"].Value, Second: m.Groups["second"].Value))
            )
            .Concat(
                Rows("environment/README.md", "command")
                    .SelectMany(row => Regex.Matches(row["command"], "`([a-z]+)(?: ([a-z]+))?`"))
                    .Select(m => (File: "environment/README.md", First: m.Groups[1].Value, Second: m.Groups[2].Value))
            )
            .Distinct()
            .ToArray();
        Assert.True(named.Length > 8, $"{named.Length} commands were found");
        Assert.All(
            named,
            c => Assert.True(known.Contains(c.First), $"{c.File} names the command '{c.First}', which there is not")
        );
        foreach (var first in named.Select(c => c.First).Distinct())
            branches[first] = await CommandsAsync(first);
        Assert.All(
            named.Where(c => branches[c.First].Count > 0),
            c =>
                Assert.True(
                    branches[c.First].Contains(c.Second),
                    $"{c.File} names the command '{c.First} {c.Second}', which there is not"
                )
        );
    }

    [Fact]
    public void TheCitationHasWhatItsSchemaAsksForAndNamesThePaper()
    {
        var lines = File.ReadAllLines(Path.Combine(Repository.Root, ".github", "CITATION.cff"));
        var software = lines.TakeWhile(l => !l.StartsWith("preferred-citation:", StringComparison.Ordinal)).ToArray();
        var paper = lines
            .SkipWhile(l => !l.StartsWith("preferred-citation:", StringComparison.Ordinal))
            .Skip(1)
            .Select(l => l.StartsWith("  ", StringComparison.Ordinal) ? l[2..] : l)
            .ToArray();
        static string? Value(string[] lines, string key) =>
            lines.FirstOrDefault(l => l.StartsWith(key + ":", StringComparison.Ordinal))?[(key.Length + 1)..].Trim();
        Assert.Equal("1.2.0", Value(software, "cff-version"));
        Assert.Equal("software", Value(software, "type"));
        foreach (var part in new[] { software, paper })
        {
            Assert.False(string.IsNullOrEmpty(Value(part, "title")));
            Assert.Contains(
                part.SkipWhile(l => l != "authors:").Skip(1).TakeWhile(l => l.StartsWith(' ')),
                l => Regex.IsMatch(l, @"^ +(?:- )?(?:name|family-names): \S")
            );
        }
        Assert.False(string.IsNullOrEmpty(Value(software, "message")));
        Assert.Equal("conference-paper", Value(paper, "type"));
        Assert.Equal("2026", Value(paper, "year"));
        Assert.Contains($"*{Value(paper, "title")}*", Prose("README.md"));
    }

    [Fact]
    public void EveryNotebookHasItsRowAndItsMinutesInTheReadme()
    {
        var minutes = StatedMinutes.Read(Repository);
        Assert.Equal(Repository.Notebooks().Select(n => n.Stem), minutes.Keys.Order(StringComparer.Ordinal));
        Assert.All(minutes.Values, m => Assert.True(m > 0));
    }

    private static IEnumerable<string> FilesBelow(string folder) =>
        Directory
            .EnumerateFiles(folder)
            .Concat(
                Directory
                    .EnumerateDirectories(folder)
                    .Where(d => !Made.Contains(Path.GetFileName(d)))
                    .SelectMany(FilesBelow)
            );

    private static string Prose(string file)
    {
        var path = Path.Combine(Repository.Root, file);
        return file.EndsWith(".ipynb", StringComparison.Ordinal)
            ? string.Join(
                "\n\n",
                NotebookDocument.Load(path).Cells.Where(c => c.Type == "markdown").Select(c => c.Source)
            )
            : File.ReadAllText(path);
    }

    private static IReadOnlyList<string> BrokenLinks(string file, string prose)
    {
        var text = InlineCode().Replace(Fence().Replace(prose, ""), "code");
        return
        [
            .. Link()
                .Matches(text)
                .Select(m => m.Groups["to"].Value)
                .Where(to => !Scheme().IsMatch(to))
                .Where(to =>
                {
                    var parts = to.Split('#', 2);
                    var target =
                        parts[0].Length == 0
                            ? file
                            : Path.GetFullPath(
                                Path.Combine(Path.GetDirectoryName(file)!, Uri.UnescapeDataString(parts[0]))
                            );
                    if (parts[0].Length > 0 && !Exists(target))
                        return true;
                    return parts.Length == 2
                        && !Headings(
                                parts[0].Length == 0 ? prose : Prose(Path.GetRelativePath(Repository.Root, target))
                            )
                            .Contains(parts[1]);
                }),
        ];
    }

    /// <summary>Whether the path is in the repository under just this name, capitals included, as on a system that
    /// tells them apart.</summary>
    private static bool Exists(string path)
    {
        var below = Path.GetRelativePath(Repository.Root, path)
            .Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        var folder = Repository.Root;
        foreach (var name in below.Where(name => name != "."))
        {
            if (
                !Directory.Exists(folder)
                || !Directory.EnumerateFileSystemEntries(folder).Any(e => Path.GetFileName(e) == name)
            )
                return false;
            folder = Path.Combine(folder, name);
        }
        return true;
    }

    /// <summary>The anchors of all headings, as GitHub makes them.</summary>
    private static IReadOnlyCollection<string> Headings(string prose)
    {
        var anchors = new HashSet<string>();
        foreach (Match heading in Heading().Matches(Fence().Replace(prose, "")))
        {
            var text = Regex.Replace(heading.Groups[1].Value, @"\[([^\]]*)\]\([^)]*\)", "$1").Trim().ToLowerInvariant();
            var anchor = Regex.Replace(text, @"[^\p{L}\p{N}\s_-]", "").Replace(' ', '-');
            for (var (i, plain) = (1, anchor); !anchors.Add(anchor); i++)
                anchor = $"{plain}-{i}";
        }
        return anchors;
    }

    /// <summary>The rows of all tables of a document that have this column, cells by heading; a heading may say more
    /// than the column's name.</summary>
    private static IEnumerable<IReadOnlyDictionary<string, string>> Rows(string file, string column)
    {
        string[]? headings = null;
        foreach (var line in File.ReadLines(Path.Combine(Repository.Root, file)))
        {
            if (!line.StartsWith('|'))
                headings = null;
            else if (headings is null)
                headings = [.. Cells(line).Select(h => h.Contains(column, StringComparison.Ordinal) ? column : h)];
            else if (headings.Contains(column) && !line.StartsWith("|---", StringComparison.Ordinal))
                yield return headings.Zip(Cells(line)).ToDictionary(c => c.First, c => c.Second);
        }

        static string[] Cells(string line) => [.. line.Trim().Trim('|').Split('|').Select(c => c.Trim())];
    }

    private static string Text(JsonObject output) =>
        output["data"] is JsonObject data
            ? Regex.Replace(
                string.Join(
                    '\n',
                    new[] { "text/html", "text/plain", "text/markdown" }.Select(type => NotebookText.Join(data[type]))
                ),
                @"<(style|script)[\s\S]*?</\1>|<[^>]*>",
                "\n"
            )
            : NotebookText.Join(output["text"]);

    /// <summary>All numbers of a text, each with half a unit of its last digit.</summary>
    private static IEnumerable<(double Value, double Half)> Numbers(string text) =>
        Number()
            .Matches(text.Replace('−', '-'))
            .Select(m =>
            {
                var digits = m.Groups["digits"].Value.Replace(",", "");
                var power = m.Groups["power"].Success
                    ? int.Parse(m.Groups["power"].Value, CultureInfo.InvariantCulture)
                    : 0;
                var decimals = digits.Contains('.') ? digits.Length - digits.IndexOf('.') - 1 : 0;
                return (
                    double.Parse(digits, CultureInfo.InvariantCulture) * Math.Pow(10, power),
                    0.5 * Math.Pow(10, power - decimals)
                );
            });

    /// <summary>The commands that the help lists, of the program or of one of its commands.</summary>
    private static async Task<IReadOnlyList<string>> CommandsAsync(params string[] words)
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
        Assert.Equal(
            0,
            await CommandLine.RunAsync(
                [.. words, "--help"],
                console,
                Repository.Root,
                TestContext.Current.CancellationToken
            )
        );
        return
        [
            .. writer
                .ToString()
                .ReplaceLineEndings("\n")
                .Split('\n')
                .SkipWhile(l => l != "COMMANDS:")
                .Select(l => Regex.Match(l, "^    ([a-z-]+)").Groups[1].Value)
                .Where(name => name.Length > 0),
        ];
    }

    [GeneratedRegex(@"^(```+|~~~+)[\s\S]*?^\1[ \t]*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Fence();

    [GeneratedRegex(@"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", RegexOptions.CultureInvariant)]
    private static partial Regex InlineCode();

    [GeneratedRegex(
        @"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\((?<to>[^)\s]+)(?:\s+""[^""]*"")?\)|(?:href|src)=""(?<to>[^""]+)""",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Link();

    [GeneratedRegex("^[a-z][a-z0-9+.-]*:", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Scheme();

    [GeneratedRegex(@"^#{1,6}[ \t]+(.+?)[ \t#]*$", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Heading();

    [GeneratedRegex(
        @"\[`(?<type>[A-Z]\w*)(?:\.(?<member>\w+))?`\]\((?<file>[^)#]+\.cs)\)",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex TypeLink();

    [GeneratedRegex(@"Claims\.(?:Check|Skip)\(\s*\$?""(\d\d\.[^""]+)""", RegexOptions.CultureInvariant)]
    private static partial Regex ClaimId();

    [GeneratedRegex(
        @"(?<![\w.])(?<digits>-?\d+(?:,\d{3})*(?:\.\d+)?)(?:e(?<power>[-+]?\d+))?(?![\w])",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant
    )]
    private static partial Regex Number();

    [GeneratedRegex(
        @"(?:--project environment -- |`… )(?<first>[a-z]+)\b(?: (?<second>[a-z]+))?",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex Command();
}
