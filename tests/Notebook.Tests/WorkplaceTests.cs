using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>What an editor and a container are told about the repository is true of it.</summary>
public sealed partial class WorkplaceTests
{
    private static readonly string Root = Workspace.Find(AppContext.BaseDirectory).Root;

    [Fact]
    public void EveryLaunchFindsItsTaskItsInputAndItsProject()
    {
        var (launch, tasks) = (Read(".vscode/launch.json"), Read(".vscode/tasks.json"));
        var labels = tasks["tasks"]!.AsArray().Select(task => (string)task!["label"]!).ToHashSet();
        Assert.Equal(tasks["tasks"]!.AsArray().Count, labels.Count);
        foreach (var configuration in launch["configurations"]!.AsArray())
        {
            if ((string?)configuration!["preLaunchTask"] is { } label)
                Assert.Contains(label, labels);
            if ((string?)configuration["program"] is not { } program)
                continue;
            var parts = Program().Match(program);
            Assert.True(parts.Success, program);
            Assert.Single(
                Directory.EnumerateFiles(Path.Combine(Root, parts.Groups[1].Value), "*.csproj"),
                project =>
                    Path.GetFileNameWithoutExtension(project) == parts.Groups[3].Value
                    && File.ReadAllText(Path.Combine(Root, "Directory.Build.props"))
                        .Contains($"<TargetFramework>{parts.Groups[2].Value}<", StringComparison.Ordinal)
            );
        }
        Assert.All(
            tasks["tasks"]!.AsArray().Select(task => (string?)task!["dependsOn"]).OfType<string>(),
            label => Assert.Contains(label, labels)
        );
        foreach (var file in new[] { launch, tasks })
            Assert.Equal(
                Input().Matches(file.ToJsonString()).Select(m => m.Groups[1].Value).Distinct().Order(),
                file["inputs"]!.AsArray().Select(input => (string)input!["id"]!).Order()
            );
    }

    [Fact]
    public void EveryTaskIsACommandThatTheRunnerOrTheSdkKnows()
    {
        var commands = Read(".vscode/tasks.json")["tasks"]!
            .AsArray()
            .Select(task => (string)task!["command"]!)
            .ToArray();
        Assert.All(
            commands,
            command =>
                Assert.Matches(
                    @"^dotnet (build|test|run --project environment|tool restore$|csharpier (check|format) \.$)",
                    command
                )
        );
        Assert.All(
            commands
                .SelectMany(command => command.Split(' '))
                .Where(word => word.Contains('/') || word.EndsWith(".sln", StringComparison.Ordinal)),
            path => Assert.True(Path.Exists(Path.Combine(Root, path)), path)
        );
    }

    [Theory]
    [InlineData(".devcontainer/devcontainer.json")]
    [InlineData(".devcontainer/cuda/devcontainer.json")]
    public void AContainerIsBuiltFromFilesThatAreThereAndItsEditorHasTheRecommendedExtensions(string file)
    {
        var container = Read(file);
        var folder = Path.GetDirectoryName(Path.Combine(Root, file))!;
        Assert.True(File.Exists(Path.Combine(folder, (string)container["build"]!["dockerfile"]!)));
        var context = Path.Combine(folder, (string)container["build"]!["context"]!);
        foreach (
            var copied in Copied()
                .Matches(File.ReadAllText(Path.Combine(context, "Dockerfile")))
                .Select(m => m.Groups[1].Value)
        )
            Assert.True(File.Exists(Path.Combine(context, copied)), copied);
        var recommended = Extensions(Read(".vscode/extensions.json")["recommendations"]!);
        Assert.Subset(recommended, Extensions(container["customizations"]!["vscode"]!["extensions"]!));
    }

    [Fact]
    public void TheContainerHasAllThatTheTestsOnABareMachineInstall()
    {
        var packages = File.ReadAllLines(Path.Combine(Root, "environment", "container", "packages")).ToHashSet();
        var installed = Added()
            .Matches(File.ReadAllText(Path.Combine(Root, ".ci", "run")))
            .SelectMany(m => m.Groups[1].Value.Split(' '))
            .ToHashSet();
        Assert.NotEmpty(installed);
        Assert.Subset(packages, installed);
    }

    private static HashSet<string> Extensions(JsonNode list) =>
        list.AsArray().Select(name => (string)name!).ToHashSet();

    // JSON with comments, as VS Code reads it.
    private static JsonNode Read(string file) =>
        JsonNode.Parse(
            File.ReadAllText(Path.Combine(Root, file)),
            documentOptions: new JsonDocumentOptions { CommentHandling = JsonCommentHandling.Skip }
        )!;

    [GeneratedRegex(@"^\$\{workspaceFolder\}/(.+)/bin/Debug/([^/]+)/([^/]+)\.dll$", RegexOptions.CultureInvariant)]
    private static partial Regex Program();

    [GeneratedRegex(@"\$\{input:(\w+)\}", RegexOptions.CultureInvariant)]
    private static partial Regex Input();

    [GeneratedRegex(@"^COPY (?!--from)(\S+) ", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex Copied();

    [GeneratedRegex(@"packages\+=\(([^)]*)\)", RegexOptions.CultureInvariant)]
    private static partial Regex Added();
}
