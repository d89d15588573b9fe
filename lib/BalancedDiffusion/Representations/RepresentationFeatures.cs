using System.Text.Json.Serialization;

namespace BalancedDiffusion.Representations;

/// <summary>The numbers of one representation that the authors' lists hold.</summary>
/// <param name="StandardDeviation">Over the units, population.</param>
/// <param name="Norm">The l2 norm.</param>
/// <param name="L4OverL2">The l4 norm over the l2 norm.</param>
public sealed record RepresentationFeatures(
    [property: JsonPropertyName("std")] double StandardDeviation,
    [property: JsonPropertyName("l2")] double Norm,
    [property: JsonPropertyName("l4_over_l2")] double L4OverL2
);
