namespace BalancedDiffusion.Reproduce.Course.Exercises;

/// <summary>What a cell of an exercise notebook is for.</summary>
public enum ExerciseCellKind
{
    /// <summary>Prose.</summary>
    Text,

    /// <summary>Code that is given.</summary>
    Code,

    /// <summary>Code with a blank to fill.</summary>
    Answer,

    /// <summary>The check of an answer.</summary>
    Check,
}
