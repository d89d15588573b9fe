using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>Notebooks made from a source of exercises.</summary>
public static class ExerciseNotebook
{
    /// <summary>The notebook for students, with blanks and without outputs: the same text whenever it is made from the
    /// same source.</summary>
    public static NotebookDocument Blank(ExerciseSource source) => Make(source, cell => cell.Blank);

    /// <summary>The notebook with the solutions filled in.</summary>
    public static NotebookDocument Solved(ExerciseSource source) => Make(source, cell => cell.Solved);

    /// <summary>A notebook whose cells have the texts of a source, or what is put in their place.</summary>
    /// <param name="source">The source.</param>
    /// <param name="text">Gives the text of a cell.</param>
    public static NotebookDocument Make(ExerciseSource source, Func<ExerciseCell, string> text)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(text);
        var cells = new JsonArray();
        foreach (var cell in source.Cells)
        {
            var json = new JsonObject { ["cell_type"] = cell.Kind == ExerciseCellKind.Text ? "markdown" : "code" };
            if (cell.Kind != ExerciseCellKind.Text)
                json["execution_count"] = null;
            json["id"] = cell.Id;
            json["metadata"] = new JsonObject();
            if (cell.Kind != ExerciseCellKind.Text)
                json["outputs"] = new JsonArray();
            json["source"] = NotebookText.Split(text(cell));
            cells.Add(json);
        }
        var document = NotebookDocument.Parse(
            new JsonObject
            {
                ["cells"] = cells,
                ["metadata"] = new JsonObject(),
                ["nbformat"] = 4,
                ["nbformat_minor"] = 5,
            }.ToJsonString()
        );
        document.SetCanonicalMetadata();
        return document;
    }
}
