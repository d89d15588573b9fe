using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using YamlDotNet.RepresentationModel;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The workflows of a fork call what is there, and what <c>.ci/run</c> calls too.</summary>
public sealed partial class WorkflowTests
{
    private static readonly string Root = Workspace.Find(AppContext.BaseDirectory).Root;

    public static TheoryData<string> Workflows =>
        [
            .. Directory
                .EnumerateFiles(Path.Combine(Root, ".github", "workflows"))
                .Select(file => Path.GetFileName(file))
                .Order(StringComparer.Ordinal),
        ];

    [Theory]
    [MemberData(nameof(Workflows))]
    public void EveryStepRunsACommandThatIsThereOrUsesAnActionOfAFixedVersion(string file)
    {
        var workflow = Read(file);
        Assert.Subset(
            new HashSet<string> { "name", "on", "permissions", "concurrency", "env", "jobs" },
            workflow.Children.Keys.Select(Text).ToHashSet()
        );
        var jobs = Map(workflow, "jobs");
        Assert.NotEmpty(jobs.Children);
        foreach (var (name, node) in jobs.Children)
        {
            var job = (YamlMappingNode)node;
            Assert.False(string.IsNullOrEmpty(Text(job["runs-on"])), Text(name));
            if (Find(job, "needs") is { } needed)
                Assert.Contains(jobs.Children.Keys, key => Text(key) == Text(needed));
            Assert.NotEmpty(Steps(job));
            foreach (var step in Steps(job))
            {
                var (run, uses) = (Find(step, "run"), Find(step, "uses"));
                Assert.True((run is null) != (uses is null), $"{file}: {step}");
                if (uses is not null)
                    Assert.Matches(@"^[\w-]+/[\w-]+@v\d+$", Text(uses));
                else
                    Assert.All(
                        Script().Matches(Text(run!)).Select(match => match.Value),
                        script => Assert.True(File.Exists(Path.Combine(Root, script)), $"{file} runs {script}")
                    );
            }
        }
    }

    [Fact]
    public void OnThreeSystemsTheTwoCommandsOfTheReadmeAreRunByTheScriptThatTheOwnRunCalls()
    {
        var workflow = Read("ci.yml");
        Assert.Subset(
            Map(workflow, "on").Children.Keys.Select(Text).ToHashSet(),
            new HashSet<string> { "push", "pull_request" }
        );
        var job = Map(Map(workflow, "jobs"), "readme");
        var matrix = Map(Map(job, "strategy"), "matrix");
        Assert.Equal(
            ["macos", "ubuntu", "windows"],
            List(matrix, "os").Select(system => system.Split('-')[0]).Order(StringComparer.Ordinal)
        );
        Assert.Equal("${{ matrix.os }}", Text(job["runs-on"]));
        // Git's bash on Windows.
        Assert.Equal("bash", Text(Map(Map(job, "defaults"), "run")["shell"]));
        var runs = Steps(job).Select(step => Find(step, "run")).OfType<YamlNode>().Select(Text).ToArray();
        Assert.Contains(".ci/readme-commands ${{ matrix.command }}", runs);

        var own = Lines(".ci/run");
        var script = Lines(".ci/readme-commands");
        var commands = List(matrix, "command");
        foreach (var command in commands)
            Assert.Contains(own, line => line.Contains($".ci/readme-commands {command}", StringComparison.Ordinal));
        // What the script does without further words is what the README says, word for word.
        var stated = Stated().Match(File.ReadAllText(Path.Combine(Root, "README.md"))).Groups[1].Value;
        Assert.Equal(
            stated.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split('#')[0].Trim()).Order(),
            commands
                .Select(command =>
                    Arm()
                        .Match(
                            script.Single(line => line.TrimStart().StartsWith(command + ")", StringComparison.Ordinal))
                        )
                )
                .Select(arm => arm.Groups[1].Value.Trim())
                .Order()
        );
    }

    [Fact]
    public void PartsThatAWorkflowNamesArePartsOfTheOwnRun()
    {
        var parts = Part().Matches(File.ReadAllText(Path.Combine(Root, ".ci", "run"))).Select(m => m.Groups[1].Value);
        var named = Workflows
            .SelectMany(row => Only().Matches(File.ReadAllText(Path.Combine(Root, ".github", "workflows", row.Data))))
            .SelectMany(match => match.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .ToHashSet();
        Assert.NotEmpty(named);
        Assert.Subset(parts.ToHashSet(), named);
    }

    private static YamlMappingNode Read(string file)
    {
        var stream = new YamlStream();
        using var reader = new StreamReader(Path.Combine(Root, ".github", "workflows", file));
        stream.Load(reader);
        return (YamlMappingNode)Assert.Single(stream.Documents).RootNode;
    }

    private static string[] Lines(string file) => File.ReadAllLines(Path.Combine(Root, file));

    private static string Text(YamlNode node) => ((YamlScalarNode)node).Value!;

    private static YamlNode? Find(YamlMappingNode map, string key) =>
        map.Children.TryGetValue(key, out var value) ? value : null;

    private static YamlMappingNode Map(YamlMappingNode map, string key) => (YamlMappingNode)map[key];

    private static string[] List(YamlMappingNode map, string key) =>
        [.. ((YamlSequenceNode)map[key]).Children.Select(Text)];

    private static IEnumerable<YamlMappingNode> Steps(YamlMappingNode job) =>
        ((YamlSequenceNode)job["steps"]).Children.Cast<YamlMappingNode>();

    [GeneratedRegex(@"(?<!\S)\.ci/[\w-]+", RegexOptions.CultureInvariant)]
    private static partial Regex Script();

    [GeneratedRegex(@"\A.*?```\n(.*?)```", RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex Stated();

    // The command of an arm of 'case', without the words that are passed on.
    [GeneratedRegex(@"\) (?:if \[ \$# -eq 0 \]; then )?(dotnet [^;""]*)", RegexOptions.CultureInvariant)]
    private static partial Regex Arm();

    [GeneratedRegex(@"^  \[(\w+)\]=""", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Part();

    [GeneratedRegex(@"\.ci/run --only ([\w ]+)", RegexOptions.CultureInvariant)]
    private static partial Regex Only();
}
