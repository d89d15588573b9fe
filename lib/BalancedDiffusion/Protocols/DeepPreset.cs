using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// One of the six deep networks as this repository trains them: a U-Net or a DiT, memorizing, generalizing or hybrid;
/// which images, which recipe, and the name of the file that the result is kept under.
/// </summary>
/// <param name="Architecture">The network.</param>
/// <param name="Regime">What its images make of it.</param>
public sealed record DeepPreset(DeepArchitecture Architecture, TrainingRegime Regime)
{
    /// <summary>How many images the memorizing network has, and how many are repeated for the hybrid one.</summary>
    public const int Few = 10;

    /// <summary>How many images occur once in the two large sets, where the data set has as many.</summary>
    public const int Many = 20_000;

    /// <summary>The standard deviation of the data in the preconditioning and in the weighting of the loss:
    /// EDM's.</summary>
    public const double SigmaData = 0.5;

    /// <summary>The six.</summary>
    public static IReadOnlyList<DeepPreset> All { get; } =
    [
        .. from architecture in Enum.GetValues<DeepArchitecture>()
        from regime in Enum.GetValues<TrainingRegime>()
        select new DeepPreset(architecture, regime),
    ];

    /// <summary>The name that it is asked for by, e.g. <c>unet-hybrid</c>.</summary>
    public string Name => $"{Architecture}-{Regime}".ToLowerInvariant();

    /// <summary>
    /// EDM's training at a small scale: its distribution of levels and weighting, Adam with a one-cycle rate, batches
    /// of 32, a EMA of the weights. The transformer's steps are cheaper and it needs more of them; few images need
    /// fewer.
    /// </summary>
    public TrainingOptions Recipe =>
        new()
        {
            Steps = (Architecture, Regime) switch
            {
                (DeepArchitecture.UNet, TrainingRegime.Memorizing) => 1500,
                (DeepArchitecture.UNet, _) => 3000,
                (_, TrainingRegime.Memorizing) => 3000,
                _ => 14_000,
            },
            BatchSize = 32,
            Optimizer = OptimizerOptions.Adam(),
            LearningRate = 3e-3,
            Schedule = LearningRateSchedule.OneCycle(0.1),
            GradientClip = 1,
            Noise = new LogNormalSigma(-1.2, 1.2),
            Weighting = LossWeighting.Edm(SigmaData),
            EmaDecay = 0.995,
            LogEvery = 100,
        };

    /// <summary>The images that it is trained on.</summary>
    /// <param name="source">Where they come from.</param>
    /// <param name="many">How many occur once in the large sets; null for <see cref="Many"/>, or for as many as the
    /// source has beside the first ten.</param>
    /// <returns>
    /// Memorizing: the first ten images. Generalizing: those after them, once each. Hybrid: all of these together, the
    /// first ten repeated so often that half of the set are duplicates. The caller owns them.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">many is below ten or more than the source has.</exception>
    public DeepTrainingSet Images(IImageSource source, int? many = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (Regime == TrainingRegime.Memorizing)
            return new DeepTrainingSet(source.Train(Few), Few);
        var most = source.TrainCapacity - Few;
        var once = many ?? Math.Min(Many, most);
        Guard.AtLeast(once, Few, nameof(many));
        if (once > most)
            throw new ArgumentOutOfRangeException(
                nameof(many),
                $"many must be at most {most} for {source.Name}, was {once}"
            );
        var all = source.Train(Few + once);
        if (Regime == TrainingRegime.Hybrid)
            return new DeepTrainingSet(all, Few, once / Few);
        using (all)
            return new DeepTrainingSet(all.Select([.. Enumerable.Range(Few, once)]));
    }

    /// <summary>A fresh network for images of a size: about half a million weights.</summary>
    /// <param name="images">Images of the size.</param>
    /// <param name="seed">The seed of its weights.</param>
    /// <returns>An <see cref="EdmPreconditioner"/> or a <see cref="DitDenoiser"/>, both torch modules; the caller
    /// disposes it.</returns>
    /// <exception cref="ArgumentException">The images are not square, or their side is no multiple of 4.</exception>
    public IDenoiser Create(ImageDataset images, long seed)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Height != images.Width || images.Height % 4 != 0)
            throw new ArgumentException(
                $"images must be square with a side that is a multiple of 4, were {images.Height}×{images.Width}",
                nameof(images)
            );
        return Architecture == DeepArchitecture.UNet
            ? new EdmPreconditioner(
                SongUNetOptions.Slim with
                {
                    Resolution = images.Height,
                    Channels = images.Channels,
                    AttentionResolutions = [images.Height / 4],
                },
                seed,
                SigmaData
            )
            : DitDenoiser.Preconditioned(
                new Dit(DitOptions.Tiny with { InputSize = images.Height, Channels = images.Channels }, seed),
                SigmaData
            );
    }

    /// <summary>Trains a network that <see cref="Create"/> made, in place; at its end, cancelled or not, the network
    /// has the EMA of its weights and is in evaluation mode.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">Its images.</param>
    /// <param name="recipe">How; null for <see cref="Recipe"/>.</param>
    /// <param name="progress">Receives every new row of the history, or null.</param>
    /// <param name="cancellation">Stops the run between two steps.</param>
    /// <returns>The history, which the caller disposes.</returns>
    /// <exception cref="ArgumentException">The network is of neither kind, or data, network and recipe do not go
    /// together (see <see cref="Trainer"/>).</exception>
    public TrainingResult Fit(
        IDenoiser network,
        DeepTrainingSet images,
        TrainingOptions? recipe = null,
        IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(images);
        recipe ??= Recipe;
        using var rows = images.Rows();
        var result = network switch
        {
            EdmPreconditioner unet => Trainer.Fit(unet, rows, recipe, progress, cancellation),
            DitDenoiser dit => Trainer.Fit(dit, rows, recipe, progress, cancellation),
            _ => throw new ArgumentException(
                $"network must be an EdmPreconditioner or a DitDenoiser, was {network.GetType().Name}",
                nameof(network)
            ),
        };
        var module = network.Module!;
        if (result.EmaWeights is not null)
            result.CopyEmaTo(module);
        module.eval();
        return result;
    }

    /// <summary>The file that its weights are kept under, below a data folder.</summary>
    /// <param name="data">The data set's name, e.g. <c>faces</c>.</param>
    public string File(string data) => $"checkpoints/{Name}-{data}.safetensors";

    /// <summary>The file of its weights on this machine, or null where there is none: in the data folders, the
    /// repository's or the user's.</summary>
    /// <param name="data">The data set's name, e.g. <c>faces</c>.</param>
    public string? Find(string data) => DataFolders.Find(File(data));
}
