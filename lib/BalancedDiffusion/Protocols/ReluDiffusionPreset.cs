using BalancedDiffusion.Datasets;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// One of the two ReLU diffusions of the paper as this repository trains them: which images, which recipe, and the name
/// of the file that the result is kept under.
/// </summary>
/// <param name="Name"><c>memorizing</c> or <c>generalizing</c>.</param>
/// <param name="Most">The most images it is trained on.</param>
/// <param name="Recipe">How it is trained.</param>
public sealed record ReluDiffusionPreset(string Name, int Most, TrainingOptions Recipe)
{
    private const int Pool = 2000;

    /// <summary>
    /// The levels both are trained at, log-uniform in [0.02, 20]. The authors stop at 2, where an image of norm 14
    /// still stands out of the noise by seven standard deviations, so that sampling from pure noise starts far from the
    /// distribution the network knows; at 20 the two are close.
    /// </summary>
    public static LogUniformSigma Levels { get; } = new(0.02, 20);

    /// <summary>Units of the hidden layer and width of the gain network: the authors' 256.</summary>
    public const int Units = 256;

    /// <summary>Five images, the least alike of the first 2,000; RMSprop with a rate that falls along a cosine, where
    /// the authors keep it constant.</summary>
    public static ReluDiffusionPreset Memorizing { get; } =
        new(
            "memorizing",
            5,
            new TrainingOptions
            {
                Steps = 20_000,
                BatchSize = 64,
                Optimizer = OptimizerOptions.RmsProp(),
                LearningRate = 1e-3,
                Schedule = LearningRateSchedule.Cosine,
                Regularization = Regularization.FromWeightDecay(1e-4),
                Noise = Levels,
                LogEvery = 200,
            }
        );

    /// <summary>All images, at most 60,000; Adam with a one-cycle rate up to 3e-3 and a fifth of the
    /// authors' 200,000 steps.</summary>
    public static ReluDiffusionPreset Generalizing { get; } =
        new(
            "generalizing",
            60_000,
            new TrainingOptions
            {
                Steps = 40_000,
                BatchSize = 256,
                Optimizer = OptimizerOptions.Adam(),
                LearningRate = 3e-3,
                Schedule = LearningRateSchedule.OneCycle(),
                Regularization = Regularization.FromWeightDecay(1e-5),
                Noise = Levels,
                LogEvery = 500,
            }
        );

    /// <summary>Both.</summary>
    public static IReadOnlyList<ReluDiffusionPreset> All { get; } = [Memorizing, Generalizing];

    /// <summary>The images that it is trained on.</summary>
    /// <param name="source">Where they come from.</param>
    /// <param name="count">How many at most; null for <see cref="Most"/>.</param>
    /// <returns>For few images (five at most) those of the first 2,000 that are least alike, see
    /// <see cref="SeparableSubset.Find"/>; else the first.</returns>
    /// <exception cref="ArgumentOutOfRangeException">count is below 2.</exception>
    public ImageDataset Images(IImageSource source, int? count = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        var wanted = Math.Min(count ?? Most, source.TrainCapacity);
        Guard.AtLeast(wanted, 2, nameof(count));
        if (Most > Pool)
            return source.Train(wanted);
        var pool = source.Train(Math.Min(Pool, source.TrainCapacity));
        return pool.Select(SeparableSubset.Find(pool.Vectors, wanted, seed: 0).Indices);
    }

    /// <summary>The file that its weights are kept under, below a data folder.</summary>
    /// <param name="data">The data set's name, e.g. <c>faces</c>.</param>
    public string File(string data) => $"checkpoints/relu-diffusion-{Name}-{data}.safetensors";
}
