// The library without a notebook: trains a network that memorizes and one that generalizes, compares the first with its
// closed form, and draws from both.
//     dotnet run --file environment/samples.cs -- [--data faces|fashion-mnist|celeba] [--out samples.png]
#:project ../lib/BalancedDiffusion.Notebook/BalancedDiffusion.Notebook.csproj
#:property PublishAot=false
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Notebook;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;
using static TorchSharp.torch;

const double sigma = 0.2;
const long seed = 1;
var options = new Dictionary<string, string> { ["--data"] = "faces", ["--out"] = "samples.png" };
try
{
    for (var i = 0; i < args.Length; i += 2)
    {
        if (!options.ContainsKey(args[i]))
            throw new ArgumentException(
                $"there is no option '{args[i]}'; known are {string.Join(" and ", options.Keys)}"
            );
        if (i + 1 == args.Length)
            throw new ArgumentException($"{args[i]} needs a value");
        options[args[i]] = args[i + 1];
    }
    var file = new FileInfo(options["--out"]);
    if (Directory.Exists(file.FullName) || file.Directory is not { Exists: true })
        throw new ArgumentException($"--out must name a file in a folder that exists, was '{options["--out"]}'");

    TorchRuntime.EnsureLoaded();
    random.manual_seed(seed);
    var source = ImageSources.Open(options["--data"], seed: seed);
    var largeSet = source.Train(Math.Min(5000, source.TrainCapacity));
    var unseen = source.Test(200).Vectors;
    // Five at most that are pairwise obtuse, so that the theory's separability holds.
    var smallSet = largeSet.Select(SeparableSubset.FindObtuse(largeSet.Vectors, most: 5, seed).Indices);

    // 100 units each, tied weights: f(y) = W relu(Wᵀ y).
    ReluDae Train(Tensor data, TrainingOptions recipe)
    {
        var model = new ReluDae(largeSet.Dimension, units: 100, seed);
        Trainer.Fit(model, data, recipe with { Seed = seed }).Dispose();
        foreach (var parameter in model.parameters())
            parameter.requires_grad_(false);
        return model;
    }
    var (memorizing, generalizing) = (
        Train(smallSet.Vectors, TrainingRecipes.Memorizing),
        Train(largeSet.Vectors, TrainingRecipes.Generalizing)
    );

    // Corollary 3.2: the columns that store an image have together this norm, and the penalised loss is known.
    var lambda = TrainingRecipes.Memorizing.Regularization.Lambda(memorizing, TrainingRecipes.Memorizing.Optimizer);
    var theory = new MemorizationMinimizer(smallSet.Vectors, sigma, lambda);
    var stored = WeightGallery
        .Of(memorizing, smallSet.Vectors)
        .Where(column => column.Cosine > 0.9)
        .ToLookup(column => column.ImageIndex, column => column.Norm * column.Norm);
    Table.Show(
        theory.StoredNorms.Select(
            (norm, i) =>
                new
                {
                    image = i + 1,
                    predicted_norm = norm,
                    trained_norm = Math.Sqrt(stored[i].Sum()),
                }
        ),
        "What the weights store"
    );
    var loss = new ExactExpectedLoss(smallSet.Vectors, sigma, lambda).Value(memorizing);
    Console.WriteLine($"loss over closed form: {loss / theory.Objective:F4}\n");

    // From noise to images: one network per noise level. The memorizing ones are the closed form itself,
    // the generalizing ones are trained briefly.
    var levels = new GeometricSchedule(20, 0.02).Levels(12).SkipLast(1).ToArray();
    Tensor Draw(Func<double, ReluDae> denoiser) =>
        new EulerSampler().Draw(
            new PerLevelDenoiser([.. levels.Select(s => (s, (IDenoiser)denoiser(s)))]),
            200,
            [.. levels, 0],
            new SamplingOptions { Seed = seed }
        );
    var brief = TrainingRecipes.Generalizing with { Steps = 300, Regularization = Regularization.None };
    var memorizingSamples = Draw(s => new MemorizationMinimizer(smallSet.Vectors, s).Denoiser());
    var generalizingSamples = Draw(s => Train(largeSet.Vectors, brief with { Noise = new FixedSigma(s) }));

    var noisy = unseen + sigma * GaussianNoise.Draw(unseen.shape, seed + 1);
    Tensor Unit(Tensor rows) => nn.functional.normalize(rows);
    Tensor Representation(ReluDae model) =>
        model.Encode(smallSet.Vectors + sigma * GaussianNoise.Draw(smallSet.Vectors.shape, seed + 2));
    Table.Show(
        new[]
        {
            (Name: "memorizing", Model: memorizing, Training: smallSet, Samples: memorizingSamples),
            (Name: "generalizing", Model: generalizing, Training: largeSet, Samples: generalizingSamples),
        }.Select(network => new
        {
            network = network.Name,
            error_over_noise = (network.Model.call(noisy) - unseen).square().mean().ToDouble() / (sigma * sigma),
            std_of_representation = Spikiness.StandardDeviation(Representation(network.Model)).mean().ToDouble(),
            active_units = Spikiness.ParticipationRatio(Representation(network.Model)).mean().ToDouble(),
            memorized = Unit(network.Samples)
                .matmul(Unit(network.Training.Vectors).t())
                .amax([1L])
                .gt(0.98)
                .to_type(ScalarType.Float64)
                .mean()
                .ToDouble(),
        }),
        "Error on unseen images, representations of the stored images, share of samples whose cosine to a training "
            + "image is above 0.98"
    );

    Tensor Shown(Tensor rows) => Unit(rows[..smallSet.Count]) * smallSet.Vectors.norm(1).mean();
    Tensor Largest(ReluDae model) => model.Encoder[model.Encoder.norm(1).argsort(descending: true)];
    var pictures = cat([
        smallSet.Vectors,
        Shown(Largest(memorizing)),
        Shown(memorizingSamples),
        Shown(Largest(generalizing)),
        Shown(generalizingSamples),
    ]);
    File.WriteAllBytes(
        file.FullName,
        ImageGrid.Draw(
            pictures.view(-1, largeSet.Channels, largeSet.Height, largeSet.Width),
            "Two networks of one kind",
            columns: smallSet.Count,
            rowLabels:
            [
                "stored images",
                "memorizing: weights",
                "memorizing: samples",
                "generalizing: weights",
                "generalizing: samples",
            ]
        )
    );
    Console.WriteLine($"\nWrote {file.FullName}");
    return 0;
}
catch (Exception e)
    when (e is ArgumentException or IOException or UnauthorizedAccessException or InvalidOperationException)
{
    var text = e.Message.ReplaceLineEndings(" ");
    if (e is MissingDataException { EntryName: { } entry })
        text = $"{text.TrimEnd('.')}; to get it: {DataManifest.Load()[entry].HowToGet}";
    Console.Error.WriteLine($"Error: {text}");
    return 2;
}
