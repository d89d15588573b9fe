namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>A cell of an exercise notebook, as its source has it.</summary>
/// <param name="Id">The cell's id, the same in every build.</param>
/// <param name="Kind">What it is for.</param>
/// <param name="Blank">Its text for students.</param>
/// <param name="Solved">Its text with the solution; the same but for answers.</param>
public sealed record ExerciseCell(string Id, ExerciseCellKind Kind, string Blank, string Solved);
