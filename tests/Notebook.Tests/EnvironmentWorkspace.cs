using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce;
using BalancedDiffusion.Reproduce.Runner;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using Spectre.Console;

namespace BalancedDiffusion.Notebook.Tests;

/// <summary>A repository of its own in a temporary folder, with the pinned tool's manifest and the notebooks a test
/// puts there.</summary>
public sealed class EnvironmentWorkspace : IDisposable
{
    public EnvironmentWorkspace()
    {
        Root = Directory.CreateTempSubdirectory("notebooks-test-").FullName;
        File.WriteAllText(Path.Combine(Root, "Notebooks.sln"), "");
        File.Copy(
            Path.Combine(Workspace.Find(AppContext.BaseDirectory).Root, "dotnet-tools.json"),
            Path.Combine(Root, "dotnet-tools.json")
        );
        Directory.CreateDirectory(Path.Combine(Root, "notebooks"));
    }

    public string Root { get; }

    public Workspace Repository => Workspace.Find(Root);

    public NotebookFile Add(string stem, params string[] codeCells)
    {
        var file = Path.Combine(Root, "notebooks", stem + ".ipynb");
        File.WriteAllText(file, Json(codeCells));
        return NotebookFile.TryFrom(file)!;
    }

    public static string Json(params string[] codeCells)
    {
        var cells = new JsonArray(
            new JsonObject
            {
                ["cell_type"] = "markdown",
                ["id"] = "title",
                ["metadata"] = new JsonObject(),
                ["source"] = "# A small notebook",
            }
        );
        for (var i = 0; i < codeCells.Length; i++)
            cells.Add(
                new JsonObject
                {
                    ["cell_type"] = "code",
                    ["id"] = $"code-{i + 1}",
                    ["metadata"] = new JsonObject(),
                    ["source"] = codeCells[i],
                    ["outputs"] = new JsonArray(),
                    ["execution_count"] = null,
                }
            );
        return new JsonObject
        {
            ["cells"] = cells,
            ["metadata"] = new JsonObject(),
            ["nbformat"] = 4,
            ["nbformat_minor"] = 5,
        }.ToJsonString();
    }

    /// <summary>Runs a command line in the repository, or in another folder.</summary>
    public async Task<(int Code, string Output)> RunAsync(string line, string? folder = null)
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
        var code = await CommandLine.RunAsync(
            line.Split(' ', StringSplitOptions.RemoveEmptyEntries),
            console,
            folder ?? Root,
            TestContext.Current.CancellationToken
        );
        return (code, writer.ToString());
    }

    public RunOptions Options(double timeoutSeconds = 120) =>
        new("quick", "faces", "cpu", 7, Path.Combine(Root, "artifacts"), TimeSpan.FromSeconds(timeoutSeconds));

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
