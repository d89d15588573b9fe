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

    private static string[] Models => [.. ReluDiffusionPreset.All.Select(p => Prefix + p.Name)];

    /// <summary>What can be asked for.</summary>
    public sealed class Settings : SessionSettings
    {
        /// <summary>The model.</summary>
        [CommandArgument(0, "<MODEL>")]
        [Description("relu-diffusion-memorizing or relu-diffusion-generalizing.")]
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
        var preset = ReluDiffusionPreset.All.Single(p => Prefix + p.Name == settings.Model);
        var source = ImageSources.Open(settings.Data, seed: settings.Seed);
        var folder = settings.Out is { } named ? Path.GetFullPath(named, session.StartFolder) : source.MayBePublished ? Path.Combine(session.Workspace.Root, "data") : DataFolders.DownloadFolder;
        if (File.Exists(folder)) throw new UsageException($"--out must name a folder, but '{settings.Out}' is a file.");
        var target = Path.Combine(folder, preset.File(settings.Data));
        Directory.CreateDirectory(Path.GetDirectoryName(target)!);
        var images = preset.Images(source);
        session.Say($"{settings.Model}: {images.Count} images of {settings.Data}, {images.Dimension} pixels");
        using var model = new ReluDiffusion(images.Dimension, ReluDiffusionPreset.Units, settings.Seed);
        var recipe = preset.Recipe with { Seed = settings.Seed, Steps = settings.Steps ?? preset.Recipe.Steps };
        var clock = Stopwatch.StartNew();
        var told = TimeSpan.Zero;
        var progress = new Told<TrainingProgress>(p =>
        {
            if (clock.Elapsed - told < TimeSpan.FromSeconds(10)) return;
            told = clock.Elapsed;
            session.Say(FormattableString.Invariant($"step {p.Row.Step} of {recipe.Steps}, loss {p.Row.Loss:G4}, {p.StepsPerSecond:F0} steps a second"));
        });
        using var result = Trainer.Fit(model, images.Vectors, recipe, progress, cancellationToken);
        if (result.Cancelled) throw new OperationCanceledException();
        ReluDiffusionCheckpoint.Save(model, target, new Dictionary<string, string>
        {
            ["command"] = $"dotnet run --project environment -- train {settings.Model} --data {settings.Data}" + (settings.Seed == 0 ? "" : $" --seed {settings.Seed}") + (settings.Steps is { } n ? $" --steps {n}" : ""),
            ["data"] = settings.Data, ["images"] = images.Count.ToString(CultureInfo.InvariantCulture), ["seed"] = settings.Seed.ToString(CultureInfo.InvariantCulture),
            ["steps"] = recipe.Steps.ToString(CultureInfo.InvariantCulture), ["loss"] = result.History[^1].Loss.ToString("G6", CultureInfo.InvariantCulture),
            ["hardware"] = $"CPU, {Environment.ProcessorCount} cores", ["hours"] = (result.Seconds / 3600).ToString("F2", CultureInfo.InvariantCulture),
        });
        session.Say($"wrote {Path.GetRelativePath(session.StartFolder, target)} after {clock.Elapsed:h\\:mm\\:ss}");
        return 0;
    }

    // Reports at once, in order, on the thread that trains.
    private sealed class Told<T>(Action<T> tell) : IProgress<T>
    {
        public void Report(T value) => tell(value);
    }
}
