using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>Lines can be read without scrolling.</summary>
public sealed class LineLengthTests
{
    private static readonly Workspace Repository = Workspace.Find(AppContext.BaseDirectory);

    [Fact]
    public void NoLineOfCsharpIsLongerThan120Characters() =>
        Assert.Empty(
            new[] { "lib", "environment", "tests" }
                .SelectMany(folder =>
                    Directory.EnumerateFiles(Path.Combine(Repository.Root, folder), "*.cs", SearchOption.AllDirectories)
                )
                .Select(file => Path.GetRelativePath(Repository.Root, file).Replace('\\', '/'))
                .Where(file => !file.Split('/').Any(part => part is "bin" or "obj"))
                .SelectMany(file =>
                    File.ReadLines(Path.Combine(Repository.Root, file))
                        .Select((line, i) => (line.Length, Place: $"{file}, line {i + 1}"))
                )
                .Where(line => line.Length > 120)
                .Select(line => $"{line.Place}: {line.Length} characters")
        );
}
