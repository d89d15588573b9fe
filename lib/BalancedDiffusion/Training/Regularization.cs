using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Training;

/// <summary>
/// The pull of the weights towards zero, stated either as the paper's lambda or as the optimizer's raw weight decay.
/// <para>
/// The paper minimizes <c>T = (1/n) Σ E‖f(x + sigma eps) - x‖² + lambda (‖W1‖² + ‖W2‖²)</c>. Training
/// minimizes the mean over all entries, which is the first term divided by d, and a coupled decay adds <c>wd · P</c>
/// to the gradient of a parameter P, which is the gradient of <c>(wd/2)‖P‖²</c>. So training descends <c>T/d</c>
/// exactly when <c>(wd/2) Σ_P ‖P‖² = (lambda/d)(‖W1‖² + ‖W2‖²)</c>: with two separate parameters <c>wd
/// = 2 lambda/d</c> (lambda = wd d/2); with one tied parameter, whose norm the penalty counts twice, <c>wd = 4
/// lambda/d</c> (lambda = wd d/4).
/// </para>
/// </summary>
public sealed record Regularization
{
    private readonly double value;
    private readonly bool isLambda;

    private Regularization(double value, bool isLambda) => (this.value, this.isLambda) = (value, isLambda);

    /// <summary>No pull at all.</summary>
    public static Regularization None { get; } = new(0, false);

    /// <summary>The paper's lambda.</summary>
    /// <param name="lambda">≥ 0 and finite; for squared norms of samples of length d, not per entry.</param>
    /// <exception cref="ArgumentOutOfRangeException">lambda is negative or not finite.</exception>
    public static Regularization FromLambda(double lambda)
    {
        Guard.NotNegative(lambda);
        return new(lambda, true);
    }

    /// <summary>The optimizer's raw weight decay, as PyTorch's <c>weight_decay</c>.</summary>
    /// <param name="weightDecay">≥ 0 and finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">The decay is negative or not finite.</exception>
    public static Regularization FromWeightDecay(double weightDecay)
    {
        Guard.NotNegative(weightDecay);
        return new(weightDecay, false);
    }

    /// <summary>The raw weight decay for a model and an optimizer.</summary>
    /// <exception cref="ArgumentException">A lambda above zero was given for AdamW or for a model that is no
    /// <see cref="ReluDae"/>.</exception>
    public double WeightDecay(IDenoiser model, OptimizerOptions optimizer)
    {
        if (!isLambda || value == 0)
            return value;
        return value / LambdaPerDecay(model, optimizer);
    }

    /// <summary>The paper's lambda for a model and an optimizer.</summary>
    /// <exception cref="ArgumentException">A decay above zero was given and the optimizer is AdamW or the model no
    /// <see cref="ReluDae"/>.</exception>
    public double Lambda(IDenoiser model, OptimizerOptions optimizer)
    {
        if (isLambda || value == 0)
            return value;
        return value * LambdaPerDecay(model, optimizer);
    }

    private static double LambdaPerDecay(IDenoiser model, OptimizerOptions optimizer)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(optimizer);
        if (!optimizer.IsDecayCoupled)
            throw new ArgumentException(
                "AdamW's decoupled decay is no penalty on the loss and has no lambda; use Adam, or "
                    + "Regularization.FromWeightDecay",
                nameof(optimizer)
            );
        if (model is not ReluDae dae)
            throw new ArgumentException(
                $"lambda is defined for the two-layer ReLU-DAE only, the model was a {model.GetType().Name}; "
                    + "use Regularization.FromWeightDecay",
                nameof(model)
            );
        return dae.IsTied ? dae.Dimension / 4.0 : dae.Dimension / 2.0;
    }

    /// <inheritdoc/>
    public override string ToString() =>
        value == 0 ? "none" : FormattableString.Invariant($"{(isLambda ? "lambda" : "weight decay")} {value:R}");
}
