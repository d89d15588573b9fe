using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Tests.Architecture;

/// <summary>The folders of the library and what each uses, read from the compiled assembly.</summary>
public class LibraryFoldersTests
{
    private const string Root = "BalancedDiffusion";

    private static readonly IReadOnlyDictionary<string, IReadOnlySet<string>> Graph = NamespaceGraph.Read(
        typeof(TorchRuntime).Assembly.Location,
        Root
    );

    [Fact]
    public void NoFolderUsesItselfInACircle() => Assert.Empty(NamespaceGraph.Cycle(Graph));

    [Fact]
    public void TheTableOfFoldersIsTheGraphAndEachRowUsesOnlyTheRowsAboveIt()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "Notebooks.sln")))
            folder = folder.Parent ?? throw new InvalidOperationException("the tests do not run inside the repository");
        var rows = File.ReadLines(Path.Combine(folder.FullName, "lib", "README.md"))
            .SkipWhile(line => !line.StartsWith("| folder |", StringComparison.Ordinal))
            .Skip(2)
            .TakeWhile(line => line.StartsWith('|'))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))
            .Select(cells => (Folder: cells[1].Trim('`'), Uses: Names(cells[3])))
            .ToArray();

        string Short(string name) => name[(Root.Length + 1)..];
        var expected = Graph.ToDictionary(entry => Short(entry.Key), entry => entry.Value.Select(Short).Order());
        Assert.Equal(expected.Keys.Order(), rows.Select(row => row.Folder).Order());
        Assert.All(rows, row => Assert.Equal(expected[row.Folder], row.Uses.Order()));
        for (var i = 0; i < rows.Length; i++)
            Assert.Subset(rows[..i].Select(row => row.Folder).ToHashSet(), rows[i].Uses.ToHashSet());
    }

    private static string[] Names(string cell) =>
        cell.Split([", ", " "], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
