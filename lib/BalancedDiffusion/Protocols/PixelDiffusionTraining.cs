using BalancedDiffusion.Memorization;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Training;
using MathNet.Numerics.Distributions;
using TorchSharp;
using OptimizerOptions = BalancedDiffusion.Training.OptimizerOptions;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Trains a small <see cref="SongUNet"/> in pixels as EDM does (Karras et al. 2022, table 1): <c>ln sigma ~ N(-1.2,
/// 1.2²)</c> and the squared error of the denoised images weighted by <c>(sigma² + s²)/(sigma s)²</c>, s = 0.5. It
/// also measures, as it goes, whether the network memorizes.
/// </summary>
public static class PixelDiffusionTraining
{
    /// <summary>The name that the networks are asked for by, followed by their regime or training set.</summary>
    public const string Name = "mini-edm";

    /// <summary>The standard deviation of the data in the preconditioning and in the weighting of the loss.</summary>
    public const double SigmaData = 0.5;

    /// <summary>The noise level at which representations are read as it goes.</summary>
    public const double ReadSigma = 0.2;

    /// <summary>How the name of the layer that is read ends; it is the first such layer of the decoder.</summary>
    public const string ReadLayer = "silu1";

    // The images that errors and representations are measured on, and how many pass the network together.
    private const int Measured = 256,
        Block = 64,
        SamplingSteps = 18;

    /// <summary>EDM's sampling levels: 80 down to 0.002.</summary>
    public static IReadOnlyList<double> Levels { get; } = new KarrasSchedule(80, 0.002).Levels(SamplingSteps);

    /// <summary>How it is trained: Adam, one cycle up to 2e-3, batches of 32, gradients clipped to norm 1, an EMA of
    /// decay 0.9995; few images need fewer steps.</summary>
    /// <param name="images">How many distinct images there are.</param>
    public static TrainingOptions Recipe(int images)
    {
        Guard.AtLeast(images, 1);
        return new()
        {
            Steps = images <= 100 ? 6000 : 24_000,
            BatchSize = 32,
            Optimizer = OptimizerOptions.Adam(),
            LearningRate = 2e-3,
            Schedule = LearningRateSchedule.OneCycle(0.05),
            GradientClip = 1,
            EmaDecay = 0.9995,
            LogEvery = 500,
        };
    }

    /// <summary>The sizes of <c>mini-edm</c> for images.</summary>
    /// <param name="channels">Colours, ≥ 1.</param>
    /// <param name="side">Pixels a side, a multiple of 4.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static SongUNetOptions Sizes(int channels, int side)
    {
        Guard.AtLeast(channels, 1);
        if (side < 4 || side % 4 != 0)
            throw new ArgumentOutOfRangeException(nameof(side), $"side must be a multiple of 4, was {side}");
        return SongUNetOptions.Slim with
        {
            ChannelMultipliers = [1, 2, 4],
            Resolution = side,
            Channels = channels,
            AttentionResolutions = [side / 4],
        };
    }

    /// <summary>The numbers of images of the ladder, whose networks are all trained alike, on two disjoint halves
    /// each.</summary>
    public static IReadOnlyList<int> LadderImages { get; } = Array.AsReadOnly([10, 100, 1000, 10_000, 50_000]);

    /// <summary>How the networks of the ladder are trained: all as long as one another, whatever their
    /// images.</summary>
    public static TrainingOptions LadderRecipe { get; } = Recipe(LadderImages[^1]) with { Steps = 5000 };

    /// <summary>The sizes of the networks of the ladder, about half a million weights.</summary>
    /// <param name="channels">Colours, ≥ 1.</param>
    /// <param name="side">Pixels a side, a multiple of 4.</param>
    /// <exception cref="ArgumentOutOfRangeException">A number is out of its range.</exception>
    public static SongUNetOptions LadderSizes(int channels, int side) =>
        Sizes(channels, side) with
        {
            ChannelMultipliers = SongUNetOptions.Slim.ChannelMultipliers,
        };

    /// <summary>The file of a network of the ladder, below a data folder.</summary>
    /// <param name="images">How many images it was trained on.</param>
    /// <param name="half">0 or 1: which half of the images.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such half.</exception>
    public static string LadderFile(int images, int half)
    {
        if (half is not (0 or 1))
            throw new ArgumentOutOfRangeException(nameof(half), $"half must be 0 or 1, was {half}");
        return $"checkpoints/{Name}-ladder/{images}-{(half == 0 ? "a" : "b")}.safetensors";
    }

    /// <summary>The name of a network, e.g. <c>mini-edm-hybrid</c>.</summary>
    /// <param name="regime">What its images make of it.</param>
    public static string NameOf(TrainingRegime regime) => $"{Name}-{regime}".ToLowerInvariant();

    /// <summary>The file that a network's weights are kept in, below a data folder.</summary>
    /// <param name="regime">What its images made of it.</param>
    /// <param name="data">The data set's name, e.g. <c>faces</c>.</param>
    public static string File(TrainingRegime regime, string data) => $"checkpoints/{NameOf(regime)}-{data}.safetensors";

    /// <summary>Trains a network in place. What step k draws depends on the seed and on k only, so that a run is the
    /// same however often it is stopped and resumed. At the end, cancelled or not, the network holds the EMA of its
    /// weights, without gradients.</summary>
    /// <param name="network">The network, float32, without classes.</param>
    /// <param name="images">The distinct training images, (n, channels, side, side), n ≥ 2, of any floating type on
    /// the CPU.</param>
    /// <param name="distinctOfRow">The distinct image of each training row, or null where each occurs once.</param>
    /// <param name="heldOut">Images that are not among them, of the same shape.</param>
    /// <param name="options">How. Rows are drawn with replacement; a batch size of 0 is one of 32.</param>
    /// <param name="samples">How many samples are drawn for each row of the history, ≥ 2.</param>
    /// <param name="logged">Receives the history at each new row: at 64, 91, 128, … steps, and then as the options
    /// say. Its measures are <c>training</c> and <c>validation</c>, the loss on up to 256 training rows and held-out
    /// images with levels and noise that are the same each time; <c>memorized</c>, the fraction of samples from the
    /// same starts that replicate a training image (<see cref="GapRatio"/>); <c>std_training</c> and
    /// <c>std_held_out</c>, the mean standard deviation of the representations of these images noised to
    /// <see cref="ReadSigma"/>, and <c>std_samples</c>, that of the samples'.</param>
    /// <param name="preview">Called now and then, and at the end, with the number of steps done while the network holds
    /// the EMA, or null.</param>
    /// <param name="previewInterval">The least time between two previews; null for 20 minutes.</param>
    /// <param name="cancellation">Stops between two steps; the run is saved where a path is given.</param>
    /// <exception cref="ArgumentException">Network and images do not go together.</exception>
    /// <exception cref="ArgumentOutOfRangeException">samples is below 2.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint is of another run, or the training
    /// diverged.</exception>
    public static ValidatedResult Fit(
        EdmPreconditioner network,
        torch.Tensor images,
        IReadOnlyList<int>? distinctOfRow,
        torch.Tensor heldOut,
        TrainingOptions options,
        int samples = 64,
        Action<IReadOnlyList<ValidatedRow>>? logged = null,
        Action<long>? preview = null,
        TimeSpan? previewInterval = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(options);
        Guard.AtLeast(samples, 2);
        Check(network, images, nameof(images), 2);
        Check(network, heldOut, nameof(heldOut), 1);
        int[]? rows = distinctOfRow is null ? null : [.. distinctOfRow];
        if (rows is { Length: 0 } || rows is not null && (rows.Min() < 0 || rows.Max() >= images.shape[0]))
            throw new ArgumentException(
                $"distinctOfRow must name images 0 to {images.shape[0] - 1}, at least one",
                nameof(distinctOfRow)
            );
        using var scope = torch.NewDisposeScope();
        var set = new PixelRows(images.cpu(), rows, network.parameters().First().device);
        var identity = new Dictionary<string, string>
        {
            ["sizes"] = network.Options.ToMetadata().Values.Single(),
            ["data"] = set.Digest,
            ["sigma_data"] = FormattableString.Invariant($"{network.SigmaData:R}"),
        };
        return new NetworkTraining([("", network)], options, identity)
        {
            Logged = logged,
            Preview = preview,
            PreviewInterval = previewInterval,
            IsAlsoLogged = IsGeometric,
        }.Run(
            step => Loss(network, set, Seeds.Derive(options.Seed, step), options.BatchSize),
            () => Measure(network, set, heldOut, samples, options.Seed),
            cancellation
        );
    }

    /// <summary>The weighted loss of images at given levels with given noise: the mean over the batch of <c>(sigma² +
    /// s²)/(sigma s)² ‖f(x + sigma eps; sigma) - x‖²/d</c>.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">x, (batch, channels, side, side), float32.</param>
    /// <param name="sigma">A level a row, &gt; 0, (batch), float32.</param>
    /// <param name="noise">eps, of the images' shape and type.</param>
    /// <returns>A scalar that records a gradient where the network's weights require one; the caller owns it.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public static torch.Tensor Loss(
        EdmPreconditioner network,
        torch.Tensor images,
        torch.Tensor sigma,
        torch.Tensor noise
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        Guard.Shape(noise, images.shape);
        Guard.Shape(sigma, [images.shape[0]]);
        using var scope = torch.NewDisposeScope();
        var noisy = images + sigma.reshape(-1, 1, 1, 1) * noise;
        var error = (network.Denoise(noisy, sigma) - images).square().flatten(1).mean([1L]);
        return (error * LossWeighting.Edm(network.SigmaData).Of(sigma)).mean().MoveToOuterDisposeScope();
    }

    // 64, 91, 128, 181, …: a power of the square root of two.
    private static bool IsGeometric(long step)
    {
        if (step < Block)
            return false;
        var place = (int)Math.Round(2 * Math.Log2((double)step / Block));
        return step == (long)Math.Round(Block * Math.Pow(2, place / 2.0));
    }

    private static torch.Tensor Loss(EdmPreconditioner network, PixelRows set, long seed, int batch)
    {
        using var scope = torch.NewDisposeScope();
        batch = batch == 0 ? Recipe(2).BatchSize : batch;
        using var generator = Seeds.Generator(Seeds.Derive(seed, "batch"));
        var places = torch.randint(set.Count, [batch], dtype: torch.int64, generator: generator);
        var sigma = new LogNormalSigma().Draw(batch, generator, torch.CPU).to(set.Device);
        var images = set.Pick(places.data<long>().ToArray());
        var noise = GaussianNoise.Draw(images.shape, Seeds.Derive(seed, "noise"), device: set.Device);
        return Loss(network, images, sigma, noise).MoveToOuterDisposeScope();
    }

    private static Dictionary<string, double> Measure(
        EdmPreconditioner network,
        PixelRows set,
        torch.Tensor heldOut,
        int samples,
        long seed
    )
    {
        using var scope = torch.NewDisposeScope();
        var count = Math.Min(Measured, set.Count);
        // Rows from all over the set, in which duplicates lie together.
        var training = set.Pick([.. Enumerable.Range(0, count).Select(i => (long)i * set.Count / count)]);
        var unseen = heldOut.narrow(0, 0, Math.Min(Measured, heldOut.shape[0])).to(set.Device).to_type(torch.float32);
        var drawn = new DpmSolverSampler().Draw(
            network,
            samples,
            Levels,
            new SamplingOptions { Seed = Seeds.Derive(seed, "samples"), BatchSize = Block }
        );
        var ratios = GapRatio.Of(drawn.cpu().flatten(1), set.Distinct().flatten(1));
        var noiseSeed = Seeds.Derive(seed, "validation");
        return new()
        {
            ["training"] = EvenLoss(network, training, noiseSeed),
            ["validation"] = EvenLoss(network, unseen, noiseSeed),
            ["memorized"] = GapRatio.IsMemorized(ratios).to_type(torch.float64).mean().item<double>(),
            ["std_training"] = MeanStd(network, training, noiseSeed),
            ["std_held_out"] = MeanStd(network, unseen, noiseSeed),
            ["std_samples"] = MeanStd(network, drawn, noiseSeed),
        };
    }

    // The loss at evenly spaced quantiles of the distribution of levels.
    private static double EvenLoss(EdmPreconditioner network, torch.Tensor images, long seed)
    {
        var distribution = new LogNormalSigma();
        var (total, count) = (0.0, (int)images.shape[0]);
        for (var first = 0; first < count; first += Block)
        {
            SafePoint.Serve();
            using var scope = torch.NewDisposeScope();
            var part = images.narrow(0, first, Math.Min(Block, count - first));
            var sigma = torch.tensor(
                Enumerable
                    .Range(first, (int)part.shape[0])
                    .Select(i => Normal.InvCDF(distribution.Mean, distribution.Std, (i + 0.5) / count))
                    .Select(log => (float)Math.Exp(log))
                    .ToArray(),
                device: part.device
            );
            var noise = GaussianNoise.DrawEach(part.shape, seed, first, device: part.device);
            total += Loss(network, part, sigma, noise).item<float>() * part.shape[0];
        }
        return total / count;
    }

    private static double MeanStd(EdmPreconditioner network, torch.Tensor images, long seed)
    {
        using var scope = torch.NewDisposeScope();
        var layer = ActivationRecorder
            .ModulesOf(network)
            .First(m =>
                m.Contains(".dec.", StringComparison.Ordinal) && m.EndsWith(ReadLayer, StringComparison.Ordinal)
            );
        return new SpikinessDetector(network, layer, ReadSigma, Pooling.SpatialMax)
            .Score(images, seed, 0)
            .mean()
            .item<double>();
    }

    private static void Check(EdmPreconditioner network, torch.Tensor images, string name, long least)
    {
        ArgumentNullException.ThrowIfNull(images, name);
        long[] shape = [network.Options.Channels, network.Options.Resolution, network.Options.Resolution];
        if (images.dim() != 4 || !images.shape.Skip(1).SequenceEqual(shape) || images.shape[0] < least)
            throw new ArgumentException(
                $"{name} must be at least {least} images of shape ({string.Join(", ", shape)}) like the network's, "
                    + $"was {Listing.Shape(images.shape)}",
                name
            );
        if (!images.is_floating_point() || !Guard.AllFinite(images))
            throw new ArgumentException(
                $"{name} must be floating point and finite; look at where they come from",
                name
            );
    }

    // The training rows: distinct images, and which of them each row is.
    private sealed record PixelRows(torch.Tensor Images, int[]? Rows, torch.Device Device)
    {
        public int Count => Rows?.Length ?? (int)Images.shape[0];

        public torch.Tensor Distinct() => Images.to_type(torch.float32);

        public string Digest
        {
            get
            {
                using var scope = torch.NewDisposeScope();
                var parts = new Dictionary<string, torch.Tensor> { ["images"] = Images };
                if (Rows is not null)
                    parts["rows"] = torch.tensor(Rows);
                return TrainingCheckpoint.Digest(parts);
            }
        }

        public torch.Tensor Pick(IReadOnlyList<long> rows)
        {
            using var scope = torch.NewDisposeScope();
            var places = torch.tensor(rows.Select(i => Rows is null ? i : Rows[i]).ToArray(), dtype: torch.int64);
            return Images.index_select(0, places).to(Device).to_type(torch.float32).MoveToOuterDisposeScope();
        }
    }
}
