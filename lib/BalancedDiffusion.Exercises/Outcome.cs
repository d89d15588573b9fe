namespace BalancedDiffusion.Exercises;

/// <summary>What a check says of an answer.</summary>
internal enum Outcome
{
    /// <summary>Right in every case.</summary>
    Passed,

    /// <summary>Wrong in at least one case.</summary>
    Wrong,

    /// <summary>Left blank.</summary>
    Blank,

    /// <summary>No exercise of this name, or an answer of another type than the one asked for.</summary>
    Unusable,
}
