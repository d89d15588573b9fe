using System.Globalization;
using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Training;

/// <summary>How a run estimates its gradients.</summary>
/// <param name="Estimator">Sampled or projected.</param>
/// <param name="NoiseDraws">Noises a sample.</param>
internal sealed record GradientPlan(GradientEstimator Estimator, int NoiseDraws)
{
    // The best trade at the paper's sizes (tests/Benchmarks): a pair costs a tenth more time than one noise, and the
    // variance that is left comes from the choice of samples.
    private const int UsualDraws = 1;
    private const string EstimatorName = "gradient estimator",
        DrawsName = "noise draws";

    /// <summary>Noise in the samples.</summary>
    public static GradientPlan Sampled { get; } = new(GradientEstimator.Sampled, 1);

    /// <summary>The plan that the options ask for, or the cheaper one.</summary>
    /// <param name="model">The model.</param>
    /// <param name="trained">How many of its parameters are trained.</param>
    /// <param name="batch">Samples a step.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">They ask for what this model cannot have.</exception>
    public static GradientPlan Choose(torch.nn.Module model, int trained, long batch, TrainingOptions options)
    {
        var obstacle = Obstacle(model, trained, options);
        var isAsked = options.Gradient == GradientEstimator.Projected || options.NoiseDraws > 1;
        if (isAsked && options.Gradient == GradientEstimator.Sampled)
            throw new ArgumentException(
                $"NoiseDraws = {options.NoiseDraws} needs the projected gradient; leave Gradient automatic, or take 1"
            );
        if (isAsked && obstacle is not null)
            throw new ArgumentException($"the projected gradient {obstacle}; leave Gradient and NoiseDraws unset");
        var projected = new GradientPlan(GradientEstimator.Projected, options.NoiseDraws ?? UsualDraws);
        if (isAsked)
            return projected;
        if (options.Gradient == GradientEstimator.Sampled || obstacle is not null)
            return Sampled;
        var (dimension, units, isTied) = model switch
        {
            ReluDae dae => (dae.Dimension, dae.Units, dae.IsTied),
            ReluDiffusion diffusion => (diffusion.Dimension, diffusion.Units, true),
            _ => throw new ArgumentException($"{model.GetType().Name} has no projected gradient", nameof(model)),
        };
        return
            GradientCost.Projected(batch, dimension, units, isTied, projected.NoiseDraws)
            < GradientCost.Sampled(batch, dimension, units)
            ? projected
            : Sampled;
    }

    /// <summary>This plan, where the model can have it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="trained">How many of its parameters are trained.</param>
    /// <param name="batch">Samples a step.</param>
    /// <param name="options">The other options.</param>
    /// <exception cref="ArgumentException">It cannot.</exception>
    public GradientPlan For(torch.nn.Module model, int trained, long batch, TrainingOptions options) =>
        Choose(model, trained, batch, options with { Gradient = Estimator, NoiseDraws = NoiseDraws });

    private static string? Obstacle(torch.nn.Module model, int trained, TrainingOptions options)
    {
        if (model is not (ReluDae or ReluDiffusion))
            return $"is known for ReluDae and ReluDiffusion, not for {model.GetType().Name}";
        if (trained != model.parameters().Count())
            return "needs every parameter of the model to be trained";
        return options.Weighting == LossWeighting.None ? null : "has no weighting of the loss";
    }

    /// <summary>E.g. "projected with 2 noises a sample".</summary>
    public override string ToString() =>
        Estimator == GradientEstimator.Sampled
            ? "sampled"
            : string.Create(
                CultureInfo.InvariantCulture,
                $"projected with {NoiseDraws} noise{(NoiseDraws == 1 ? "" : "s")} a sample"
            );

    /// <summary>What decides the numbers of a run, by name; nothing where noise is sampled, so that checkpoints from
    /// before there was another way still fit.</summary>
    public IEnumerable<KeyValuePair<string, string>> Identity() =>
        Estimator == GradientEstimator.Sampled
            ? []
            :
            [
                KeyValuePair.Create(EstimatorName, "projected"),
                KeyValuePair.Create(DrawsName, NoiseDraws.ToString(CultureInfo.InvariantCulture)),
            ];

    /// <summary>The plan that a run was begun with.</summary>
    /// <param name="identity">What its checkpoint says.</param>
    public static GradientPlan Read(IReadOnlyDictionary<string, string> identity) =>
        identity.ContainsKey(EstimatorName)
        && identity.TryGetValue(DrawsName, out var text)
        && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var draws)
            ? new(GradientEstimator.Projected, draws)
            : Sampled;
}
