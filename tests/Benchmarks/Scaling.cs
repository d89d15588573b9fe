using System.Globalization;
using System.Text;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Benchmarks;

/// <summary>
/// How the cost of a training step grows with the number of samples n, their length d and the units p, and that of a
/// posterior mean with n. The last column compares a row with the first of its group: time over what the arithmetic of
/// the step alone would make it, so that 1 is as expected. What a run does once, and not at each step, stands apart;
/// the memory is that of the process while it works, the samples held.
/// </summary>
public static class Scaling
{
    private const int Batch = 256,
        Steps = 20;

    /// <summary>Measures, and writes a table to the console and to scaling.md.</summary>
    /// <param name="folder">The folder for the table; made if it is not there.</param>
    public static void Run(string folder)
    {
        List<string> lines =
        [
            "| | gradient | milliseconds | once a run, milliseconds | memory of the process "
                + "| over the first, by arithmetic |",
            "|---|---|---|---|---|---|",
        ];
        void Group(string what, IEnumerable<(string Name, Func<Row> Measure)> rows)
        {
            double? first = null;
            foreach (var (name, measure) in rows)
            {
                var row = measure();
                var perWork = row.Seconds / row.Work;
                first ??= perWork;
                var line = string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {what}, {name} | {row.Gradient} | {1e3 * row.Seconds:G3} | {1e3 * row.Once:G3} | "
                        + $"{row.Memory} | {perWork / first:F2} |"
                );
                lines.Add(line);
                Console.WriteLine(line);
                TorchRuntime.ReleaseMemory();
            }
        }
        Group(
            "step, d = 1024, p = 100",
            new[] { 1_000, 10_000, 100_000, 1_000_000 }.Select(n =>
                ($"n = {n:N0}", (Func<Row>)(() => Step(n, 1024, 100)))
            )
        );
        Group(
            "step, n = 10,000, p = 100",
            new[] { 256, 1024, 3072, 12_288 }.Select(d => ($"d = {d:N0}", (Func<Row>)(() => Step(10_000, d, 100))))
        );
        Group(
            "step, n = 10,000, d = 1024",
            new[] { 16, 64, 256, 1024, 4096 }.Select(p => ($"p = {p:N0}", (Func<Row>)(() => Step(10_000, 1024, p))))
        );
        Group(
            "100 posterior means, d = 1024, sigma = 20",
            new[] { 1_000, 10_000, 100_000, 1_000_000 }.Select(n =>
                ($"n = {n:N0}", (Func<Row>)(() => PosteriorMean(n, 1024)))
            )
        );
        var table = string.Join('\n', lines) + "\n";
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "scaling.md"), table, new UTF8Encoding(false));
    }

    private static Row Step(int n, int d, int p)
    {
        using var data = Samples(n, d);
        using var model = new ReluDae(d, p, seed: 1);
        var recipe = TrainingRecipes.AuthorsGeneralizing;
        var gradient = GradientEstimator.Automatic;
        double Seconds(int steps) =>
            Paired.Median(() =>
            {
                using var result = Trainer.Fit(model, data, recipe with { Steps = steps });
                gradient = result.Gradient;
            });
        double few = Seconds(Steps),
            many = Seconds(3 * Steps);
        var step = (many - few) / (2 * Steps);
        var work =
            gradient == GradientEstimator.Projected
                ? GradientCost.Projected(Batch, d, p, isTied: true, noiseDraws: 1)
                : GradientCost.Sampled(Batch, d, p);
        var name = gradient == GradientEstimator.Projected ? "projected" : "sampled";
        return new(name, step, Math.Max(0, few - Steps * step), Memory(), work);
    }

    private static Row PosteriorMean(int n, int d)
    {
        using var samples = Samples(n, d);
        using var denoiser = new EmpiricalDenoiser(samples);
        using var noisy = GaussianNoise.Draw([100, d], 2);
        return new("", Paired.Median(() => denoiser.DenoiseAt(noisy, 20).Dispose()), 0, Memory(), n);
    }

    private static string Memory() => MemorySize.Format(MemorySize.Line("/proc/self/status", "VmRSS"));

    // Drawn in pieces, so that nothing but the samples is held.
    private static torch.Tensor Samples(int n, int d)
    {
        const int piece = 10_000;
        var samples = torch.empty([n, d], dtype: torch.float32);
        for (var first = 0; first < n; first += piece)
        {
            using var part = samples.narrow(0, first, Math.Min(piece, n - first));
            using var numbers = GaussianNoise.Draw(part.shape, first);
            part.copy_(numbers);
        }
        return samples;
    }

    /// <summary>What one row says; times in seconds.</summary>
    private sealed record Row(string Gradient, double Seconds, double Once, string Memory, double Work);
}
