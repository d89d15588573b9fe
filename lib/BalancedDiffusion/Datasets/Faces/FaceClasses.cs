namespace BalancedDiffusion.Datasets.Faces;

/// <summary>
/// Ten classes of faces for class-conditional models: they partition all faces by what is plain to see. Their
/// probabilities under <see cref="FaceDistribution"/> lie between 0.08 and 0.12. In this order: a hat; else glasses
/// of any tint; else long hair (HairLength ≥ 0.55); else a beard; else none of these. All but the first are parted by
/// age: at 1/2, the last at 1/3 and 2/3.
/// </summary>
public static class FaceClasses
{
    private const float LongHair = 0.55f;

    /// <summary>The names of the classes; a class's number is its place.</summary>
    public static IReadOnlyList<string> Names { get; } =
        Array.AsReadOnly([
            "hat",
            "glasses, younger",
            "glasses, older",
            "long hair, younger",
            "long hair, older",
            "beard, younger",
            "beard, older",
            "plain, young",
            "plain, middle-aged",
            "plain, old",
        ]);

    /// <summary>The number of a face's class, 0 to 9.</summary>
    /// <param name="factors">The face.</param>
    public static int Of(FaceFactors factors)
    {
        ArgumentNullException.ThrowIfNull(factors);
        var older = factors.Age >= 0.5f ? 1 : 0;
        return factors switch
        {
            { Hat: > 0 } => 0,
            { Glasses: > 0 } => 1 + older,
            { HairLength: >= LongHair } => 3 + older,
            { Beard: > 0 } => 5 + older,
            { Age: < 1f / 3 } => 7,
            { Age: < 2f / 3 } => 8,
            _ => 9,
        };
    }
}
