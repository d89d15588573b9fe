using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Trains a small class-conditional <see cref="Dit"/> in the published layout on latents, to predict the noise in
/// <c>z = sqrt(alphaBar_t) x + sqrt(1 - alphaBar_t) eps</c> at timesteps t drawn uniformly, and the variance of a step
/// (Nichol and Dhariwal 2021). A sample's noise counts by <see cref="MinSnr"/>; the variational bound, in bits a
/// number, is added to it and changes the variance only. One class in ten is replaced by the empty one, for
/// classifier-free guidance (Ho and Salimans 2022).
/// </summary>
public static class ClassDiffusionTraining
{
    /// <summary>The name that the networks are asked for by, followed by their regime.</summary>
    public const string Name = "mini-dit";

    /// <summary>The published schedule, linear over 1,000 timesteps.</summary>
    public static DiscreteLinearSchedule Schedule { get; } = new();

    /// <summary>How it is trained: as <c>mini-sd</c> is (<see cref="LatentDiffusionTraining.Recipe"/>); few images need
    /// fewer steps.</summary>
    /// <param name="regime">What its images make of it.</param>
    public static TrainingOptions Recipe(TrainingRegime regime) =>
        regime == TrainingRegime.Memorizing
            ? LatentDiffusionTraining.Recipe with
            {
                Steps = 4000,
            }
            : LatentDiffusionTraining.Recipe;

