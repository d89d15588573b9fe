using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;
using OptimizerOptions = BalancedDiffusion.Training.OptimizerOptions;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Trains a small <see cref="LatentAutoencoder"/> in the layout of Stable Diffusion (Rombach et al. 2022) on rendered
/// faces, each seen once. The loss of a batch x with reconstructions y of sampled latents is <c>mean |x - y| + mean
/// |grad x - grad y| + w KL</c>, where grad is the difference of neighbouring pixels, which keeps edges sharp without
/// a network that judges, and KL is that of a latent number to the standard normal distribution, the mean over all.
/// </summary>
public static class AutoencoderTraining
{
    /// <summary>The name that the autoencoder is asked for by.</summary>
    public const string Name = "mini-vae";

    /// <summary>The weight w of the KL divergence of a latent number.</summary>
    public const double KlWeight = 1e-5;

    /// <summary>How many held-out faces it is measured on.</summary>
    public const int HeldOut = 256;

    // The images that pass a network together where no gradient is needed.
    private const int Block = 32;

    /// <summary>Sizes that may be trained, by a name that says the reduction f and the latent channels c.</summary>
    public static IReadOnlyDictionary<string, LatentAutoencoderOptions> Layouts { get; } =
        new OrderedDictionary<string, LatentAutoencoderOptions>
        {
            ["f4c4"] = Layout([32, 32, 64], 4),
            ["f4c4-wide"] = Layout([32, 64, 96], 4),
            ["f8c8"] = Layout([32, 32, 64, 96], 8),
            ["f8c16"] = Layout([32, 32, 64, 96], 16),
        };

    /// <summary>The sizes of <c>mini-vae</c>: 64×64 RGB to 4 × 16 × 16. With a reduction of 8 and 16 channels, as
    /// many numbers, the same steps end at 29.8 dB, and wrinkles and teeth are blurred.</summary>
    public static LatentAutoencoderOptions MiniVae => Layouts["f4c4"];

    /// <summary>How it is trained: Adam (0.9, 0.99), one cycle up to 2e-3, batches of 16, gradients clipped to norm 1,
    /// an EMA of decay 0.999.</summary>
    public static TrainingOptions Recipe { get; } =
        new()
        {
            Steps = 5000,
            BatchSize = 16,
            Optimizer = OptimizerOptions.Adam(beta2: 0.99),
            LearningRate = 2e-3,
            Schedule = LearningRateSchedule.OneCycle(0.05),
            GradientClip = 1,
            EmaDecay = 0.999,
            LogEvery = 100,
        };

    /// <summary>Trains a network in place. Step k sees the faces k · batch, …, so that a run is the same however
    /// often it is stopped and resumed. At the end, cancelled or not, the network holds the EMA of its weights, without
    /// gradients.</summary>
    /// <param name="network">The network, float32 or float64, on any device; 1 or 3 image channels.</param>
    /// <param name="faces">Where the images come from, with as many channels, of a size that the network takes.</param>
    /// <param name="options">How; null for <see cref="Recipe"/>. A batch size of 0 is one of 16.</param>
    /// <param name="logged">Receives the history at each new row; its measures are <c>psnr</c>, the mean over
    /// <see cref="HeldOut"/> test faces in decibels with peak 2 of the reconstruction from the latents' mean, and
    /// <c>kl</c> in nats per latent number.</param>
    /// <param name="cancellation">Stops between two steps; the run is saved where a path is given.</param>
    /// <exception cref="ArgumentException">Network and faces do not go together.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint is of another run, or the training
    /// diverged.</exception>
    public static ValidatedResult Fit(
        LatentAutoencoder network,
        ParametricFaces faces,
        TrainingOptions? options = null,
        Action<IReadOnlyList<ValidatedRow>>? logged = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(faces);
        options ??= Recipe;
        var batch = options.BatchSize == 0 ? Recipe.BatchSize : options.BatchSize;
        CheckFit(network, faces);
        using var scope = torch.NewDisposeScope();
        using var heldOut = faces.Test(HeldOut);
        var noiseSeed = Seeds.Derive(options.Seed, "latents");
        torch.Tensor Loss(long step)
        {
            using var drawn = faces.Render(step * batch, batch);
            var images = drawn.Images.to(network.Device).to_type(network.Type);
            var latents = network.Encode(images);
            var noise = GaussianNoise.Draw(latents.Mean.shape, Seeds.Derive(noiseSeed, step), device: network.Device);
            var sampled = latents.Mean + latents.LogVariance.mul(0.5).exp() * noise.to_type(network.Type);
            return ReconstructionLoss(network.Decode(sampled), images) + KlWeight * Kl(latents);
        }
        var identity = new Dictionary<string, string>
        {
            ["sizes"] = network.Options.ToConfig(),
            ["faces"] = FormattableString.Invariant($"{faces.Size} pixels, seed {faces.Seed}"),
            ["KL weight"] = FormattableString.Invariant($"{KlWeight:R}"),
        };
        return new NetworkTraining([("", network)], options, identity) { Logged = logged }.Run(
            Loss,
            () => Measure(network, heldOut.Images),
            cancellation
        );
    }

    /// <summary><c>mean |x - y| + mean |grad x - grad y|</c>, the gradient's mean being that over both
    /// directions together.</summary>
    /// <param name="reconstructed">y, (batch, channels, height, width), both sides at least 2.</param>
    /// <param name="images">x, the same shape and type.</param>
    /// <returns>A scalar, which records a gradient; the caller owns it.</returns>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public static torch.Tensor ReconstructionLoss(torch.Tensor reconstructed, torch.Tensor images)
    {
        ArgumentNullException.ThrowIfNull(images);
        Guard.Shape(reconstructed, images.shape);
        using var scope = torch.NewDisposeScope();
        var error = reconstructed - images;
        var (height, width) = (error.shape[^2], error.shape[^1]);
        var down = (error.narrow(-2, 1, height - 1) - error.narrow(-2, 0, height - 1)).abs().mean();
        var right = (error.narrow(-1, 1, width - 1) - error.narrow(-1, 0, width - 1)).abs().mean();
        return (error.abs().mean() + (down + right) / 2).MoveToOuterDisposeScope();
    }

