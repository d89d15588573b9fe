namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of one notebook. A class that derives from this one is found by the registry.</summary>
internal abstract class Chapter
{
    /// <summary>The exercises in their order.</summary>
    public abstract IReadOnlyList<Exercise> Exercises { get; }
}
