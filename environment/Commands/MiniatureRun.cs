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

    /// <summary>Trains to the end and writes the result; now and then also what there is of it, with a picture of
    /// samples.</summary>
    /// <param name="recipe">How it is trained.</param>
    /// <param name="target">What is written, as it is named to the user.</param>
    /// <param name="curve">The CSV file of the validation curve.</param>
    /// <param name="fit">Trains, given what takes the rows of the history and what is called for previews.</param>
    /// <param name="save">Writes the weights with what is kept beside them.</param>
    /// <param name="facts">What else is kept beside the weights, by name.</param>
    /// <param name="samples">Samples for a picture, so many a row, and the folder that the pictures go to; null for
    /// none.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public void Train(
        TrainingOptions recipe,
        string target,
        string curve,
        Func<Action<IReadOnlyList<ValidatedRow>>, Action<long>, ValidatedResult> fit,
        Action<IReadOnlyDictionary<string, string>> save,
        IReadOnlyDictionary<string, string> facts,
        (string Folder, int Columns, Func<torch.Tensor> Draw)? samples = null
    )
    {
        void Preview(long step)
        {
            if (samples is not { } shown)
                return;
            var picture = Path.Combine(shown.Folder, "samples", $"step-{step:D6}.png");
            using (torch.NewDisposeScope())
            using (torch.no_grad())
                SampleGrid.Write(picture, shown.Draw(), shown.Columns);
            if (step < recipe.Steps)
                save(With(facts, About(recipe), ("steps so far", $"{step} of {recipe.Steps}")));
            session.Say($"drew {Shown(picture)}");
        }
        var report = new Report(session, recipe, curve);
        var result = fit(report.Take, Preview);
        report.End(result);
        (string, string)[] outcome =
        [
            ("hours", (result.Seconds / 3600).ToString("F2", CultureInfo.InvariantCulture)),
            .. result.History[^1].Measures.Select(m => (m.Key, m.Value.ToString("G6", CultureInfo.InvariantCulture))),
        ];
        save(With(facts, About(recipe), outcome));
        File.Delete(recipe.CheckpointPath!);
        session.Say($"wrote {Shown(target)} after {TimeSpan.FromSeconds(result.Seconds):h\\:mm\\:ss}");
    }

    private static Dictionary<string, string> With(
        IReadOnlyDictionary<string, string> facts,
        Dictionary<string, string> about,
        params (string Name, string Value)[] more
    )
    {
        foreach (var (name, value) in more.Concat(facts.Select(f => (f.Key, f.Value))))
            about[name] = value;
        return about;
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

    private static long[] HeldOutIndices(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => ParametricFaces.FirstTestIndex + i)];

    // Kept in the cache until the end, so that a run that was stopped goes on where it was.
    private static string Unfinished(string name) =>
        Path.Combine(DataFolders.DownloadFolder, "unfinished", $"{name}.safetensors");

    /// <summary>Says each row and writes the curve so far.</summary>
    private sealed class Report(Session session, TrainingOptions recipe, string csv)
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
