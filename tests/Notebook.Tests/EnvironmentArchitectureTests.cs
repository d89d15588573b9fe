using System.Text.RegularExpressions;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Tests.Architecture;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>The runner's parts use each other in one direction, and lie in folders of their names.</summary>
public sealed class EnvironmentArchitectureTests
{
    private const string Root = "BalancedDiffusion.Reproduce";

    private static readonly IReadOnlyDictionary<string, IReadOnlySet<string>> Graph = NamespaceGraph.Read(
        typeof(CommandLine).Assembly.Location,
        Root
    );

    [Fact]
    public void NoNamespacesUseEachOtherInACircle() => Assert.Empty(NamespaceGraph.Cycle(Graph));

    [Theory]
    [InlineData("Runner")]
    [InlineData("Site", "Runner")]
    [InlineData("Course", "Runner")]
    [InlineData("Commands", "Runner", "Site", "Course")]
    public void APartUsesOnlyThoseBelowIt(string part, params string[] allowed)
    {
        var inside = Graph.Where(entry => IsIn(part, entry.Key)).ToList();
        Assert.NotEmpty(inside);
        Assert.DoesNotContain(
            inside.SelectMany(entry => entry.Value),
            used => !IsIn(part, used) && !allowed.Any(other => IsIn(other, used))
        );
    }

    [Fact]
    public void EveryNamespaceBelongsToAPart() =>
        Assert.All(
            Graph.Keys,
            name =>
                Assert.True(
                    name == Root || new[] { "Runner", "Site", "Course", "Commands" }.Any(part => IsIn(part, name)),
                    name
                )
        );

    [Fact]
    public void EveryFileLiesInTheFolderOfItsNamespace()
    {
        var folder = Path.Combine(Workspace.Find(AppContext.BaseDirectory).Root, "environment");
        var seen = 0;
        foreach (var file in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
        {
            var path = Path.GetRelativePath(folder, Path.GetDirectoryName(file)!).Split('/', '\\');
            var found = Regex.Match(File.ReadAllText(file), @"^namespace ([\w.]+);", RegexOptions.Multiline);
            if (!found.Success || path[0] is "bin" or "obj")
                continue;
            seen++;
            Assert.Equal(string.Join('.', [Root, .. path.Where(part => part != ".")]), found.Groups[1].Value);
        }
        Assert.True(seen > 80, $"{seen} files");
    }

    private static bool IsIn(string part, string name) =>
        name == $"{Root}.{part}" || name.StartsWith($"{Root}.{part}.", StringComparison.Ordinal);
}
