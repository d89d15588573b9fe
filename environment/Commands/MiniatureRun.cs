using System.Diagnostics;
using System.Globalization;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Reproduce.Runner.Notebooks;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>What the trainings of all miniatures have in common: where they go on from, the latents that they share,
/// what they say, and what is kept about them.</summary>
/// <param name="session">Where to talk.</param>
/// <param name="settings">What was asked for.</param>
/// <param name="data">The data folder to write into.</param>
internal sealed class MiniatureRun(Session session, TrainCommand.Settings settings, string data)
{
    private const int SingleImages = 50_000,
        HeldOutImages = 512,
        RenderBlock = 1000;

    /// <summary>Where to talk.</summary>
    public Session Session => session;

    /// <summary>What was asked for.</summary>
    public TrainCommand.Settings Settings => settings;

    /// <summary>A path below the folder of checkpoints that is written into.</summary>
    public string Target(params string[] names) => Path.Combine([data, "checkpoints", .. names]);

    /// <summary>A path as the user sees it.</summary>
    public string Shown(string path) => Path.GetRelativePath(session.StartFolder, path);

    /// <summary>A recipe with what was asked for, and with the checkpoint from which a stopped run goes on.</summary>
    /// <param name="recipe">The model's own.</param>
    /// <param name="trial">What tells a trial from the model's own, or empty.</param>
    public TrainingOptions Recipe(TrainingOptions recipe, string trial = "") =>
        recipe with
        {
            Seed = settings.Seed,
            Steps = settings.Steps ?? recipe.Steps,
            BatchSize = settings.Batch ?? recipe.BatchSize,
            CheckpointPath = Unfinished($"{settings.Model}{trial}-seed{settings.Seed}"),
        };

    /// <summary>The end of a first line: whether an earlier run is gone on with.</summary>
    public static string GoingOn(TrainingOptions recipe) =>
        File.Exists(recipe.CheckpointPath) ? "; going on from where an earlier run was stopped" : "";

    /// <summary>The images that all latent models share, some of them many times.</summary>
    public DuplicateLadder Ladder() => new(new CaptionedFaces(settings.Seed), settings.Images ?? SingleImages);

    /// <summary>The latents of all distinct images, kept for the next model.</summary>
    public torch.Tensor Latents(
        LatentAutoencoder autoencoder,
        DuplicateLadder ladder,
        CancellationToken cancellation
    ) =>
        ConditionedLatents.Encode(
            autoencoder,
            ladder.Counts.Distinct,
            (first, count) => ladder.Images([.. Enumerable.Range(first, count)]),
            $"captioned faces of seed {settings.Seed}",
            Path.Combine(DataFolders.DownloadFolder, "latents", $"faces-seed{settings.Seed}.safetensors"),
            TrainCommand.Sparing<int>(n => session.Say($"encoded {n} of {ladder.Counts.Distinct} images")),
            cancellation
        );

    /// <summary>The latents of the first held-out images.</summary>
    public static torch.Tensor HeldOutLatents(
        LatentAutoencoder autoencoder,
        DuplicateLadder ladder,
        CancellationToken cancellation
    ) =>
        ConditionedLatents.Encode(
            autoencoder,
            HeldOutImages,
            (first, count) => ladder.Faces.Images(HeldOutIndices(first, count)),
            "held-out faces",
            cancellation: cancellation
        );

    /// <summary>The captions of the same.</summary>
    public static IReadOnlyList<string> HeldOutCaptions(DuplicateLadder ladder) =>
        ladder.Faces.HeldOutCaptions(HeldOutImages);

    /// <summary>The classes of the same, (images, 1).</summary>
    public static torch.Tensor HeldOutClasses(DuplicateLadder ladder) =>
        Classes(ladder, HeldOutIndices(0, HeldOutImages));

    /// <summary>The classes of faces, (images, 1).</summary>
    public static torch.Tensor Classes(DuplicateLadder ladder, IEnumerable<long> indices) =>
        torch.tensor(indices.Select(i => (long)ladder.Faces.Class(i)).ToArray()).unsqueeze(1);

    /// <summary>The images that the networks in pixels are trained on: 32×32 in colour, Fashion-MNIST 28×28
    /// grey.</summary>
    /// <exception cref="MissingDataException">Its files are missing.</exception>
    public IImageSource PixelSource() =>
        settings.Data switch
        {
            "faces" => new ParametricFaces(32, rgb: true, settings.Seed),
            "celeba" => CelebA.Open(rgb: true),
            var name => ImageSources.Open(name),
        };

    /// <summary>How often the images of a source occur where some of them are duplicated.</summary>
    public DuplicateCounts Counts(IImageSource source)
    {
        var chosen = new DuplicateCounts(0).Chosen;
        return new DuplicateCounts(Math.Min(settings.Images ?? SingleImages, source.TrainCapacity - chosen));
    }

    /// <summary>Training images of a source from an index on, in half precision.</summary>
    public torch.Tensor Pixels(IImageSource source, int first, int count)
    {
        using var scope = torch.NewDisposeScope();
        if (source is not ParametricFaces faces)
        {
            using var all = source.Train(first + count);
            return all.Images.narrow(0, first, count).to_type(torch.float16).MoveToOuterDisposeScope();
        }
        session.Say($"drawing {count} faces");
        var parts = Enumerable
            .Range(0, (count + RenderBlock - 1) / RenderBlock)
            .Select(i =>
            {
                using var part = faces.Render(
                    first + (long)i * RenderBlock,
                    Math.Min(RenderBlock, count - i * RenderBlock)
                );
                return part.Images.to_type(torch.float16);
            })
            .ToArray();
        return torch.cat(parts).MoveToOuterDisposeScope();
    }

