namespace BalancedDiffusion.Exercises;

/// <summary>All exercises that can be checked.</summary>
internal static class ExerciseRegistry
{
    private static readonly Lazy<IReadOnlyList<Exercise>> Found = new(() =>
        [
            .. typeof(Chapter)
                .Assembly.GetTypes()
                .Where(t => t.IsSubclassOf(typeof(Chapter)) && !t.IsAbstract)
                .SelectMany(t => ((Chapter)Activator.CreateInstance(t)!).Exercises)
                .OrderBy(e => e.Id, StringComparer.Ordinal),
        ]
    );

    /// <summary>The exercises in the order of their ids.</summary>
    public static IReadOnlyList<Exercise> All => Found.Value;

    /// <summary>The exercise of this id, or null.</summary>
    public static Exercise? Find(string? id) => All.FirstOrDefault(e => e.Id == id);
}
