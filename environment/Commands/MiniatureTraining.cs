using System.Globalization;
using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Datasets.Faces;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Reproduce.Commands;

/// <summary>Trains the miniatures: small diffusion systems in published layouts, kept below <c>checkpoints</c>, each
/// with its validation curve as CSV.</summary>
internal static class MiniatureTraining
{
    private const int StatisticsImages = 2048,
        VocabularyCaptions = 20_000,
        VocabularySize = 1024,
        CaptionLength = 24,
        SamplesAPrompt = 4,
        SamplesAClass = 4,
        PixelSamples = 64,
        PixelColumns = 16,
        PixelHeldOut = 512,
        SamplingSteps = 25;
    private const double Guidance = 4;

    private static readonly string[] Prompts =
    [
        "",
        "a portrait of a young person with long blond hair",
        "an old face with a beard and grey hair",
        "a smiling person with glasses",
        "a photo of a person with sunglasses and a red hat",
        "a drawing of a bald face with a moustache",
        "an elderly person with grey hair and glasses",
        "a young face with a blue hat and an open mouth",
    ];

    /// <summary>Trains the autoencoder of latents and writes it.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static void Autoencoder(MiniatureRun run, CancellationToken cancellation)
    {
        var name = run.Settings.Layout;
        var layout = name is null ? AutoencoderTraining.MiniVae : AutoencoderTraining.Layouts[name];
        var recipe = run.Recipe(AutoencoderTraining.Recipe, name is null ? "" : $"-{name}");
        var target = run.Target(AutoencoderTraining.Name);
        using var network = new LatentAutoencoder(layout, recipe.Seed);
        var faces = new ParametricFaces(64, rgb: true, recipe.Seed);
        run.Session.Say(
            $"{AutoencoderTraining.Name}: {layout.ParameterCount} weights, {recipe.Steps} steps of {recipe.BatchSize} "
                + $"faces{MiniatureRun.GoingOn(recipe)}"
        );
        var facts = new Dictionary<string, string>
        {
            ["latents"] = $"mean 0 and standard deviation 1 in every channel, over {StatisticsImages} faces",
        };
        void Save(IReadOnlyDictionary<string, string> provenance)
        {
            using var images = faces.Train(StatisticsImages);
            var statistics = AutoencoderTraining.Standardize(network, images.Images);
            var all = new Dictionary<string, string>(provenance)
            {
                ["latent mean before standardization"] = Listed(statistics.Mean),
                ["latent standard deviation before standardization"] = Listed(statistics.StandardDeviation),
            };
            AutoencoderCheckpoint.Save(network, Path.Combine(target, "vae"), layout with { ScalingFactor = 1 }, all);
        }
        run.Train(
            recipe,
            Path.Combine(target, "vae"),
            Path.Combine(target, "training.csv"),
            (logged, _) => AutoencoderTraining.Fit(network, faces, recipe, logged, cancellation),
            Save,
            facts
        );
    }

    /// <summary>Trains the text encoder and the U-Net of a small Stable Diffusion on the latents of the autoencoder,
    /// and writes the whole system; now and then also what there is of it, with a picture of samples.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="Runner.Notebooks.UsageException">There is no autoencoder yet.</exception>
    public static void StableDiffusion(MiniatureRun run, CancellationToken cancellation)
    {
        var target = run.Target(LatentDiffusionTraining.Name);
        var (autoencoder, autoencoderProvenance) = run.TrainedAutoencoder();
        var ladder = run.Ladder();
        var files = Path.Combine(target, "tokenizer");
        ClipVocabulary.Train(ladder.Faces.Captions(0, VocabularyCaptions), VocabularySize).Save(files);
        var tokenizer = new ClipTokenizer(
            Path.Combine(files, "vocab.json"),
            Path.Combine(files, "merges.txt"),
            CaptionLength
        );
        var recipe = run.Recipe(LatentDiffusionTraining.Recipe);
        using var model = LatentDiffusionTraining.Create(tokenizer, autoencoder, recipe.Seed);
        run.Session.Say(
            $"{LatentDiffusionTraining.Name}: {model.Network.Options.ParameterCount} weights of the U-Net and "
                + $"{model.TextEncoder.Options.ParameterCount} of the text encoder, {tokenizer.Vocabulary} tokens; "
                + $"{ladder.Counts.Distinct} images in {ladder.Counts.Rows} rows; "
                + $"{recipe.Steps} steps of {recipe.BatchSize}"
                + MiniatureRun.GoingOn(recipe)
        );
        using var scope = torch.NewDisposeScope();
        using var train = new ConditionedLatents(
            run.Latents(autoencoder, ladder, cancellation),
            tokenizer.Encode(ladder.Faces.Captions(0, ladder.Counts.Distinct)),
            ladder.Counts.RowMap()
        );
        using var heldOut = new ConditionedLatents(
            MiniatureRun.HeldOutLatents(autoencoder, ladder, cancellation),
            tokenizer.Encode(MiniatureRun.HeldOutCaptions(ladder))
        );
        string[] texts = [.. Prompts.SelectMany(prompt => Enumerable.Repeat(prompt, SamplesAPrompt))];
        var counts = ladder.Counts;
        run.Train(
            recipe,
            target,
            Path.Combine(target, "training.csv"),
            (logged, preview) =>
                LatentDiffusionTraining.Fit(model, train, heldOut, recipe, logged, preview, cancellation: cancellation),
            provenance => StableDiffusionCheckpoint.Save(model, files, target, provenance, autoencoderProvenance),
            Images(
                $"{counts.Distinct} distinct in {counts.Rows} rows: {counts.Chosen} chosen ones occur "
                    + $"{string.Join(", ", counts.Steps)} times, the others once"
            ),
            (target, SamplesAPrompt, () => model.Images(model.Sample(texts, SamplingSteps, recipe.Seed, Guidance)))
        );
    }

