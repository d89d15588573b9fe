using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Training;

namespace BalancedDiffusion.Benchmarks;

/// <summary>The variance of a gradient over batches and noise, for a ReLU-DAE of the paper's size on 10,000 faces: at
/// the random weights that a training begins with, and halfway through the generalizing recipe.</summary>
public static class GradientVariance
{
    private static readonly Dictionary<(int, bool), double> Known = [];

    /// <summary>The variance of the sampled gradient over that of the projected one.</summary>
    /// <param name="draws">Noises a sample: 1 or an even number.</param>
    /// <param name="isTrained">Halfway through the recipe, or at its beginning.</param>
    public static double SampledOverProjected(int draws, bool isTrained)
    {
        if (Known.TryGetValue((draws, isTrained), out var known))
            return known;
        using var faces = new ParametricFaces().Train(10_000);
        using var model = new ReluDae(faces.Dimension, 100, seed: 5);
        var recipe = TrainingRecipes.Generalizing;
        if (isTrained)
            Trainer.Fit(model, faces.Vectors, recipe with { Steps = recipe.Steps / 2, Seed = 6 }).Dispose();
        double Variance(GradientEstimator estimator, int? noises)
        {
            var options = recipe with { Seed = 7, Gradient = estimator, NoiseDraws = noises };
            using var moments = GradientMoments.Measure(model, faces.Vectors, options, repeats: 300);
            return moments.Variance;
        }
        return Known[(draws, isTrained)] =
            Variance(GradientEstimator.Sampled, null) / Variance(GradientEstimator.Projected, draws);
    }
}
