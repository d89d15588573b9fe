using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Training;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>train MODEL</c>: trains one of the models that the notebooks load, in full, and keeps its
/// weights.</summary>
public sealed class TrainCommand : Command<TrainCommand.Settings>
{
    private const string Prefix = "relu-diffusion-",
        Regressor = "attribute-regressor";

    private static string[] Models =>
        [
            .. ReluDiffusionPreset.All.Select(p => Prefix + p.Name),
            .. DeepPreset.All.Select(p => p.Name),
            Regressor,
            .. Miniatures,
            .. FaceFeatures.Sizes.Select(FaceFeatures.NameOf),
        ];

    private const string PixelLadder = PixelDiffusionTraining.Name + "-ladder";

    private static string[] Miniatures => [AutoencoderTraining.Name, .. LatentModels, .. PixelModels];

    private static string[] FacesOnly =>
        [AutoencoderTraining.Name, .. LatentModels, PixelLadder, .. FaceFeatures.Sizes.Select(FaceFeatures.NameOf)];

    private static string[] PixelModels =>
        [.. Enum.GetValues<TrainingRegime>().Select(PixelDiffusionTraining.NameOf), PixelLadder];

    private static string[] LatentModels =>
        [LatentDiffusionTraining.Name, .. Enum.GetValues<TrainingRegime>().Select(ClassDiffusionTraining.NameOf)];

    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The model.</summary>
        [CommandArgument(0, "<MODEL>")]
        [Description(
            "relu-diffusion-, unet- or dit- followed by memorizing or generalizing; also unet-hybrid, "
                + "dit-hybrid; attribute-regressor, which reads faces' attributes; mini-vae, the autoencoder of a "
                + "small Stable Diffusion, mini-sd, the rest of it, and mini-dit- or mini-edm- followed by a regime, a "
                + "transformer on its latents and a U-Net in pixels; mini-edm-ladder, ten of these on 10 to 50,000 "
                + "images; face-features and face-features-32, in whose features generated faces are judged."
        )]
        public string Model { get; init; } = "";

        /// <summary>Which images.</summary>
        [CommandOption("--data <DATA>")]
        [Description("The images: faces, fashion-mnist or celeba.")]
        [DefaultValue("faces")]
        public string Data { get; init; } = "faces";

        /// <summary>The steps.</summary>
        [CommandOption("--steps <N>")]
        [Description("Steps, for a trial; the recipe's own when not given.")]
        public int? Steps { get; init; }

        /// <summary>The seed.</summary>
        [CommandOption("--seed <N>")]
        [Description("The seed of weights, noise and drawn faces.")]
        [DefaultValue(0)]
        public int Seed { get; init; }

        /// <summary>Where the file goes.</summary>
        [CommandOption("--out <DIR>")]
        [Description(
            "The data folder to write into; data/ of the repository for images that may be passed on, else "
                + "the user's cache."
        )]
        public string? Out { get; init; }

        /// <summary>The samples of a step.</summary>
        [CommandOption("--batch <N>")]
        [Description("Samples a step of a miniature, for a trial; the recipe's own when not given.")]
        public int? Batch { get; init; }

        /// <summary>The images that occur once.</summary>
        [CommandOption("--images <N>")]
        [Description("Images that occur once in the set of a miniature, for a trial; 50,000 when not given.")]
        public int? Images { get; init; }

        /// <summary>The sizes of the autoencoder.</summary>
        [CommandOption("--layout <NAME>")]
        [Description(
            "The sizes of mini-vae, for a trial: f4c4, f4c4-wide, f8c8 or f8c16 (reduction f, latent channels c)."
        )]
        public string? Layout { get; init; }