    /// <summary>The trained autoencoder, and how it came to be.</summary>
    /// <exception cref="UsageException">There is none yet.</exception>
    public (LatentAutoencoder Network, IReadOnlyDictionary<string, string> Provenance) TrainedAutoencoder()
    {
        var file = Path.Combine("checkpoints", AutoencoderTraining.Name, "vae", "config.json");
        var config =
            new[] { Path.Combine(data, file), DataFolders.Find(file) }.FirstOrDefault(File.Exists)
            ?? throw new UsageException(
                $"{settings.Model} needs the autoencoder, and there is no {file} in the data folders; "
                    + $"make it first with 'dotnet run --project environment -- train {AutoencoderTraining.Name}'."
            );
        var folder = Path.GetDirectoryName(config)!;
        var weights = Path.Combine(folder, "diffusion_pytorch_model.safetensors");
        return (AutoencoderCheckpoint.Load(folder), Safetensors.ReadMetadata(weights));
    }

    /// <summary>What is kept beside the weights of a run that has ended.</summary>
    public Dictionary<string, string> Provenance(TrainingOptions recipe, ValidatedResult result)
    {
        var provenance = About(recipe);
        provenance["hours"] = (result.Seconds / 3600).ToString("F2", CultureInfo.InvariantCulture);
        foreach (var (name, value) in result.History[^1].Measures)
            provenance[name] = value.ToString("G6", CultureInfo.InvariantCulture);
        return provenance;
    }

    /// <summary>What is kept beside weights that are still trained.</summary>
    public Dictionary<string, string> Provenance(TrainingOptions recipe, long step)
    {
        var provenance = About(recipe);
        provenance["steps so far"] = $"{step} of {recipe.Steps}";
        return provenance;
    }

    private Dictionary<string, string> About(TrainingOptions recipe) =>
        new()
        {
            ["command"] =
                $"dotnet run --project environment -- train {settings.Model}"
                + (settings.Data == "faces" ? "" : $" --data {settings.Data}")
                + (settings.Seed == 0 ? "" : $" --seed {settings.Seed}")
                + (settings.Steps is { } steps ? $" --steps {steps}" : "")
                + (settings.Batch is { } batch ? $" --batch {batch}" : "")
                + (settings.Images is { } images ? $" --images {images}" : "")
                + (settings.Layout is { } layout ? $" --layout {layout}" : ""),
            ["data"] = "faces, 64×64 RGB",
            ["seed"] = settings.Seed.ToString(CultureInfo.InvariantCulture),
            ["steps"] = recipe.Steps.ToString(CultureInfo.InvariantCulture),
            ["batch size"] = recipe.BatchSize.ToString(CultureInfo.InvariantCulture),
            ["hardware"] = $"CPU, {torch.get_num_threads()} {(torch.get_num_threads() == 1 ? "thread" : "threads")}",
        };

    /// <summary>Says what was written, and how long it took.</summary>
    public void SayWritten(string path, ValidatedResult result) =>
        session.Say($"wrote {Shown(path)} after {TimeSpan.FromSeconds(result.Seconds):h\\:mm\\:ss}");

    private static long[] HeldOutIndices(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => ParametricFaces.FirstTestIndex + i)];

    // Kept in the cache until the end, so that a run that was stopped goes on where it was.
    private static string Unfinished(string name) =>
        Path.Combine(DataFolders.DownloadFolder, "unfinished", $"{name}.safetensors");

    /// <summary>Says each row and writes the curve so far.</summary>
    public sealed class Report(Session session, TrainingOptions recipe, string csv)
    {
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private long begunAt = -1;
        private double begunSeconds;

        /// <summary>Says the last row and writes all.</summary>
        public void Take(IReadOnlyList<ValidatedRow> history)
        {
            var row = history[^1];
            var speed = begunAt < 0 ? "" : $", {(row.Seconds - begunSeconds) / (row.Step - begunAt):F2} seconds a step";
            (begunAt, begunSeconds) = (row.Step, row.Seconds);
            var measures = row.Measures.Select(m => FormattableString.Invariant($"{m.Key} {m.Value:G4}"));
            session.Say(
                FormattableString.Invariant($"step {row.Step} of {recipe.Steps}, loss {row.Loss:G4}, ")
                    + string.Join(", ", measures)
                    + speed
            );
            ValidatedResult.WriteCsv(csv, history);
        }

        /// <summary>Says how it ended.</summary>
        /// <exception cref="OperationCanceledException">It was stopped.</exception>
        public void End(ValidatedResult result)
        {
            if (result.CheckpointFailure is { } failure)
                session.Say(failure);
            if (!result.Cancelled)
                return;
            session.Say(
                $"stopped after step {result.StepsDone} of {recipe.Steps}, {clock.Elapsed:h\\:mm\\:ss} in this session"
                    + "; the same command goes on from there"
            );
            throw new OperationCanceledException();
        }
    }
}
