using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;
using OptimizerOptions = BalancedDiffusion.Training.OptimizerOptions;

namespace BalancedDiffusion.Protocols;

/// <summary>
/// Trains a small Stable Diffusion v1 on captioned latents: its text encoder and its U-Net together, to predict the
/// noise in <c>z = sqrt(alphaBar_t) x + sqrt(1 - alphaBar_t) eps</c> at timesteps t drawn uniformly. A sample counts by
/// <c>min(SNR, 5)/SNR</c>, <c>SNR = alphaBar/(1 - alphaBar)</c> (Hang et al. 2023, for the prediction of noise). One
/// caption in ten is replaced by the empty one, for classifier-free guidance (Ho and Salimans 2022).
/// </summary>
public static class LatentDiffusionTraining
{
    /// <summary>The name that the system is asked for by.</summary>
    public const string Name = "mini-sd";

    /// <summary>The share of captions that are replaced by the empty one.</summary>
    public const double EmptyShare = 0.1;

    // The last layer of every residual branch, and of the network, starts at zero: each block begins as the identity.
    private static readonly string[] ZeroAtFirst = ["conv_out", ".conv2", ".proj_out"];

    /// <summary>How it is trained: Adam (0.9, 0.99), one cycle up to 1e-3, batches of 32, gradients clipped to norm 1,
    /// an EMA of decay 0.9995.</summary>
    public static TrainingOptions Recipe { get; } =
        new()
        {
            Steps = 12_000,
            BatchSize = 32,
            Optimizer = OptimizerOptions.Adam(beta2: 0.99),
            LearningRate = 1e-3,
            Schedule = LearningRateSchedule.OneCycle(0.03),
            GradientClip = 1,
            EmaDecay = 0.9995,
            LogEvery = 250,
        };

    /// <summary>The U-Net of <c>mini-sd</c> for latents of an autoencoder: as many residual blocks a level as the
    /// published one, so that the layers that the paper reads and steers have the same names.</summary>
    /// <param name="autoencoder">The autoencoder's sizes.</param>
    public static ConditionalUNetOptions UNet(LatentAutoencoderOptions autoencoder)
    {
        ArgumentNullException.ThrowIfNull(autoencoder);
        return new()
        {
            SampleSize = autoencoder.SampleSize / autoencoder.Reduction,
            InChannels = autoencoder.LatentChannels,
            OutChannels = autoencoder.LatentChannels,
            BlockChannels = [32, 64, 96],
            Attends = [false, true, true],
            LayersPerBlock = 2,
            TextWidth = 128,
            Heads = 4,
            Groups = 16,
        };
    }

