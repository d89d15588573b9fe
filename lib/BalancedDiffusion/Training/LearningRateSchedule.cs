using BalancedDiffusion.Runtime;

namespace BalancedDiffusion.Training;

/// <summary>How the learning rate moves over a run, as a factor of <see cref="TrainingOptions.LearningRate"/>. Made by
/// <see cref="Constant"/>, <see cref="Cosine"/> and <see cref="OneCycle"/>.</summary>
public sealed record LearningRateSchedule
{
    private enum Shape
    {
        Constant,
        Cosine,
        OneCycle,
    }

    private readonly Shape shape;
    private readonly double warmup;

    private LearningRateSchedule(Shape shape, double warmup = 0) => (this.shape, this.warmup) = (shape, warmup);

    /// <summary>The factor 1 throughout.</summary>
    public static LearningRateSchedule Constant { get; } = new(Shape.Constant);

    /// <summary>From 1 down to 0 along half a cosine: <c>(1 + cos(pi k/steps))/2</c> at step k = 0, 1, ….</summary>
    public static LearningRateSchedule Cosine { get; } = new(Shape.Cosine);

    /// <summary>From 1/25 up to 1 along half a cosine during the warm-up, then down to 0 along half a cosine.</summary>
    /// <param name="warmup">The share of the steps that the rate rises for, in (0, 1).</param>
    /// <exception cref="ArgumentOutOfRangeException">The share is outside (0, 1).</exception>
    public static LearningRateSchedule OneCycle(double warmup = 0.3)
    {
        if (!(warmup > 0 && warmup < 1))
            throw new ArgumentOutOfRangeException(nameof(warmup), $"warmup must be above 0 and below 1, was {warmup}");
        return new(Shape.OneCycle, warmup);
    }

    /// <summary>Whether the rate of a step depends on how many steps the run has: such a run cannot be lengthened
    /// afterwards.</summary>
    public bool DependsOnLength => shape != Shape.Constant;

    /// <summary>The factor at a step.</summary>
    /// <param name="step">How many steps were made before, 0 ≤ step &lt; steps.</param>
    /// <param name="steps">The length of the run, ≥ 1.</param>
    /// <returns>A number in [0, 1].</returns>
    public double Factor(long step, long steps)
    {
        Guard.AtLeast(steps, 1);
        if (step < 0 || step >= steps)
            throw new ArgumentOutOfRangeException(
                nameof(step),
                $"step must be at least 0 and below {steps}, was {step}"
            );
        var rise = warmup * steps;
        return shape switch
        {
            Shape.Constant => 1,
            Shape.Cosine => Fall((double)step / steps),
            _ when step < rise => 1 - (1 - 1 / 25.0) * Fall(step / rise),
            _ => Fall((step - rise) / (steps - rise)),
        };
    }

    private static double Fall(double t) => (1 + Math.Cos(Math.PI * t)) / 2;

    /// <inheritdoc/>
    public override string ToString() =>
        shape == Shape.OneCycle ? FormattableString.Invariant($"OneCycle(warmup {warmup:R})") : shape.ToString();
}
