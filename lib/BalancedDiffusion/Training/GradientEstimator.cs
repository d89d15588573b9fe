namespace BalancedDiffusion.Training;

/// <summary>How the gradient of a ReLU-DAE's loss is estimated from a batch. Both have the same expectation.</summary>
public enum GradientEstimator
{
    /// <summary>The cheaper one, by <see cref="GradientCost"/>; <see cref="Sampled"/> for a model that is no ReLU-DAE.
    /// A run that goes on from a checkpoint keeps what it was begun with.</summary>
    Automatic,

    /// <summary>Noise is drawn for each entry of a sample, as in Equation 3.</summary>
    Sampled,

    /// <summary>Noise is drawn in the pre-activations, and what it leaves open is averaged exactly; see
    /// <see cref="ProjectedStep"/>. Needs a <c>ReluDae</c> or <c>ReluDiffusion</c> of which every parameter is trained,
    /// and no weighting of the loss.</summary>
    Projected,
}