    /// <summary>The text encoder of <c>mini-sd</c> for a tokenizer.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    public static ClipTextOptions TextEncoder(ClipTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return new()
        {
            Width = 128,
            Heads = 4,
            Layers = 2,
            HiddenUnits = 512,
            Vocabulary = tokenizer.Vocabulary,
            Positions = tokenizer.Length,
        };
    }

    /// <summary>A fresh model: U-Net and text encoder drawn, the last layer of every residual branch zero, so that the
    /// prediction begins at zero.</summary>
    /// <param name="tokenizer">Texts to tokens.</param>
    /// <param name="autoencoder">Images to latents, of mean 0 and standard deviation 1 once scaled; it becomes the
    /// model's.</param>
    /// <param name="seed">The seed of the weights.</param>
    /// <param name="network">The U-Net's sizes; null for <see cref="UNet"/>.</param>
    /// <param name="text">The text encoder's sizes; null for <see cref="TextEncoder"/>.</param>
    /// <returns>The model, which the caller owns.</returns>
    /// <exception cref="ArgumentException">The sizes do not fit together.</exception>
    public static StableDiffusionV1 Create(
        ClipTokenizer tokenizer,
        LatentAutoencoder autoencoder,
        long seed,
        ConditionalUNetOptions? network = null,
        ClipTextOptions? text = null
    )
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(autoencoder);
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var unet = new ConditionalUNet(network ?? UNet(autoencoder.Options), Seeds.Derive(seed, "unet"));
        foreach (var (name, parameter) in unet.named_parameters())
            if (ZeroAtFirst.Any(part => name.EndsWith($"{part}.weight", StringComparison.Ordinal)))
                parameter.zero_();
        var encoder = new ClipTextEncoder(text ?? TextEncoder(tokenizer), Seeds.Derive(seed, "text encoder"));
        try
        {
            return new StableDiffusionV1(tokenizer, encoder, unet, autoencoder);
        }
        catch
        {
            unet.Dispose();
            encoder.Dispose();
            throw;
        }
    }

    /// <summary>Trains a model's text encoder and U-Net in place; the autoencoder stays as it is. What step k draws
    /// depends on the seed and on k only, so that a run is the same however often it is stopped and resumed. At the
    /// end, cancelled or not, the networks hold the EMA of their weights, without gradients.</summary>
    /// <param name="model">The model, float32.</param>
    /// <param name="train">Latents and captions.</param>
    /// <param name="heldOut">The same of images that are not among them.</param>
    /// <param name="options">How; null for <see cref="Recipe"/>. Rows are drawn with replacement; a batch size of 0 is
    /// one of 32.</param>
    /// <param name="logged">Receives the history at each new row; its measure is <c>validation</c>, the loss on
    /// <paramref name="heldOut"/> with all captions kept, at evenly spaced timesteps and with noise that are the same
    /// each time.</param>
    /// <param name="preview">Called now and then, and at the end, with the number of steps done while the model holds
    /// the EMA, or null.</param>
    /// <param name="previewInterval">The least time between two previews; null for 20 minutes.</param>
    /// <param name="cancellation">Stops between two steps; the run is saved where a path is given.</param>
    /// <exception cref="ArgumentException">Model and data do not go together.</exception>
    /// <exception cref="InvalidDataException">The checkpoint is damaged.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint is of another run, or the training
    /// diverged.</exception>
    public static ValidatedResult Fit(
        StableDiffusionV1 model,
        ConditionedLatents train,
        ConditionedLatents heldOut,
        TrainingOptions? options = null,
        Action<IReadOnlyList<ValidatedRow>>? logged = null,
        Action<long>? preview = null,
        TimeSpan? previewInterval = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(heldOut);
        options ??= Recipe;
        Check(model, train, nameof(train));
        Check(model, heldOut, nameof(heldOut));
        var batch = options.BatchSize == 0 ? Recipe.BatchSize : options.BatchSize;
        using var scope = torch.NewDisposeScope();
        var draws = new LatentDraws(
            model.Schedule.Noise.Count,
            model.Tokenizer.Encode(""),
            EmptyShare,
            model.Network.Device
        );
        torch.Tensor Loss(torch.Tensor latents, torch.Tensor tokens, torch.Tensor noise, int[] times) =>
            NoiseLoss(model, latents, tokens, noise, times);
        var noiseSeed = Seeds.Derive(options.Seed, "validation");
        return new NetworkTraining(
            [("text_encoder.", model.TextEncoder), ("unet.", model.Network)],
            options,
            Identity(model, train)
        )
        {
            Logged = logged,
            Preview = preview,
            PreviewInterval = previewInterval,
        }.Run(
            step => draws.Loss(train, Seeds.Derive(options.Seed, step), batch, Loss),
            () => draws.Validate(heldOut, noiseSeed, Loss),
            cancellation
        );
    }

    /// <summary>The weighted loss of latents at given timesteps with given noise: the mean over the batch of
    /// <c>min(SNR, 5)/SNR ‖eps(z; t, text) - eps‖²/d</c>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="latents">x, (batch, channels, height, width), float32.</param>
    /// <param name="tokens">The captions, (batch, length), int64.</param>
    /// <param name="noise">eps, of the latents' shape and type.</param>
    /// <param name="timesteps">A timestep a row.</param>
    /// <returns>A scalar, which records a gradient where the networks' weights require one. The caller owns
    /// it.</returns>
    /// <exception cref="ArgumentException">A shape or type does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">There is no such timestep.</exception>
    public static torch.Tensor NoiseLoss(
        StableDiffusionV1 model,
        torch.Tensor latents,
        torch.Tensor tokens,
        torch.Tensor noise,
        params IReadOnlyList<int> timesteps
    )
    {
        ArgumentNullException.ThrowIfNull(model);
        using var scope = torch.NewDisposeScope();
        var noisy = model.Schedule.AddNoise(latents, noise, timesteps);
        var times = torch.tensor(timesteps.Select(t => (float)t).ToArray(), device: latents.device);
        var predicted = model.Network.call(noisy, times, model.TextEncoder.call(tokens));
        return MinSnr.Loss(predicted, noise, model.Schedule.Noise, timesteps).MoveToOuterDisposeScope();
    }

    private static Dictionary<string, string> Identity(StableDiffusionV1 model, ConditionedLatents train) =>
        new()
        {
            ["U-Net"] = model.Network.Options.ToConfig(),
            ["text encoder"] = model.TextEncoder.Options.ToConfig(),
            ["timesteps"] = model.Schedule.ToConfig(),
            ["data"] = train.Digest,
            ["weighting"] = FormattableString.Invariant($"min-SNR {MinSnr.Gamma:R}, {EmptyShare:R} empty"),
        };

    private static void Check(StableDiffusionV1 model, ConditionedLatents data, string name)
    {
        if (data.LatentShape[0] != model.Network.Options.InChannels)
            throw new ArgumentException(
                $"{name} must have latents of {model.Network.Options.InChannels} channels like the U-Net, have "
                    + $"{data.LatentShape[0]}; encode them by the model's autoencoder",
                name
            );
        if (data.Length > model.TextEncoder.Options.Positions)
            throw new ArgumentException(
                $"{name} must have captions of at most {model.TextEncoder.Options.Positions} tokens, have "
                    + $"{data.Length}; take a shorter tokenizer",
                name
            );
    }
}
