using BalancedDiffusion.Denoisers;

namespace BalancedDiffusion.Memorization;

/// <summary>The baselines of the paper's table that can be computed from a finished sample, for a model.</summary>
public static class DetectionBaselines
{
    /// <summary>All of them; those that do not apply say so.</summary>
    /// <param name="unconditional">The model under no condition.</param>
    /// <param name="sigma">The noise level of Ross' and of the noise norms, &gt; 0.</param>
    /// <param name="largeSigma">That of Carlini's consistency, &gt; 0; large, of the order of the data's own
    /// deviation.</param>
    /// <param name="conditional">The model under the conditions of the samples that will be scored, given the index of
    /// the first and how many; null where it has none or they are not known.</param>
    /// <param name="probes">Directions of the Jacobian, ≥ 1; two runs of the model each.</param>
    /// <returns>Wen's, Ross', Carlini's, and the norm without a condition.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static IReadOnlyList<DetectionBaseline> For(
        IDenoiser unconditional,
        double sigma,
        double largeSigma,
        Func<long, long, IDenoiser>? conditional = null,
        int probes = 8
    )
    {
        ArgumentNullException.ThrowIfNull(unconditional);
        return
        [
            conditional is null
                ? new(
                    "Wen 2024",
                    null,
                    "compares the score under a condition with that under none, and the model has no "
                        + "condition or it is not known of these samples"
                )
                : new("Wen 2024", new ConditionNormDetector(conditional, unconditional, sigma), null),
            new(
                "Ross 2025",
                new JacobianDimensionDetector(unconditional, sigma, DimensionEstimate.Flipd, probes),
                null
            ),
            new("Carlini 2023", new ConsistencyDetector(unconditional, largeSigma), null),
            new("noise norm", new NoiseNormDetector(unconditional, largeSigma), null),
        ];
    }

    /// <summary>All of them for a model of classes.</summary>
    /// <param name="model">The model; where it knows no classes, Wen's does not apply.</param>
    /// <param name="labels">The class of each sample that will be scored, by its index.</param>
    /// <param name="unconditional">The model under no class.</param>
    /// <param name="sigma">See above.</param>
    /// <param name="largeSigma">See above.</param>
    /// <param name="probes">See above.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range, or a class does not
    /// exist.</exception>
    public static IReadOnlyList<DetectionBaseline> For(
        IClassDenoiser model,
        IReadOnlyList<long> labels,
        IDenoiser unconditional,
        double sigma,
        double largeSigma,
        int probes = 8
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        return For(
            unconditional,
            sigma,
            largeSigma,
            model.Classes == 0 ? null : ConditionNormDetector.Under(model, labels),
            probes
        );
    }
}
