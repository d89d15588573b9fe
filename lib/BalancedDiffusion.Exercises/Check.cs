using System.Text.Encodings.Web;
using System.Text.Json;
using BalancedDiffusion.Notebook;

namespace BalancedDiffusion.Exercises;

/// <summary>
/// Checks answers to the exercises. An answer is a function; it is called with fresh random inputs and compared with
/// the truth, so that no constant and no number read off the page satisfies it. One row says that it is right, or what
/// is wrong without giving the answer away. Nothing is thrown into the notebook.
/// </summary>
public static class Check
{
    /// <summary>The form in which a row is recorded beside what is seen: a JSON object with <c>id</c>, <c>outcome</c>
    /// and <c>sentence</c>.</summary>
    internal const string Mime = "application/vnd.balanced-diffusion.exercise+json";

    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private static readonly SortedDictionary<string, Verdict> Verdicts = new(StringComparer.Ordinal);

    static Check() => Lab.Starting += Verdicts.Clear;

    /// <summary>Checks an answer and shows one row.</summary>
    /// <param name="id">The exercise's number, e.g. <c>03.2</c>.</param>
    /// <param name="answer">The function that the exercise asks for; its name is enough.</param>
    /// <param name="seed">The seed of the inputs, to have those of an earlier row again; fresh ones when not
    /// given.</param>
    public static void Exercise(string id, Delegate? answer, long? seed = null) => Exercise(id, (object?)answer, seed);

    /// <inheritdoc cref="Exercise(string, Delegate, long?)"/>
    /// <remarks>For an answer that is no function: one sentence says what it should be.</remarks>
    public static void Exercise(string id, object? answer, long? seed = null)
    {
        var exercise = ExerciseRegistry.Find(id);
        var verdict =
            exercise?.Judge(answer, seed ?? Random.Shared.Next(1_000_000))
            ?? new Verdict(
                Outcome.Unusable,
                $"there is no exercise '{id}'; there are {string.Join(", ", ExerciseRegistry.All.Select(e => e.Id))}"
            );
        if (exercise is not null)
            Verdicts[id] = verdict;
        Output.ShowVerdicts(
            null,
            [Row(id, exercise, verdict)],
            null,
            (
                Mime,
                JsonSerializer.Serialize(
                    new
                    {
                        id,
                        outcome = verdict.Outcome.ToString().ToLowerInvariant(),
                        sentence = verdict.Sentence,
                    },
                    Json
                )
            )
        );
    }

    /// <summary>Shows where you stand: every exercise of the chapters that were checked so far, and how many are
    /// solved.</summary>
    public static void Table()
    {
        var chapters = Verdicts.Keys.Select(Chapter).Distinct().ToList();
        var all = ExerciseRegistry.All.Where(e => chapters.Contains(Chapter(e.Id))).ToList();
        var rows = all.Select(e =>
                Row(e.Id, e, Verdicts.GetValueOrDefault(e.Id) ?? new Verdict(Outcome.Blank, "not checked yet"))
            )
            .ToList();
        Output.ShowVerdicts(
            null,
            rows,
            $"{Verdicts.Values.Count(v => v.Outcome == Outcome.Passed)} of {all.Count} exercises solved"
        );
    }

    private static string Chapter(string id) => id.Split('.')[0];

    private static string[] Row(string? id, Exercise? exercise, Verdict verdict) =>
        [
            verdict.Outcome switch
            {
                Outcome.Passed => "✓",
                Outcome.Blank => "–",
                _ => "✗",
            },
            $"{id}{(exercise is null ? "" : " · " + exercise.Title)}",
            verdict.Sentence,
        ];
}
