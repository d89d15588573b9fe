namespace BalancedDiffusion.Memorization;

/// <summary>
/// How the local dimension of what a model has learned is read off its Jacobian J at a sample. For a posterior mean
/// <c>J = Cov[x|y]/sigma²</c>, with eigenvalues <c>v/(v + sigma²)</c> in directions of variance v: near 1 along the
/// data, near 0 across it, and 0 everywhere at an isolated, memorized sample.
/// </summary>
public enum DimensionEstimate
{
    /// <summary>The trace of J by Hutchinson's estimate, the mean of <c>zᵀJz</c> over random signs z: unbiased, with
    /// variance <c>2 Σ_{i≠j} J_ij²</c> over the probes for symmetric J; 2 runs a probe.</summary>
    Trace,

    /// <summary>
    /// FLIPD (Kamkari et al. 2024), which Ross et al. (2025) use: <c>d + d log p_sigma(x) / d log sigma = tr J +
    /// ‖f(x) - x‖²/sigma²</c>, the trace estimated as in <see cref="Trace"/>. The second term is large where the
    /// sample lies off the data.
    /// </summary>
    Flipd,

    /// <summary>
    /// The number of singular values of J above a threshold, a whole number (so ties are the rule), at most the number
    /// of probes. Found by one step of subspace iteration, 4 runs a probe (2 where there are d probes): exact for d
    /// probes, and for symmetric J (posterior means, tied ReLU-DAEs) of rank at most the probes; never too high else.
    /// </summary>
    Rank,
}
