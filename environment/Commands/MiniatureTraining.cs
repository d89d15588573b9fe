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

/// <summary>Trains the miniatures: small diffusion systems in published layouts, kept as diffusers folders below
/// <c>checkpoints</c>, each with its validation curve as CSV.</summary>
internal static class MiniatureTraining
{
    private const int StatisticsImages = 2048,
        SingleImages = 50_000,
        HeldOutImages = 512,
        VocabularyCaptions = 20_000,
        VocabularySize = 1024,
        CaptionLength = 24,
        SamplesAPrompt = 4;

    private static readonly string[] Prompts =
    [
        "",
        "a young woman with long hair",
        "an old man with a white beard",
        "a smiling face with glasses",
        "a face with sunglasses and a red hat",
        "a bald man with a moustache",
        "an elderly face with grey hair and glasses",
        "a young face with a blue hat and an open mouth",
    ];

    /// <summary>Trains the autoencoder of latents and writes it.</summary>
    /// <param name="session">Where to talk.</param>
    /// <param name="settings">What was asked for.</param>
    /// <param name="data">The data folder to write into.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static int Autoencoder(
        Session session,
        TrainCommand.Settings settings,
        string data,
        CancellationToken cancellation
    )
    {
        var layout = settings.Layout is { } name ? AutoencoderTraining.Layouts[name] : AutoencoderTraining.MiniVae;
        var target = Path.Combine(data, "checkpoints", AutoencoderTraining.Name);
        var trial = settings.Layout is null ? "" : $"-{settings.Layout}";
        var recipe = AutoencoderTraining.Recipe;
        recipe = recipe with
        {
            Seed = settings.Seed,
            Steps = settings.Steps ?? recipe.Steps,
            BatchSize = settings.Batch ?? recipe.BatchSize,
            CheckpointPath = Unfinished($"{AutoencoderTraining.Name}{trial}-seed{settings.Seed}"),
        };
        using var network = new LatentAutoencoder(layout, settings.Seed);
        var faces = new ParametricFaces(64, rgb: true, settings.Seed);
        session.Say(
            $"{AutoencoderTraining.Name}: {layout.ParameterCount} weights, {recipe.Steps} steps of {recipe.BatchSize} "
                + $"faces{GoingOn(recipe)}"
        );
        var report = new Report(session, recipe, Path.Combine(target, "training.csv"));
        var result = AutoencoderTraining.Fit(network, faces, recipe, report.Take, cancellation);
        report.End(result);
        using var images = faces.Train(StatisticsImages);
        var statistics = AutoencoderTraining.Standardize(network, images.Images);
        var provenance = Provenance(settings, recipe, result);
        provenance["latent mean before standardization"] = Listed(statistics.Mean);
        provenance["latent standard deviation before standardization"] = Listed(statistics.StandardDeviation);
        provenance["latents"] = $"mean 0 and standard deviation 1 in every channel, over {StatisticsImages} faces";
        AutoencoderCheckpoint.Save(network, Path.Combine(target, "vae"), layout with { ScalingFactor = 1 }, provenance);
        File.Delete(recipe.CheckpointPath!);
        session.Say(
            $"wrote {Path.GetRelativePath(session.StartFolder, Path.Combine(target, "vae"))} after "
                + $"{TimeSpan.FromSeconds(result.Seconds):h\\:mm\\:ss}"
        );
        return 0;
    }

    /// <summary>Trains the text encoder and the U-Net of a small Stable Diffusion on the latents of the autoencoder,
    /// and writes the whole system; now and then also what there is of it, with a picture of samples.</summary>
    /// <param name="session">Where to talk.</param>
    /// <param name="settings">What was asked for.</param>
    /// <param name="data">The data folder to write into.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="UsageException">There is no autoencoder yet.</exception>
    public static int StableDiffusion(
        Session session,
        TrainCommand.Settings settings,
        string data,
        CancellationToken cancellation
    )
    {
        var target = Path.Combine(data, "checkpoints", LatentDiffusionTraining.Name);
        var (autoencoder, autoencoderProvenance) = TrainedAutoencoder(data);
        var ladder = new DuplicateLadder(new CaptionedFaces(settings.Seed), settings.Images ?? SingleImages);
        var files = Path.Combine(target, "tokenizer");
        ClipVocabulary.Train(ladder.Faces.Captions(0, VocabularyCaptions), VocabularySize).Save(files);
        var tokenizer = new ClipTokenizer(
            Path.Combine(files, "vocab.json"),
            Path.Combine(files, "merges.txt"),
            CaptionLength
        );
        using var model = LatentDiffusionTraining.Create(tokenizer, autoencoder, settings.Seed);
        var recipe = LatentDiffusionTraining.Recipe;
        recipe = recipe with
        {
            Seed = settings.Seed,
            Steps = settings.Steps ?? recipe.Steps,
            BatchSize = settings.Batch ?? recipe.BatchSize,
            CheckpointPath = Unfinished($"{LatentDiffusionTraining.Name}-seed{settings.Seed}"),
        };
        session.Say(
            $"{LatentDiffusionTraining.Name}: {model.Network.Options.ParameterCount} weights of the U-Net and "
                + $"{model.TextEncoder.Options.ParameterCount} of the text encoder, {tokenizer.Vocabulary} tokens; "
                + $"{ladder.Distinct} images in {ladder.Rows} rows; {recipe.Steps} steps of {recipe.BatchSize}"
                + GoingOn(recipe)
        );
        var cache = Unfinished($"{LatentDiffusionTraining.Name}-seed{settings.Seed}-latents");
        using var train = CaptionedLatents.Encode(
            autoencoder,
            tokenizer,
            ladder.Faces.Captions(0, ladder.Distinct),
            (first, count) => ladder.Images([.. Enumerable.Range(first, count)]),
            ladder.RowMap(),
            cache,
            TrainCommand.Sparing<int>(n => session.Say($"encoded {n} of {ladder.Distinct} images")),
            cancellation
        );
        using var heldOut = CaptionedLatents.Encode(
            autoencoder,
            tokenizer,
            ladder.Faces.HeldOutCaptions(HeldOutImages),
            (first, count) => ladder.Faces.Images(HeldOutIndices(first, count)),
            cancellation: cancellation
        );
        var report = new Report(session, recipe, Path.Combine(target, "training.csv"));
        void Save(IReadOnlyDictionary<string, string> provenance) =>
            StableDiffusionCheckpoint.Save(model, files, target, provenance, autoencoderProvenance);
        void Preview(long step)
        {
            var picture = Path.Combine(target, "samples", $"step-{step:D6}.png");
            SampleGrid.Write(picture, model, Prompts, SamplesAPrompt, settings.Seed);
            if (step < recipe.Steps)
                Save(new Dictionary<string, string> { ["steps so far"] = $"{step} of {recipe.Steps}" });
            session.Say($"drew {Path.GetRelativePath(session.StartFolder, picture)}");
        }
        var result = LatentDiffusionTraining.Fit(
            model,
            train,
            heldOut,
            recipe,
            report.Take,
            Preview,
            cancellation: cancellation
        );
        report.End(result);
        var provenance = Provenance(settings, recipe, result);
        provenance["images"] =
            $"{ladder.Distinct} distinct in {ladder.Rows} rows: {ladder.Chosen} chosen ones occur "
            + $"{string.Join(", ", ladder.Steps)} times, the others once";
        Save(provenance);
        File.Delete(recipe.CheckpointPath!);
        File.Delete(cache);
        session.Say(
            $"wrote {Path.GetRelativePath(session.StartFolder, target)} after "
                + $"{TimeSpan.FromSeconds(result.Seconds):h\\:mm\\:ss}"
        );
        return 0;
    }

    private static long[] HeldOutIndices(int first, int count) =>
        [.. Enumerable.Range(first, count).Select(i => ParametricFaces.FirstTestIndex + i)];

    private static (LatentAutoencoder Network, IReadOnlyDictionary<string, string> Provenance) TrainedAutoencoder(
        string data
    )
    {
        var file = Path.Combine("checkpoints", AutoencoderTraining.Name, "vae", "config.json");
        var config =
            new[] { Path.Combine(data, file), DataFolders.Find(file) }.FirstOrDefault(File.Exists)
            ?? throw new UsageException(
                $"{LatentDiffusionTraining.Name} needs the autoencoder, and there is no {file} in the data folders; "
                    + $"make it first with 'dotnet run --project environment -- train {AutoencoderTraining.Name}'."
            );
        var folder = Path.GetDirectoryName(config)!;
        var weights = Path.Combine(folder, "diffusion_pytorch_model.safetensors");
        return (AutoencoderCheckpoint.Load(folder), Safetensors.ReadMetadata(weights));
    }

    // Kept in the cache until the end, so that a run that was stopped goes on where it was.
    private static string Unfinished(string name) =>
        Path.Combine(DataFolders.DownloadFolder, "unfinished", $"{name}.safetensors");

    private static string GoingOn(TrainingOptions recipe) =>
        File.Exists(recipe.CheckpointPath) ? "; going on from where an earlier run was stopped" : "";

    private static string Listed(IReadOnlyList<double> values) =>
        string.Join(", ", values.Select(v => v.ToString("G6", CultureInfo.InvariantCulture)));

    private static Dictionary<string, string> Provenance(
        TrainCommand.Settings settings,
        TrainingOptions recipe,
        ValidatedResult result
    )
    {
        var provenance = new Dictionary<string, string>
        {
            ["command"] =
                $"dotnet run --project environment -- train {settings.Model}"
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
            ["hours"] = (result.Seconds / 3600).ToString("F2", CultureInfo.InvariantCulture),
        };
        foreach (var (name, value) in result.History[^1].Measures)
            provenance[name] = value.ToString("G6", CultureInfo.InvariantCulture);
        return provenance;
    }

    // Says each row and writes the curve so far.
    private sealed class Report(Session session, TrainingOptions recipe, string csv)
    {
        private readonly Stopwatch clock = Stopwatch.StartNew();
        private long begunAt = -1;
        private double begunSeconds;

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
