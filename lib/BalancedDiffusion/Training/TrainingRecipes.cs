using BalancedDiffusion.Noise;

namespace BalancedDiffusion.Training;

/// <summary>
/// Ready-made options for the two ReLU-DAEs of the paper (d = 1024, p = 100, tied, sigma = 0.2). The authors tie by two
/// optimizer entries over one storage, each with its own decay, so their weight decays 1e-2 and 1e-4 mean lambda = wd
/// d/2 = 5.12 and 0.0512; one tied parameter with the same raw decay has half of that lambda. The two fast recipes
/// state the authors' lambda itself.
/// </summary>
public static class TrainingRecipes
{
    /// <summary>The lambda of the authors' memorizing model, for d = 1024.</summary>
    public const double MemorizingLambda = 5.12;

    /// <summary>The lambda of the authors' generalizing model, for d = 1024.</summary>
    public const double GeneralizingLambda = 0.0512;

    /// <summary>The authors' settings for five images: RMSprop at 1e-3, raw weight decay 1e-2, full batch, 50,000
    /// steps.</summary>
    public static TrainingOptions AuthorsMemorizing { get; } =
        new()
        {
            Steps = 50_000,
            BatchSize = 0,
            Optimizer = OptimizerOptions.RmsProp(),
            LearningRate = 1e-3,
            Regularization = Regularization.FromWeightDecay(1e-2),
            Noise = new FixedSigma(0.2),
            LogEvery = 500,
        };

    /// <summary>The authors' settings for 10,000 images: Adam at 1e-4, raw weight decay 1e-4, batches of 256, 50,000
    /// steps.</summary>
    public static TrainingOptions AuthorsGeneralizing { get; } =
        new()
        {
            Steps = 50_000,
            BatchSize = 256,
            Optimizer = OptimizerOptions.Adam(),
            LearningRate = 1e-4,
            Regularization = Regularization.FromWeightDecay(1e-4),
            Noise = new FixedSigma(0.2),
            LogEvery = 500,
        };

    /// <summary>
    /// Memorizes few images: RMSprop with a rate that falls from 3e-3 to zero along a cosine, so that the columns
    /// settle on Corollary 3.2's. The loss of <see cref="AuthorsMemorizing"/> is met with 1,000 steps, a
    /// fiftieth of theirs; RMSprop takes the other 3,000 to gather what a sample has in several columns into one or
    /// two.
    /// </summary>
    public static TrainingOptions Memorizing { get; } =
        new()
        {
            Steps = 4_000,
            BatchSize = 0,
            Optimizer = OptimizerOptions.RmsProp(),
            LearningRate = 3e-3,
            Schedule = LearningRateSchedule.Cosine,
            Regularization = Regularization.FromLambda(MemorizingLambda),
            Noise = new FixedSigma(0.2),
            LogEvery = 50,
        };

    /// <summary>Generalizes from many images: Adam with a shorter memory for squares and a one-cycle rate up to 1.6e-2,
    /// batches of 256. A sixtieth of the steps of <see cref="AuthorsGeneralizing"/>, and ends within one per cent of
    /// its loss.</summary>
    public static TrainingOptions Generalizing { get; } =
        new()
        {
            Steps = 800,
            BatchSize = 256,
            Optimizer = OptimizerOptions.Adam(beta2: 0.99),
            LearningRate = 1.6e-2,
            Schedule = LearningRateSchedule.OneCycle(0.3),
            Regularization = Regularization.FromLambda(GeneralizingLambda),
            Noise = new FixedSigma(0.2),
            LogEvery = 20,
        };
}