        /// <summary>The threads.</summary>
        [CommandOption("--threads <N>")]
        [Description("Threads to compute with; all cores when not given. Another number may round otherwise.")]
        public int? Threads { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate()
        {
            if (!Models.Contains(Model))
                return ValidationResult.Error($"there is no model '{Model}'; known are {string.Join(", ", Models)}.");
            if (!ImageSources.Names.Contains(Data))
                return ValidationResult.Error(
                    $"--data must be one of {string.Join(", ", ImageSources.Names)}, was '{Data}'."
                );
            if (Model == Regressor && SteeringConcept.OfData(Data).Count == 0)
                return ValidationResult.Error($"{Data} has no attributes to read; use --data faces or --data celeba.");
            if (Steps is < 1)
                return ValidationResult.Error($"--steps must be at least 1, was {Steps}.");
            if (Batch is < 1)
                return ValidationResult.Error($"--batch must be at least 1, was {Batch}.");
            if (Threads is < 1)
                return ValidationResult.Error($"--threads must be at least 1, was {Threads}.");
            if (Batch is not null && !Miniatures.Contains(Model))
                return ValidationResult.Error("--batch is for miniatures (mini-…); leave it out.");
            if (Images is < 1)
                return ValidationResult.Error($"--images must be at least 1, was {Images}.");
            if (Images is not null && !Miniatures.Skip(1).Contains(Model))
                return ValidationResult.Error("--images is for miniatures but mini-vae (mini-…); leave it out.");
            if (Model == PixelLadder && Images < PixelDiffusionTraining.LadderImages[0])
                return ValidationResult.Error(
                    $"--images must be at least {PixelDiffusionTraining.LadderImages[0]} for {PixelLadder}, "
                        + $"was {Images}."
                );
            if (Layout is not null && Model != AutoencoderTraining.Name)
                return ValidationResult.Error($"--layout is for {AutoencoderTraining.Name}; leave it out.");
            if (Layout is not null && !AutoencoderTraining.Layouts.ContainsKey(Layout))
                return ValidationResult.Error(
                    $"--layout must be one of {string.Join(", ", AutoencoderTraining.Layouts.Keys)}, was '{Layout}'."
                );
            if (Data != "faces" && FacesOnly.Contains(Model))
                return ValidationResult.Error($"{Model} is trained on faces; leave --data out.");
            if (Seed < 0)
                return ValidationResult.Error($"--seed must be 0 or more, was {Seed}.");
            return Out is not null && string.IsNullOrWhiteSpace(Out)
                ? ValidationResult.Error("--out must name a folder, was empty.")
                : ValidationResult.Success();
        }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var session = settings.Session;
        var named = settings.Out is null ? null : Path.GetFullPath(settings.Out, session.StartFolder);
        if (File.Exists(named))
            throw new UsageException($"--out must name a folder, but '{settings.Out}' is a file.");
        if (settings.Threads is { } threads)
            TorchSharp.torch.set_num_threads(threads);
        if (Miniatures.Contains(settings.Model))
        {
            var data =
                named
                ?? (
                    settings.Data == "celeba"
                        ? DataFolders.DownloadFolder
                        : Path.Combine(session.Workspace.Root, "data")
                );
            var run = new MiniatureRun(session, settings, data);
            if (settings.Model == AutoencoderTraining.Name)
                MiniatureTraining.Autoencoder(run, cancellationToken);
            else if (settings.Model == LatentDiffusionTraining.Name)
                MiniatureTraining.StableDiffusion(run, cancellationToken);
            else if (settings.Model == PixelLadder)
                MiniatureTraining.Ladder(run, cancellationToken);
            else if (LatentModels.Contains(settings.Model))
                MiniatureTraining.Transformer(run, Regime(ClassDiffusionTraining.NameOf), cancellationToken);
            else
                MiniatureTraining.Pixels(run, Regime(PixelDiffusionTraining.NameOf), cancellationToken);
            return 0;
            TrainingRegime Regime(Func<TrainingRegime, string> name) =>
                Enum.GetValues<TrainingRegime>().Single(r => name(r) == settings.Model);
        }
        var source = ImageSources.Open(settings.Data, seed: settings.Seed);
        var folder =
            named
            ?? (source.MayBePublished ? Path.Combine(session.Workspace.Root, "data") : DataFolders.DownloadFolder);
        if (settings.Model == Regressor)
            return TrainRegressor(session, settings, source, folder, cancellationToken);
        foreach (var size in FaceFeatures.Sizes.Where(size => FaceFeatures.NameOf(size) == settings.Model))
            return TrainFeatures(session, settings, size, folder, cancellationToken);
        using var job = Prepare(settings, source);
        var target = Path.Combine(folder, job.File);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        // Kept in the cache until the end, so that a run that was stopped goes on where it was.
        var unfinished = Path.Combine(
            DataFolders.DownloadFolder,
            "unfinished",
            $"{settings.Model}-{settings.Data}-seed{settings.Seed}.safetensors"
        );
        Directory.CreateDirectory(Path.GetDirectoryName(unfinished)!);
        var recipe = job.Recipe with
        {
            Seed = settings.Seed,
            Steps = settings.Steps ?? job.Recipe.Steps,
            CheckpointPath = unfinished,
            CheckpointEvery = 500,
        };
        session.Say(
            $"{settings.Model}: {job.Images} images of {settings.Data}, {job.Pixels} pixels; {recipe.Steps} steps"
                + (File.Exists(unfinished) ? "; going on from where an earlier run was stopped" : "")
        );
        var clock = Stopwatch.StartNew();
        var progress = Sparing<TrainingProgress>(p =>
            session.Say(
                FormattableString.Invariant(
                    $"step {p.Row.Step} of {recipe.Steps}, loss {p.Row.Loss:G4}, {p.StepsPerSecond:G3} steps a second"
                )
            )
        );
        using var result = job.Fit(recipe, progress, cancellationToken);
        if (result.CheckpointFailure is { } failure)
            session.Say(failure);
        if (result.Cancelled)
            throw new OperationCanceledException();
        job.Save(
            target,
            Provenance(
                settings,
                job.Images,
                recipe.Steps,
                result.Seconds,
                ("loss", result.History[^1].Loss.ToString("G6", CultureInfo.InvariantCulture))
            )
        );
        File.Delete(unfinished);
        session.Say($"wrote {Path.GetRelativePath(session.StartFolder, target)} after {clock.Elapsed:h\\:mm\\:ss}");
        return 0;
    }

