namespace BalancedDiffusion.Representations;

/// <summary>One column of a weight matrix and the training sample that it is most like.</summary>
/// <param name="Column">The number of the hidden unit, from 0.</param>
/// <param name="Norm">The column's Euclidean norm.</param>
/// <param name="Cosine">The largest signed, uncentred cosine to any training sample; 0 for a zero column.</param>
/// <param name="Nearest">The index of that sample.</param>
public sealed record ColumnCosine(int Column, double Norm, double Cosine, int Nearest);