    /// <summary>Trains a class-conditional transformer on the latents of the autoencoder and writes it; now and then
    /// also what there is of it, with a picture of samples.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="regime">Which images it is trained on.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <exception cref="Runner.Notebooks.UsageException">There is no autoencoder yet.</exception>
    public static void Transformer(MiniatureRun run, TrainingRegime regime, CancellationToken cancellation)
    {
        var name = ClassDiffusionTraining.NameOf(regime);
        var target = run.Target(ClassDiffusionTraining.Name);
        var file = run.Target(Path.GetFileName(ClassDiffusionTraining.File(regime)));
        var (autoencoder, _) = run.TrainedAutoencoder();
        using var encoder = autoencoder;
        var ladder = run.Ladder();
        var rows = RegimeRows.Of(ladder.Counts, regime);
        var recipe = run.Recipe(ClassDiffusionTraining.Recipe(regime));
        using var network = new Dit(ClassDiffusionTraining.Sizes(encoder.Options), recipe.Seed);
        run.Session.Say(
            $"{name}: {network.Options.ParameterCount} weights; {rows.Distinct().Count()} images in {rows.Count} rows; "
                + $"{recipe.Steps} steps of {recipe.BatchSize}{MiniatureRun.GoingOn(recipe)}"
        );
        using var scope = torch.NewDisposeScope();
        using var train = new ConditionedLatents(
            run.Latents(encoder, ladder, cancellation),
            MiniatureRun.Classes(ladder, Enumerable.Range(0, ladder.Counts.Distinct).Select(i => (long)i)),
            rows
        );
        using var heldOut = new ConditionedLatents(
            MiniatureRun.HeldOutLatents(encoder, ladder, cancellation),
            MiniatureRun.HeldOutClasses(ladder)
        );
        var classes = Enumerable.Range(0, FaceClasses.Names.Count);
        long[] labels = [.. classes.SelectMany(c => Enumerable.Repeat((long)c, SamplesAClass))];
        torch.Tensor Draw() =>
            encoder.Decode(
                new DpmSolverSampler().Draw(
                    DitDenoiser.NoisePrediction(network).WithLabels(labels, Guidance),
                    labels.Length,
                    ClassDiffusionTraining.Schedule.Levels(SamplingSteps),
                    new SamplingOptions { Seed = recipe.Seed, BatchSize = labels.Length }
                )
            );
        var folder = Path.Combine(target, $"{regime}".ToLowerInvariant());
        run.Train(
            recipe,
            file,
            $"{folder}.csv",
            (logged, preview) =>
                ClassDiffusionTraining.Fit(
                    network,
                    train,
                    heldOut,
                    recipe,
                    logged,
                    preview,
                    cancellation: cancellation
                ),
            provenance => DitCheckpoint.Save(network, file, provenance, half: true),
            Images($"{rows.Distinct().Count()} distinct in {rows.Count} rows"),
            (folder, SamplesAClass, Draw)
        );
    }