    // Minutes, so that it is not resumed; what is printed at the end is its error on images that it has not seen.
    private static int TrainRegressor(
        Session session,
        Settings settings,
        IImageSource source,
        string folder,
        CancellationToken cancellation
    )
    {
        var attributes = SteeringConcept.Of(source).Select(c => c.Attribute).ToArray();
        using var images = SteeringConcept.ForAttributeRegressor(source, SteeringConcept.AttributeRegressorImages);
        var recipe = AttributeRegressor.Recipe(images.Count) with { Seed = settings.Seed };
        if (settings.Steps is { } steps)
            recipe = recipe with { Steps = steps };
        session.Say(
            $"{Regressor}: {string.Join(", ", attributes)} of {images.Count} images of {settings.Data}; "
                + $"{recipe.Steps} steps"
        );
        using var heldOut = source.Test(Math.Min(2000, source.TestCapacity));
        return TrainRegressor(
            session,
            settings,
            Path.Combine(folder, SteeringConcept.AttributeRegressorFile(settings.Data)),
            images.Count,
            heldOut,
            recipe,
            progress => AttributeRegressor.Fit(images, attributes, recipe, progress, cancellation),
            half: false
        );
    }

    private static int TrainFeatures(
        Session session,
        Settings settings,
        int size,
        string folder,
        CancellationToken cancellation
    )
    {
        const int images = 20_000;
        var recipe = AttributeRegressor.Recipe(images) with { Seed = settings.Seed };
        if (settings.Steps is { } steps)
            recipe = recipe with { Steps = steps };
        var faces = new ParametricFaces(size, rgb: true, settings.Seed);
        session.Say($"{settings.Model}: {images} faces of {size}×{size}; {recipe.Steps} steps");
        using var heldOut = faces.Test(2000);
        return TrainRegressor(
            session,
            settings,
            Path.Combine(folder, FaceFeatures.File(size)),
            images,
            heldOut,
            recipe,
            progress => FaceFeatures.Fit(faces, images, recipe, progress, cancellation),
            half: true
        );
    }

