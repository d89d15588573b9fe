namespace BalancedDiffusion.Theory;

/// <summary>How far clusters are from each other and how tight they are: the paper's (alpha,
/// beta)-separability.</summary>
/// <param name="Alpha">The largest <c>‖x_kj - m_k‖ / ‖m_k‖</c> over clusters and samples, ≥ 0; infinite where
/// a mean is zero.</param>
/// <param name="Beta">The largest cosine between two cluster means, in [-1, 1]; negative infinity for a single
/// cluster.</param>
/// <param name="WorstPair">The clusters with that cosine, or (0, 0) for a single one.</param>
/// <param name="WidestCluster">The cluster that sets alpha.</param>
/// <param name="Clusters">M, the number of clusters.</param>
public sealed record SeparabilityReport(
    double Alpha,
    double Beta,
    (int First, int Second) WorstPair,
    int WidestCluster,
    int Clusters
);
