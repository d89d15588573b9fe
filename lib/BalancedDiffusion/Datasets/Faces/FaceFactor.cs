namespace BalancedDiffusion.Datasets.Faces;

/// <summary>What is known of one factor of a face: its name, its range and what it does to the picture.</summary>
/// <param name="Name">The name of the property of <see cref="FaceFactors"/>, e.g. <c>Age</c>.</param>
/// <param name="Min">The least value allowed.</param>
/// <param name="Max">The greatest value allowed.</param>
/// <param name="Meaning">What the least and the greatest value stand for.</param>
public sealed record FaceFactor(string Name, float Min, float Max, string Meaning);
