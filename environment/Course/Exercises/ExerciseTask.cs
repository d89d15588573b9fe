namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>One exercise of a source.</summary>
/// <param name="Id">Chapter and number, e.g. <c>03.2</c>.</param>
/// <param name="Title">Its title.</param>
/// <param name="AnswerName">The name of the function that the check is given.</param>
public sealed record ExerciseTask(string Id, string Title, string AnswerName)
{
    /// <summary>The id of the cell with the answer, e.g. <c>03-2-answer</c>.</summary>
    public string AnswerCell => CellPrefix(Id) + "answer";

    /// <summary>The id of the cell with the check.</summary>
    public string CheckCell => CellPrefix(Id) + "check";

    internal static string CellPrefix(string id) => id.Replace('.', '-') + "-";
}
