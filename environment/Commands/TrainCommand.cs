using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Training;
using Spectre.Console;
using Spectre.Console.Cli;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary><c>train MODEL</c>: trains one of the models that the notebooks load, in full, and keeps its weights.</summary>
public sealed class TrainCommand : Command<TrainCommand.Settings>
{
    private const string Prefix = "relu-diffusion-";

    private static string[] Models => [.. ReluDiffusionPreset.All.Select(p => Prefix + p.Name), .. DeepPreset.All.Select(p => p.Name)];

    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The model.</summary>
        [CommandArgument(0, "<MODEL>")]
        [Description("relu-diffusion-, unet- or dit- followed by memorizing or generalizing; also unet-hybrid and dit-hybrid.")]
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
        [Description("The data folder to write into; data/ of the repository for images that may be passed on, else the user's cache.")]
        public string? Out { get; init; }

        /// <inheritdoc/>
        public override ValidationResult Validate()
        {
            if (!Models.Contains(Model)) return ValidationResult.Error($"there is no model '{Model}'; known are {string.Join(", ", Models)}.");
            if (!ImageSources.Names.Contains(Data)) return ValidationResult.Error($"--data must be one of {string.Join(", ", ImageSources.Names)}, was '{Data}'.");
            if (Steps is < 1) return ValidationResult.Error($"--steps must be at least 1, was {Steps}.");
            if (Seed < 0) return ValidationResult.Error($"--seed must be 0 or more, was {Seed}.");
            return Out is not null && string.IsNullOrWhiteSpace(Out) ? ValidationResult.Error("--out must name a folder, was empty.") : ValidationResult.Success();
        }
    }

    /// <inheritdoc/>
    public override int Execute(CommandContext context, Settings settings, CancellationToken cancellationToken)
    {
        var session = settings.Session;
        var source = ImageSources.Open(settings.Data, seed: settings.Seed);
        var folder = settings.Out is { } named ? Path.GetFullPath(named, session.StartFolder) : source.MayBePublished ? Path.Combine(session.Workspace.Root, "data") : DataFolders.DownloadFolder;
        if (File.Exists(folder)) throw new UsageException($"--out must name a folder, but '{settings.Out}' is a file.");
        using var job = Prepare(settings, source);
        var target = Path.Combine(folder, job.File);
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        // Kept in the cache until the end, so that a run that was stopped goes on where it was.
        var unfinished = Path.Combine(DataFolders.DownloadFolder, "unfinished", $"{settings.Model}-{settings.Data}-seed{settings.Seed}.safetensors");
        Directory.CreateDirectory(Path.GetDirectoryName(unfinished)!);
        var recipe = job.Recipe with { Seed = settings.Seed, Steps = settings.Steps ?? job.Recipe.Steps, CheckpointPath = unfinished, CheckpointEvery = 500 };
        session.Say($"{settings.Model}: {job.Images} images of {settings.Data}, {job.Pixels} pixels; {recipe.Steps} steps" + (File.Exists(unfinished) ? "; going on from where an earlier run was stopped" : ""));
        var clock = Stopwatch.StartNew();
        var told = TimeSpan.Zero;
        var progress = new Told<TrainingProgress>(p =>
        {
            if (clock.Elapsed - told < TimeSpan.FromSeconds(10)) return;
            told = clock.Elapsed;
            session.Say(FormattableString.Invariant($"step {p.Row.Step} of {recipe.Steps}, loss {p.Row.Loss:G4}, {p.StepsPerSecond:G3} steps a second"));
        });
        using var result = job.Fit(recipe, progress, cancellationToken);
        if (result.CheckpointFailure is { } failure) session.Say(failure);
        if (result.Cancelled) throw new OperationCanceledException();
        job.Save(target, new Dictionary<string, string>
        {
            ["command"] = $"dotnet run --project environment -- train {settings.Model} --data {settings.Data}" + (settings.Seed == 0 ? "" : $" --seed {settings.Seed}") + (settings.Steps is { } n ? $" --steps {n}" : ""),
            ["data"] = settings.Data, ["images"] = job.Images, ["seed"] = settings.Seed.ToString(CultureInfo.InvariantCulture),
            ["steps"] = recipe.Steps.ToString(CultureInfo.InvariantCulture), ["loss"] = result.History[^1].Loss.ToString("G6", CultureInfo.InvariantCulture),
            ["hardware"] = $"CPU, {TorchSharp.torch.get_num_threads()} {(TorchSharp.torch.get_num_threads() == 1 ? "thread" : "threads")}", ["hours"] = (result.Seconds / 3600).ToString("F2", CultureInfo.InvariantCulture),
        });
        File.Delete(unfinished);
        session.Say($"wrote {Path.GetRelativePath(session.StartFolder, target)} after {clock.Elapsed:h\\:mm\\:ss}");
        return 0;
    }

    private static Job Prepare(Settings settings, IImageSource source)
    {
        if (DeepPreset.All.SingleOrDefault(p => p.Name == settings.Model) is { } deep)
        {
            var set = deep.Images(source);
            var network = deep.Create(set.Distinct, settings.Seed);
            var images = set.Copies == 1 ? $"{set.Distinct.Count}" : $"{set.Distinct.Count - set.Repeated} once and {set.Repeated} {set.Copies} times each";
            return new Job(deep.File(settings.Data), images, set.Distinct.Dimension, deep.Recipe, (recipe, progress, cancellation) => deep.Fit(network, set, recipe, progress, cancellation),
                (path, provenance) => DeepCheckpoint.Save(network, path, provenance), [set, (IDisposable)network]);
        }
        var preset = ReluDiffusionPreset.All.Single(p => Prefix + p.Name == settings.Model);
        var data = preset.Images(source);
        var model = new ReluDiffusion(data.Dimension, ReluDiffusionPreset.Units, settings.Seed);
        return new Job(preset.File(settings.Data), $"{data.Count}", data.Dimension, preset.Recipe, (recipe, progress, cancellation) => Trainer.Fit(model, data.Vectors, recipe, progress, cancellation),
            (path, provenance) => ReluDiffusionCheckpoint.Save(model, path, provenance), [data, model]);
    }

    // One training: what is trained on what, how, and where it is kept.
    private sealed record Job(string File, string Images, int Pixels, TrainingOptions Recipe, Func<TrainingOptions, IProgress<TrainingProgress>, CancellationToken, TrainingResult> Fit,
        Action<string, IReadOnlyDictionary<string, string>> Save, IReadOnlyList<IDisposable> Owned) : IDisposable
    {
        public void Dispose()
        {
            foreach (var owned in Owned) owned.Dispose();
        }
    }

    // Reports at once, in order, on the thread that trains.
    private sealed class Told<T>(Action<T> tell) : IProgress<T>
    {
        public void Report(T value) => tell(value);
    }
}