    /// <summary>The sizes of <c>mini-dit</c> for latents of an autoencoder: one class for each of
    /// <see cref="FaceClasses"/>.</summary>
    /// <param name="autoencoder">The autoencoder's sizes.</param>
    public static DitOptions Sizes(LatentAutoencoderOptions autoencoder)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        return new()
        {
            InputSize = autoencoder.SampleSize / autoencoder.Reduction,
            PatchSize = 2,
            Channels = autoencoder.LatentChannels,
            HiddenSize = 128,
            Depth = 6,
            Heads = 4,
            Classes = FaceClasses.Names.Count,
        };
    }

    /// <summary>The file that a network's weights are kept in, below a data folder.</summary>
    /// <param name="regime">What its images made of it.</param>
    public static string File(TrainingRegime regime) => $"checkpoints/{NameOf(regime)}.safetensors";

    /// <summary>The name of a network, e.g. <c>mini-dit-hybrid</c>.</summary>
    /// <param name="regime">What its images make of it.</param>
    public static string NameOf(TrainingRegime regime) => $"{Name}-{regime}".ToLowerInvariant();

    /// <summary>Trains a network in place. What step k draws depends on the seed and on k only, so that a run is the
    /// same however often it is stopped and resumed. At the end, cancelled or not, the network holds the EMA of its
    /// weights, without gradients.</summary>
    /// <param name="network">The network, float32, with classes and an empty label.</param>
    /// <param name="train">Latents and classes.</param>
    /// <param name="heldOut">The same of images that are not among them.</param>
    /// <param name="options">How. Rows are drawn with replacement; a batch size of 0 is one of 32.</param>
    /// <param name="logged">Receives the history at each new row; its measure is <c>validation</c>, the weighted loss
    /// on the noise of <paramref name="heldOut"/> with all classes kept, at evenly spaced timesteps and with noise that
    /// are the same each time.</param>
    /// <param name="preview">Called now and then, and at the end, with the number of steps done while the network holds
    /// the EMA, or null.</param>
    /// <param name="previewInterval">The least time between two previews; null for 20 minutes.</param>
    /// <param name="cancellation">Stops between two steps; the run is saved where a path is given.</param>
    /// <exception cref="ArgumentException">Network and data do not go together.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint is of another run, or the training
    /// diverged.</exception>
    public static ValidatedResult Fit(
        Dit network,
        ConditionedLatents train,
        ConditionedLatents heldOut,
        TrainingOptions options,
        Action<IReadOnlyList<ValidatedRow>>? logged = null,
        Action<long>? preview = null,
        TimeSpan? previewInterval = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        ArgumentNullException.ThrowIfNull(options);
        Check(network, train, nameof(train));
        Check(network, heldOut, nameof(heldOut));
        var batch = options.BatchSize == 0 ? LatentDiffusionTraining.Recipe.BatchSize : options.BatchSize;
        using var scope = torch.NewDisposeScope();
        var draws = new LatentDraws(
            Schedule.Count,
            torch.tensor([network.Options.Classes]),
            network.Options.ClassDropout,
            network.parameters().First().device
        );
        var (noiseSeed, identity) = (
            Seeds.Derive(options.Seed, "validation"),
            new Dictionary<string, string>
            {
                ["sizes"] = network.Options.ToMetadata().Values.Single(),
                ["data"] = train.Digest,
                ["weighting"] = FormattableString.Invariant($"min-SNR {MinSnr.Gamma:R}"),
            }
        );
        torch.Tensor Whole(torch.Tensor latents, torch.Tensor labels, torch.Tensor noise, int[] times) =>
            Loss(network, latents, labels.flatten(), noise, times).Whole;
        torch.Tensor Noise(torch.Tensor latents, torch.Tensor labels, torch.Tensor noise, int[] times) =>
            Loss(network, latents, labels.flatten(), noise, times).Noise;
        return new NetworkTraining([("", network)], options, identity)
        {
            Logged = logged,
            Preview = preview,
            PreviewInterval = previewInterval,
        }.Run(
            step => draws.Loss(train, Seeds.Derive(options.Seed, step), batch, Whole),
            () => draws.Validate(heldOut, noiseSeed, Noise),
            cancellation
        );
    }

    /// <summary>The losses of latents at given timesteps with given noise, means over the batch.</summary>
    /// <param name="network">The network.</param>
    /// <param name="latents">x, (batch, channels, size, size), float32.</param>
    /// <param name="labels">The classes, (batch), int64.</param>
    /// <param name="noise">eps, of the latents' shape and type.</param>
    /// <param name="timesteps">A timestep a row, 0 to 999.</param>
    /// <returns><c>Noise</c>, the mean of <c>min(SNR, 5)/SNR ‖eps(z; t, class) - eps‖²/d</c>, and
    /// <c>Whole</c>, that and the <see cref="VariationalBound"/> where the network learns a variance. Scalars that
    /// record a gradient where the network's weights require one; the caller owns them.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public static (torch.Tensor Noise, torch.Tensor Whole) Loss(
        Dit network,
        torch.Tensor latents,
        torch.Tensor labels,
        torch.Tensor noise,
        params IReadOnlyList<int> timesteps
    )
    {
        ArgumentNullException.ThrowIfNull(network);
        using var scope = torch.NewDisposeScope();
        var noisy = Schedule.AddNoise(latents, noise, timesteps);
        var times = torch.tensor(timesteps.Select(t => (float)t).ToArray(), device: latents.device);
        var output = network.call(noisy, times, labels);
        var channels = network.Options.Channels;
        var predicted = output.narrow(1, 0, channels);
        var simple = MinSnr.Loss(predicted, noise, Schedule, timesteps);
        var whole = network.Options.LearnSigma
            ? simple
                + VariationalBound(predicted.detach(), noise, output.narrow(1, channels, channels), timesteps).mean()
            : simple.alias();
        return (simple.MoveToOuterDisposeScope(), whole.MoveToOuterDisposeScope());
    }

    /// <summary>
    /// The divergence of a step's true posterior <c>q(z_{t-1} | z_t, x)</c> from the network's, in bits a number. The
    /// network's has the posterior's mean at the estimate of x that its noise gives, and the variance
    /// <c>exp(u log beta_t + (1 - u) log betaTilde_t)</c>, <c>u = (v + 1)/2</c>, with <c>betaTilde_t</c> the
    /// posterior's. At t = 0, where the posterior has no variance, that of t = 1 is taken, as in the published code,
    /// which has another term there.
    /// </summary>
    /// <param name="predicted">The noise that the network predicts, (batch, …).</param>
    /// <param name="noise">The true noise, of the same shape.</param>
    /// <param name="variance">v, of the same shape.</param>
    /// <param name="timesteps">A timestep a row, 0 to 999.</param>
    /// <returns>(batch); the caller owns it.</returns>
    /// <exception cref="ArgumentException">A shape does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public static torch.Tensor VariationalBound(
        torch.Tensor predicted,
        torch.Tensor noise,
        torch.Tensor variance,
        params IReadOnlyList<int> timesteps
    )
    {
        ArgumentNullException.ThrowIfNull(predicted);
        ArgumentNullException.ThrowIfNull(timesteps);
        Guard.Shape(noise, predicted.shape);
        Guard.Shape(variance, predicted.shape);
        Guard.Shape(predicted, [timesteps.Count, .. predicted.shape[1..]]);
        using var scope = torch.NewDisposeScope();
        torch.Tensor Column(Func<int, double> value) =>
            torch
                .tensor(timesteps.Select(t => (float)value(t)).ToArray(), device: predicted.device)
                .reshape([-1, .. Enumerable.Repeat(1L, (int)predicted.dim() - 1)]);
        double AlphaBar(int t) => t < 0 ? 1 : Schedule.AlphaBar(t);
        double Beta(int t) => 1 - AlphaBar(t) / AlphaBar(t - 1);
        double LogPosterior(int t) =>
            Math.Log(Beta(Math.Max(t, 1)) * (1 - AlphaBar(Math.Max(t, 1) - 1)) / (1 - AlphaBar(Math.Max(t, 1))));
        // The mean of q moves by beta_t/sqrt(alpha_t (1 - alphaBar_t)) for a unit of noise.
        double Shift(int t) => Beta(t) / Math.Sqrt((1 - Beta(t)) * (1 - AlphaBar(t)));
        var log = Column(LogPosterior);
        var modelLog = log + (variance + 1) / 2 * Column(t => Math.Log(Beta(t)) - LogPosterior(t));
        var moved = (predicted - noise) * Column(Shift);
        var divergence = (modelLog - log - 1 + (log - modelLog).exp() + moved.square() * (-modelLog).exp()) / 2;
        return divergence.flatten(1).mean([1L]).div(Math.Log(2)).MoveToOuterDisposeScope();
    }

    private static void Check(Dit network, ConditionedLatents data, string name)
    {
        long[] shape = [network.Options.Channels, network.Options.InputSize, network.Options.InputSize];
        if (!data.LatentShape.SequenceEqual(shape))
            throw new ArgumentException(
                $"{name} must have latents of shape ({string.Join(", ", shape)}) like the network's, has "
                    + $"({string.Join(", ", data.LatentShape)}); make a network of their size",
                name
            );
        if (!network.Options.HasEmptyLabel || data.Length != 1)
            throw new ArgumentException(
                $"{name} must have one class an image, and the network an empty label; the latents have "
                    + $"{data.Length} numbers each, the network {network.Options.Classes} classes and a share of "
                    + FormattableString.Invariant($"{network.Options.ClassDropout:R} empty ones"),
                name
            );
    }
}
