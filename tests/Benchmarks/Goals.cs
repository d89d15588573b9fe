using System.Globalization;
using System.Text;
using BalancedDiffusion.Datasets;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Protocols;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Training;
using TorchSharp;
using static TorchSharp.torch.nn;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// One table with a row a goal, met or not, beside the machine's own rates in the same run. Each ratio is the median of
/// pairs measured in turn, so that a neighbour's load or a change of clock meets both sides.
/// </summary>
public static class Goals
{
    private const int Dimension = 1024,
        Units = 100,
        Batch = 256,
        Images = 10_000,
        Rounds = 9;

    /// <summary>Measures, and writes a table to the console and to goals.md.</summary>
    /// <param name="folder">The folder for the table; made if it is not there.</param>
    public static void Run(string folder)
    {
        var table = new GoalTable();
        var most = torch.get_num_threads();
        foreach (var threads in new[] { 1, most }.Distinct())
        {
            torch.set_num_threads(threads);
            var suffix = $", {threads} thread{(threads == 1 ? "" : "s")}";
            table.Note($"product 1024³, float32{suffix}", $"{Rates.Product():F0} GFLOP/s");
            table.Note($"convolution 3×3, 64 to 64, 32×32, batch 16{suffix}", $"{Rates.Convolution():F0} GFLOP/s");
            Training(table, suffix);
            Samplers(table, suffix);
        }
        torch.set_num_threads(most);
        Deep(table);
        var text = table.ToString();
        Console.WriteLine(text);
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "goals.md"), text, new UTF8Encoding(false));
    }

    private static void Training(GoalTable table, string suffix)
    {
        using var scope = torch.NewDisposeScope();
        const int steps = 200;
        var data = GaussianNoise.Draw([Images, Dimension], 1);
        using var model = new ReluDae(Dimension, Units, seed: 1);
        using var loop = new AuthorsLoop(data, Batch, p => torch.optim.Adam(p, 1e-4, weight_decay: 1e-4));
        using var products = new ProjectedProducts(Batch, Dimension, Units);
        var recipe = TrainingRecipes.AuthorsGeneralizing with { Steps = steps };
        void Fit(GradientEstimator estimator, int? draws = null) =>
            Trainer.Fit(model, data, recipe with { Gradient = estimator, NoiseDraws = draws }).Dispose();
        void Ours() => Fit(GradientEstimator.Automatic);
        void Sampled() => Fit(GradientEstimator.Sampled);

        var ours = Paired.Median(Ours) / steps;
        table.Note($"`Trainer.Fit`, the gradient that it takes{suffix}", $"{1e3 * ours:F2} ms a step");
        table.AtLeast($"eager loop over `Trainer.Fit`{suffix}", Paired.Ratio(() => loop.Train(steps), Ours, Rounds), 2);
        var toSampled = Paired.Ratio(Sampled, Ours, Rounds);
        table.AtLeast($"sampled gradient over `Trainer.Fit`{suffix}", toSampled, 1.6);
        table.AtMost(
            $"`Trainer.Fit` over the products of its step{suffix}",
            Paired.Ratio(Ours, () => products.Run(steps), Rounds),
            1.3
        );
        foreach (var draws in new[] { 1, 2, 4, 8 })
        {
            var time = Paired.Ratio(Sampled, () => Fit(GradientEstimator.Projected, draws), 5);
            double random = GradientVariance.SampledOverProjected(draws, isTrained: false),
                trained = GradientVariance.SampledOverProjected(draws, isTrained: true);
            table.Note(
                $"projected, {draws} noise{(draws == 1 ? "" : "s")} a sample{suffix}",
                Invariant(
                    $"{time:F2} × the steps; variance {random:F2} × less at random weights, {trained:F2} × halfway"
                )
            );
            if (draws != 1)
                continue;
            table.AtLeast($"per unit of gradient variance at random weights{suffix}", toSampled * random, 2.4);
            table.AtLeast($"per unit of gradient variance halfway{suffix}", toSampled * trained, 2.4);
        }
    }

    private static void Samplers(GoalTable table, string suffix)
    {
        const int steps = 60;
        var levels = new KarrasSchedule(max: 2, min: 0.02).Levels(steps);
        using var network = new ReluDae(Dimension, Units, seed: 0);
        using var starts = SamplerExtensions.Starts(network.SampleShape, Batch, levels[0], seed: 1);
        void Call(int times)
        {
            for (var i = 0; i < times; i++)
                network.DenoiseAt(starts, levels[0]).Dispose();
        }
        foreach (
            var (name, sampler, calls) in new (string, ISampler, int)[]
            {
                ("Euler", new EulerSampler(), steps),
                ("Heun", new HeunSampler(), 2 * steps - 1),
                ("DPM-Solver++", new DpmSolverSampler(), steps),
                ("DDPM", new DdpmSampler(), steps),
            }
        )
        {
            void Sample() => sampler.Sample(network, starts, levels, new SamplingOptions { Seed = 1 }).Dispose();
            table.AtMost(
                $"{name} over the bare calls of a ReLU-DAE{suffix}",
                Paired.Ratio(Sample, () => Call(calls), Rounds),
                1.05
            );
            table.Note(
                $"{name}, {steps} steps{suffix}",
                Invariant($"{Batch / Paired.Median(Sample):F0} samples a second")
            );
        }
    }

    private static void Deep(GoalTable table)
    {
        using var faces = new ParametricFaces().Train(64);
        using var images = new DeepTrainingSet(faces);
        double product = Rates.Product(),
            convolution = Rates.Convolution();
        foreach (
            var (name, architecture, rate) in new[]
            {
                ("U-Net", DeepArchitecture.UNet, convolution),
                ("DiT", DeepArchitecture.Dit, product),
            }
        )
        {
            var preset = new DeepPreset(architecture, TrainingRegime.Hybrid);
            var network = preset.Create(faces, seed: 0);
            using var owned = network as IDisposable;
            var module = (Module)network;
            using var scope = torch.NewDisposeScope();
            using var noisy = GaussianNoise.Draw([32, .. network.SampleShape], 1);
            var flops = FlopCount.Of(module, () => network.DenoiseAt(noisy, 0.5).Dispose());
            module.eval();
            var forward = Paired.Median(() => network.DenoiseAt(noisy, 0.5).Dispose());
            void Train() => preset.Fit(network, images, preset.Recipe with { Steps = 4 }).Dispose();
            var training = Paired.Median(Train) / 4;
            table.AtLeast($"{name}, forward, share of the machine's rate", flops / forward / rate / 1e9, 0.6);
            table.AtLeast(
                $"{name}, training step, share of the machine's rate",
                3 * flops / training / rate / 1e9,
                0.6
            );
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