    /// <summary>The KL divergence of a latent number from the standard normal distribution, in nats: the mean over all
    /// of <c>(m² + s² - 1 - log s²)/2</c>.</summary>
    /// <param name="latents">The distribution of latents.</param>
    /// <returns>A scalar, which records a gradient; the caller owns it.</returns>
    public static torch.Tensor Kl(DiagonalGaussian latents)
    {
        ArgumentNullException.ThrowIfNull(latents);
        using var scope = torch.NewDisposeScope();
        return (latents.Mean.square() + latents.LogVariance.exp() - 1 - latents.LogVariance)
            .mean()
            .div(2)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Changes the two 1×1 convolutions about the latents so that every latent channel has mean 0 and
    /// standard deviation 1 over the given images, and reconstructions stay what they were. The scaling factor of such
    /// a network is 1.</summary>
    /// <param name="network">The network; changed in place.</param>
    /// <param name="images">(n, channels, height, width) in [-1, 1], n ≥ 2, of the network's type and on its
    /// device.</param>
    /// <returns>What the channels' mean and standard deviation were before.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit, or a channel never varies.</exception>
    public static LatentStatistics Standardize(LatentAutoencoder network, torch.Tensor images)
    {
        var statistics = Statistics(network, images);
        if (statistics.StandardDeviation.Any(s => !(s > 0)))
            throw new ArgumentException(
                "a latent channel is the same for all images, so that it cannot be standardized; train the network "
                    + "longer, or give other images",
                nameof(images)
            );
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var weights = network.named_parameters().ToDictionary(p => p.name, p => (torch.Tensor)p.parameter);
        torch.Tensor Column(IReadOnlyList<double> values) =>
            torch.tensor(values.ToArray(), dtype: network.Type, device: network.Device);
        var (mean, std) = (Column(statistics.Mean), Column(statistics.StandardDeviation));
        var channels = network.Options.LatentChannels;
        // m' = (m - mean)/std and log s'² = log s² - 2 log std
        weights["quant_conv.weight"].narrow(0, 0, channels).div_(std.view(-1, 1, 1, 1));
        weights["quant_conv.bias"].narrow(0, 0, channels).sub_(mean).div_(std);
        weights["quant_conv.bias"].narrow(0, channels, channels).sub_(std.log() * 2);
        // W z + b = (W std) z' + (b + W mean)
        var decoding = weights["post_quant_conv.weight"];
        weights["post_quant_conv.bias"].add_(decoding.flatten(1).mv(mean));
        decoding.mul_(std.view(1, -1, 1, 1));
        return statistics;
    }

    /// <summary>Mean and standard deviation of the latents' means over images, per channel.</summary>
    /// <param name="network">The network.</param>
    /// <param name="images">(n, channels, height, width) in [-1, 1], of the network's type and on its device.</param>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    public static LatentStatistics Statistics(LatentAutoencoder network, torch.Tensor images)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(images);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var parts = images
            .split(Block)
            .Select(part =>
            {
                SafePoint.Pass();
                using var inner = torch.NewDisposeScope();
                return network.Encode(part).Mean.to_type(torch.float64).MoveToOuterDisposeScope();
            })
            .ToArray();
        var (std, mean) = torch.std_mean(torch.cat(parts, 0), [0L, 2L, 3L], unbiased: false);
        return new LatentStatistics(mean.cpu().data<double>().ToArray(), std.cpu().data<double>().ToArray());
    }

    private static LatentAutoencoderOptions Layout(IReadOnlyList<long> channels, long latentChannels) =>
        new()
        {
            SampleSize = 64,
            BlockChannels = channels,
            LatentChannels = latentChannels,
            LayersPerBlock = 1,
            Groups = 8,
            ScalingFactor = 1,
        };

    private static void CheckFit(LatentAutoencoder network, ParametricFaces faces)
    {
        if (network.Options.Channels != (faces.Rgb ? 3 : 1))
            throw new ArgumentException(
                $"the faces must have {network.Options.Channels} channels like the network's images, have "
                    + $"{(faces.Rgb ? 3 : 1)}; take others",
                nameof(faces)
            );
        if (faces.Size % network.Options.Reduction != 0)
            throw new ArgumentException(
                $"the faces' side must be divisible by {network.Options.Reduction}, was {faces.Size}; "
                    + "take fewer levels",
                nameof(faces)
            );
    }

    private static Dictionary<string, double> Measure(LatentAutoencoder network, torch.Tensor images)
    {
        var (psnr, kl) = (0.0, 0.0);
        for (var start = 0L; start < images.shape[0]; start += Block)
        {
            SafePoint.Serve();
            using var scope = torch.NewDisposeScope();
            var part = images
                .narrow(0, start, Math.Min(Block, images.shape[0] - start))
                .to(network.Device)
                .to_type(network.Type);
            var latents = network.Encode(part);
            psnr += Psnr.Of(network.Decode(latents.Mean).clamp(-1, 1), part).sum().item<double>();
            kl += Kl(latents).to_type(torch.float64).item<double>() * part.shape[0];
        }
        return new() { ["psnr"] = psnr / images.shape[0], ["kl"] = kl / images.shape[0] };
    }
}
