using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace BalancedDiffusion.Reproduce.Runner;

/// <summary>Writes the results of a run into a folder. It holds the last run's results only; just the timings outlive a
/// run.</summary>
public sealed partial class ArtifactWriter
{
    private static readonly JsonSerializerOptions Layout = new()
    {
        WriteIndented = true,
        NewLine = "\n",
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private readonly string folder;
    private readonly Dictionary<string, IReadOnlyList<Figure>> figures = [];

    /// <summary>Writes to this folder, which is made where it is missing.</summary>
    public ArtifactWriter(string folder) => this.folder = folder;

    /// <summary>Removes what an earlier run wrote, and nothing else that may lie in the folder.</summary>
    public void Clear()
    {
        Directory.CreateDirectory(folder);
        foreach (var name in new[] { "claims.json", "run.json", "report.html" })
            File.Delete(Path.Combine(folder, name));
        foreach (var sub in new[] { "notebooks", "figures" })
        {
            var path = Path.Combine(folder, sub);
            if (!Directory.Exists(path))
                continue;
            foreach (
                var file in Directory.EnumerateFiles(path).Where(f => Ours().IsMatch(Path.GetFileName(f))).ToList()
            )
                File.Delete(file);
        }
    }

    /// <summary>Writes the executed notebook and its figures.</summary>
    public void WriteNotebook(NotebookResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        if (result.Document is null)
            return;
        result.Document.Save(Path.Combine(folder, "notebooks", result.Notebook.Stem + ".ipynb"));
        foreach (
            var figure in figures[result.Notebook.Stem] = FigureExtractor.Extract(result.Document, result.Notebook.Stem)
        )
        {
            Directory.CreateDirectory(Path.Combine(folder, "figures"));
            File.WriteAllBytes(Path.Combine(folder, "figures", figure.FileName), figure.Bytes);
        }
    }

    /// <summary>Writes <c>claims.json</c>, <c>run.json</c> and <c>report.html</c>.</summary>
    public void WriteSummary(RunSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        Write(
            "claims.json",
            new JsonArray(summary.Claims.Select(c => (JsonNode)c.ToJson()).ToArray()).ToJsonString(Layout) + "\n"
        );
        Write("run.json", summary.ToJson().ToJsonString(Layout) + "\n");
        Write(
            "report.html",
            HtmlReport.Render(
                summary,
                summary.Results.SelectMany(r => figures.GetValueOrDefault(r.Notebook.Stem, [])).ToList()
            )
        );
    }

    private void Write(string name, string text)
    {
        var part = Path.Combine(folder, name + ".part");
        File.WriteAllText(part, text);
        File.Move(part, Path.Combine(folder, name), overwrite: true);
    }

    [GeneratedRegex(@"^\d\d-.*\.(ipynb|png|svg|jpg|gif)$", RegexOptions.CultureInvariant)]
    private static partial Regex Ours();
}
