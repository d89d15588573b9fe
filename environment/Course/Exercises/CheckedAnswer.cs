using System.Text.Json.Nodes;
using BalancedDiffusion.Reproduce.Runner.Notebooks;

namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>What the check of an exercise said, read from the output of its cell.</summary>
/// <param name="Id">The exercise.</param>
/// <param name="Outcome"><c>passed</c>, <c>wrong</c>, <c>blank</c> or <c>unusable</c>; or <see cref="None"/>.</param>
/// <param name="Sentence">What was said.</param>
public sealed record CheckedAnswer(string Id, string Outcome, string Sentence)
{
    /// <summary>The outcome where no check spoke, or more than one.</summary>
    public const string None = "none";

    private const string Mime = "application/vnd.balanced-diffusion.exercise+json";

    /// <summary>Whether the answer is right.</summary>
    public bool IsPassed => Outcome == "passed";

    /// <summary>Whether it was left blank.</summary>
    public bool IsBlank => Outcome == "blank";

    /// <summary>Reads what the check of a task said in a notebook that was run.</summary>
    /// <param name="task">The task.</param>
    /// <param name="document">The notebook with its outputs.</param>
    public static CheckedAnswer Read(ExerciseTask task, NotebookDocument document)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(document);
        var said = Outputs(document, task.CheckCell)
            .Select(o => o["data"]?[Mime] as JsonObject)
            .OfType<JsonObject>()
            .ToList();
        if (said.Count > 1)
            return new CheckedAnswer(
                task.Id,
                None,
                $"{said.Count} verdicts came from one check; look at what the answer does"
            );
        if (said.Count == 1)
            return new CheckedAnswer(
                task.Id,
                NotebookText.Join(said[0]["outcome"]),
                NotebookText.Join(said[0]["sentence"])
            );
        var errors = new[] { ("the answer", task.AnswerCell), ("the check", task.CheckCell) }.SelectMany(c =>
            Outputs(document, c.Item2)
                .Where(o => NotebookText.Join(o["output_type"]) == "error")
                .Select(o => (c.Item1, Error: o))
        );
        return new CheckedAnswer(
            task.Id,
            None,
            errors
                .Select(e =>
                    $"{e.Item1} failed: {NotebookText.Join(e.Error["ename"])}: "
                    + $"{NotebookText.Join(e.Error["evalue"]).Split('\n')[0]}"
                )
                .FirstOrDefault()
                ?? "the check did not run"
        );
    }

    private static IEnumerable<JsonObject> Outputs(NotebookDocument document, string cell) =>
        document.CodeCells.Single(c => c.Id == cell).Outputs;
}
