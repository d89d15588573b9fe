namespace BalancedDiffusion.Training;

/// <summary>The update rules that a training run can use; each follows PyTorch's formulas to the letter.</summary>
public enum OptimizerKind
{
    /// <summary>Stochastic gradient descent, with momentum where it is above zero.</summary>
    Sgd,

    /// <summary>Adam; weight decay is coupled (added to the gradient).</summary>
    Adam,

    /// <summary>Adam with decoupled weight decay: the weights shrink by <c>lr · wd</c> a step, outside the
    /// gradient.</summary>
    AdamW,

    /// <summary>RMSprop, uncentred; weight decay is coupled.</summary>
    RmsProp,
}
