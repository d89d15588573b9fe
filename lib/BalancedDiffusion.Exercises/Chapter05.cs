using BalancedDiffusion.Notebook;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 05: duplicates, thresholds and the contest for units.</summary>
internal sealed class Chapter05 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<torch.Tensor, torch.Tensor, double, double, torch.Tensor>>(
            "05.1",
            "The norms of repeated samples",
            truth: (samples, counts, sigma, lambda) =>
            {
                using var hybrid = new HybridMinimizer(
                    samples,
                    [.. counts.ToDoubles().Select(m => (int)m)],
                    [],
                    [],
                    sigma,
                    lambda
                );
                return torch.tensor(hybrid.StoredNorms.ToArray());
            },
            ask: (draw, norms) =>
            {
                var (count, d) = (draw.Whole("D", 3, 6), draw.Whole("d", 4, 8));
                var samples = torch.cat([0.3 * draw.Normal(1, d), draw.Normal(count - 1, d)]);
                var counts = (10 * draw.Normal(count).abs()).floor() + 2;
                // The first sample has a small norm and is always dropped.
                var lambda =
                    draw.Between("n lambda / (m₁‖x₁‖²)", 1.1, 3)
                    * (counts[0] * samples[0].square().sum() / counts.sum()).ToDouble();
                return norms(samples, counts, draw.Between("sigma", 0.2, 2), lambda);
            },
            slips:
            [
                new(
                    "the duplicates are not used: a sample that occurs more often stands a higher penalty",
                    (samples, counts, sigma, lambda) => Norms(samples, counts.sum() * lambda, sigma)
                ),
                new(
                    "n counts every duplicate, not every different sample",
                    (samples, counts, sigma, lambda) => Norms(samples, samples.shape[0] * lambda / counts, sigma)
                ),
                new(
                    "each duplicate comes with noise of its own: duplicates multiply the noise as well as the signal",
                    (samples, counts, sigma, lambda) =>
                        Norms(counts.sqrt().unsqueeze(1) * samples, counts.sum() * lambda, sigma)
                ),
            ]
        ),
        new Exercise<Func<double, int, double, int>>(
            "05.2",
            "The duplicates that are enough",
            truth: (norm, n, lambda) =>
                Enumerable.Range(1, n).First(m => HybridMinimizer.IsStored(m, norm * norm, n, lambda)),
            ask: (draw, duplicates) =>
            {
                var (norm, n) = (draw.Between("norm", 0.5, 3), draw.Whole("n", 200, 2000));
                var lambda = draw.Between("n lambda / norm²", 0.3, 100) * norm * norm / n;
                // Twice beside the threshold, and once on it, in numbers that a computer divides without an error.
                return new double[]
                {
                    duplicates(norm, n, lambda),
                    duplicates(2, 256, draw.Whole("64 lambda", 1, 60) / 64.0),
                };
            },
            slips:
            [
                new(
                    "on the line itself, where m‖x‖² is just n lambda, nothing is stored yet",
                    (norm, n, lambda) => Math.Max(1, (int)Math.Ceiling(n * lambda / (norm * norm)))
                ),
                new(
                    "with so many duplicates it is not yet stored",
                    (norm, n, lambda) => (int)Math.Floor(n * lambda / (norm * norm))
                ),
                new(
                    "the condition is on the squared norm of the sample",
                    (norm, n, lambda) => (int)Math.Floor(n * lambda / norm) + 1
                ),
            ]
        ),
        new Exercise<Func<double, int, int, double, double, double>>(
            "05.3",
            "What storing a direction is worth",
            truth: (eigenvalue, count, n, sigma, lambda) => Gain.Reduction(eigenvalue, count, n, sigma, lambda),
            ask: (draw, worth) =>
            {
                var (count, n, sigma) = (
                    draw.Whole("count", 1, 40),
                    draw.Whole("n", 50, 500),
                    draw.Between("sigma", 0.2, 2)
                );
                var eigenvalue = count * draw.Between("eigenvalue / count", 0.2, 5);
                return new[]
                {
                    worth(
                        eigenvalue,
                        count,
                        n,
                        sigma,
                        draw.Between("n lambda / eigenvalue", 0.1, 0.9) * eigenvalue / n
                    ),
                    worth(eigenvalue, count, n, sigma, 1.5 * eigenvalue / n),
                };
            },
            slips:
            [
                new(
                    "a square hides a sign: what does the formula give for a direction that is not worth its penalty?",
                    (eigenvalue, count, n, sigma, lambda) => Worth(eigenvalue - n * lambda, eigenvalue, count, n, sigma)
                ),
                new(
                    "each sample of the cluster comes with noise: their number is missing",
                    (eigenvalue, _, n, sigma, lambda) =>
                        Worth(Math.Max(0, eigenvalue - n * lambda), eigenvalue, 1, n, sigma)
                ),
                new(
                    "that is the gain of the direction, not what it takes off the objective",
                    (eigenvalue, count, n, sigma, lambda) => Gain.Of(eigenvalue, count, n, sigma, lambda)
                ),
            ]
        ),
        new Exercise<Func<double, int, double, double, double, double>>(
            "05.4",
            "The duplicates that win a unit",
            truth: (norm, n, sigma, rho, e) => HybridMinimizer.DuplicatesToWin(norm * norm, n, sigma, 0, rho, e),
            ask: (draw, duplicates) =>
                duplicates(
                    draw.Between("norm", 1, 4),
                    draw.Whole("n", 500, 5000),
                    draw.Between("sigma", 0.3, 1.5),
                    draw.Between("rho", 0.1, 0.9),
                    draw.Between("e", 0.1, 2)
                ),
            slips:
            [
                new(
                    "that is the rule of thumb for small noise; here sigma² is no smaller than e",
                    (norm, n, _, rho, e) => n * rho * e / (norm * norm)
                ),
                new(
                    "noise is stored with the picture as well as with the direction",
                    (norm, n, sigma, rho, e) => n * rho * e * e / (norm * norm * (e + sigma * sigma))
                ),
                new(
                    "noise is stored with the direction as well as with the picture",
                    (norm, n, sigma, rho, e) => n * rho * e * (norm * norm + sigma * sigma) / Math.Pow(norm, 4)
                ),
            ]
        ),
    ];

    private static torch.Tensor Norms(torch.Tensor samples, torch.Tensor penalty, double sigma)
    {
        var squares = samples.square().sum(1L);
        return ((squares - penalty).relu() / (squares + sigma * sigma)).sqrt();
    }

    private static double Worth(double above, double eigenvalue, int count, int n, double sigma) =>
        above * above / (n * (eigenvalue + count * sigma * sigma));
}
