namespace BalancedDiffusion.Representations;

/// <summary>One column of a ReLU-DAE's W1 and the training image it points at.</summary>
/// <param name="Unit">The hidden unit, from 0.</param>
/// <param name="Norm">The column's Euclidean norm, ≥ 0.</param>
/// <param name="Cosine">Its largest signed, uncentred cosine to any image, in [-1, 1]; 0 for an all-zero
/// column.</param>
/// <param name="ImageIndex">That image's index; -1 for an all-zero column.</param>
public sealed record WeightColumn(int Unit, double Norm, double Cosine, int ImageIndex);