    private static int TrainRegressor(
        Session session,
        Settings settings,
        string target,
        int images,
        ImageDataset heldOut,
        TrainingOptions recipe,
        Func<IProgress<int>, AttributeRegressor> fit,
        bool half
    )
    {
        var clock = Stopwatch.StartNew();
        using var regressor = fit(
            Sparing<int>(n =>
                session.Say(
                    FormattableString.Invariant(
                        $"step {n} of {recipe.Steps}, {n / clock.Elapsed.TotalSeconds:G3} steps a second"
                    )
                )
            )
        );
        var errors = regressor
            .Evaluate(heldOut)
            .Select(e => FormattableString.Invariant($"{e.Name} {e.ExplainedVariance:F3}"));
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        regressor.Save(
            target,
            Provenance(
                settings,
                $"{images}",
                recipe.Steps,
                clock.Elapsed.TotalSeconds,
                ("explained variance on held-out images", string.Join(", ", errors))
            ),
            half
        );
        session.Say($"explained variance on {heldOut.Count} held-out images: {string.Join(", ", errors)}");
        session.Say($"wrote {Path.GetRelativePath(session.StartFolder, target)} after {clock.Elapsed:h\\:mm\\:ss}");
        return 0;
    }

    private static Dictionary<string, string> Provenance(
        Settings settings,
        string images,
        int steps,
        double seconds,
        (string Key, string Value) outcome
    ) =>
        new()
        {
            ["command"] =
                $"dotnet run --project environment -- train {settings.Model} --data {settings.Data}"
                + (settings.Seed == 0 ? "" : $" --seed {settings.Seed}")
                + (settings.Steps is { } n ? $" --steps {n}" : ""),
            ["data"] = settings.Data,
            ["images"] = images,
            ["seed"] = settings.Seed.ToString(CultureInfo.InvariantCulture),
            ["steps"] = steps.ToString(CultureInfo.InvariantCulture),
            [outcome.Key] = outcome.Value,
            ["hardware"] =
                $"CPU, {TorchSharp.torch.get_num_threads()} "
                + $"{(TorchSharp.torch.get_num_threads() == 1 ? "thread" : "threads")}",
            ["hours"] = (seconds / 3600).ToString("F2", CultureInfo.InvariantCulture),
        };

    private static Job Prepare(Settings settings, IImageSource source)
    {
        if (DeepPreset.All.SingleOrDefault(p => p.Name == settings.Model) is { } deep)
        {
            var set = deep.Images(source);
            var network = deep.Create(set.Distinct, settings.Seed);
            var images =
                set.Occurrences == 1
                    ? $"{set.Distinct.Count}"
                    : $"{set.Distinct.Count - set.Repeated} once and {set.Repeated} {set.Occurrences} times each";
            return new Job(
                deep.File(settings.Data),
                images,
                set.Distinct.Dimension,
                deep.Recipe,
                (recipe, progress, cancellation) => deep.Fit(network, set, recipe, progress, cancellation),
                (path, provenance) => DeepCheckpoint.Save(network, path, provenance),
                [set, (IDisposable)network]
            );
        }
        var preset = ReluDiffusionPreset.All.Single(p => Prefix + p.Name == settings.Model);
        var data = preset.Images(source);
        var model = new ReluDiffusion(data.Dimension, ReluDiffusionPreset.Units, settings.Seed);
        return new Job(
            preset.File(settings.Data),
            $"{data.Count}",
            data.Dimension,
            preset.Recipe,
            (recipe, progress, cancellation) => Trainer.Fit(model, data.Vectors, recipe, progress, cancellation),
            (path, provenance) => ReluDiffusionCheckpoint.Save(model, path, provenance),
            [data, model]
        );
    }

    // One training: what is trained on what, how, and where it is kept.
    private sealed record Job(
        string File,
        string Images,
        int Pixels,
        TrainingOptions Recipe,
        Func<TrainingOptions, IProgress<TrainingProgress>, CancellationToken, TrainingResult> Fit,
        Action<string, IReadOnlyDictionary<string, string>> Save,
        IReadOnlyList<IDisposable> Owned
    ) : IDisposable
    {
        public void Dispose()
        {
            foreach (var owned in Owned)
                owned.Dispose();
        }
    }

    // At most one report in ten seconds.
    internal static IProgress<T> Sparing<T>(Action<T> report)
    {
        var clock = Stopwatch.StartNew();
        var lastReport = TimeSpan.Zero;
        return new CallbackProgress<T>(value =>
        {
            if (clock.Elapsed - lastReport < TimeSpan.FromSeconds(10))
                return;
            lastReport = clock.Elapsed;
            report(value);
        });
    }

    // Reports at once, in order, on the thread that trains.
    private sealed class CallbackProgress<T>(Action<T> report) : IProgress<T>
    {
        public void Report(T value) => report(value);
    }
}