    /// <summary>Trains a U-Net in pixels and writes it; now and then also what there is of it, with a picture of
    /// samples.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="regime">Which images it is trained on.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static void Pixels(MiniatureRun run, TrainingRegime regime, CancellationToken cancellation)
    {
        using var scope = torch.NewDisposeScope();
        var source = run.PixelSource();
        var counts = run.Counts(source);
        var rows = RegimeRows.Of(counts, regime);
        // Only what this network is trained on, renumbered.
        var distinct = rows.Distinct().ToArray();
        var first = distinct[0];
        using var images = run.Pixels(source, first, distinct.Length);
        using var heldOut = source.Test(Math.Min(PixelHeldOut, source.TestCapacity));
        Pixels(
            run,
            PixelDiffusionTraining.NameOf(regime),
            run.Target(Path.GetFileName(PixelDiffusionTraining.File(regime, source.Name))),
            images,
            [.. rows.Select(i => i - first)],
            heldOut,
            run.Recipe(PixelDiffusionTraining.Recipe(distinct.Length), $"-{source.Name}"),
            PixelDiffusionTraining.Sizes(heldOut.Channels, heldOut.Height),
            cancellation
        );
    }

    /// <summary>Trains a ladder of U-Nets in pixels, on ever more images and two disjoint halves each.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    public static void Ladder(MiniatureRun run, CancellationToken cancellation)
    {
        var source = run.PixelSource();
        foreach (var count in PixelDiffusionTraining.LadderImages.Where(n => n <= (run.Settings.Images ?? n)))
        foreach (var half in new[] { 0, 1 })
        {
            cancellation.ThrowIfCancellationRequested();
            var name = PixelDiffusionTraining.LadderFile(count, half)["checkpoints/".Length..];
            var target = run.Target(name);
            if (File.Exists(target) && Safetensors.ReadMetadata(target).ContainsKey("hours"))
            {
                run.Session.Say($"{run.Shown(target)} is there; delete it to train it anew");
                continue;
            }
            using var scope = torch.NewDisposeScope();
            using var images = run.Pixels(source, half * PixelDiffusionTraining.LadderImages[^1], count);
            using var heldOut = source.Test(PixelHeldOut);
            Pixels(
                run,
                name[..^".safetensors".Length],
                target,
                images,
                null,
                heldOut,
                run.Recipe(PixelDiffusionTraining.LadderRecipe, $"-{count}-{half}"),
                PixelDiffusionTraining.LadderSizes(heldOut.Channels, heldOut.Height),
                cancellation
            );
        }
    }

    private static void Pixels(
        MiniatureRun run,
        string name,
        string file,
        torch.Tensor images,
        IReadOnlyList<int>? rows,
        ImageDataset heldOut,
        TrainingOptions recipe,
        SongUNetOptions sizes,
        CancellationToken cancellation
    )
    {
        using var network = new EdmPreconditioner(sizes, recipe.Seed, PixelDiffusionTraining.SigmaData);
        run.Session.Say(
            $"{name}: {network.parameters().Sum(p => p.numel())} weights; {images.shape[0]} images in "
                + $"{rows?.Count ?? images.shape[0]} rows; {recipe.Steps} steps of {recipe.BatchSize}"
                + MiniatureRun.GoingOn(recipe)
        );
        var folder = file[..^".safetensors".Length];
        var facts = Images($"{images.shape[0]} distinct in {rows?.Count ?? images.shape[0]} rows");
        facts["data"] = $"{heldOut.Name}, {heldOut.Height}×{heldOut.Width}, {heldOut.Channels} channels";
        facts["network"] = DeepCheckpoint.UNet;
        run.Train(
            recipe,
            file,
            $"{folder}.csv",
            (logged, preview) =>
                PixelDiffusionTraining.Fit(
                    network,
                    images,
                    rows,
                    heldOut.Images,
                    recipe,
                    logged: logged,
                    preview: preview,
                    cancellation: cancellation
                ),
            provenance => EdmCheckpoint.Save(network, file, provenance, half: true),
            facts,
            (
                folder,
                PixelColumns,
                () =>
                    new DpmSolverSampler().Draw(
                        network,
                        PixelSamples,
                        PixelDiffusionTraining.Levels,
                        new SamplingOptions { Seed = recipe.Seed, BatchSize = PixelSamples }
                    )
            )
        );
    }

    private static Dictionary<string, string> Images(string images) => new() { ["images"] = images };

    private static string Listed(IReadOnlyList<double> values) =>
        string.Join(", ", values.Select(v => v.ToString("G6", CultureInfo.InvariantCulture)));
}
