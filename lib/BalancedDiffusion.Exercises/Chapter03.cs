using BalancedDiffusion.Notebook;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 03: what the memorizing minimizer assumes, is, and costs.</summary>
internal sealed class Chapter03 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<torch.Tensor, double>>(
            "03.1",
            "The largest cosine",
            truth: samples => Separability.MeasureSamples(samples).Beta,
            ask: (draw, cosine) =>
            {
                var (n, norm) = (draw.Whole("n", 3, 6), draw.Between("norm", 0.2, 5));
                // The corners of a simplex, moved a little, point away from each other.
                var corners = torch.eye(n, dtype: torch.float64) - 1.0 / n + 0.03 * draw.Normal(n, n);
                return new[]
                {
                    cosine(norm * draw.Normal(n, draw.Whole("d", 2, 9))),
                    cosine(norm * corners * (1 + draw.Normal(n, 1).abs())),
                };
            },
            slips:
            [
                new(
                    "a sample and itself are no pair: their cosine is 1 and hides all the others",
                    samples => Cosines(samples).max().ToDouble()
                ),
                new(
                    "where all samples point away from each other the answer is below 0: what is left of the "
                        + "pairs of a sample and itself?",
                    samples => Math.Max(0, OfPairs(Cosines(samples)))
                ),
                new(
                    "that is a product of two samples: a cosine does not depend on their norms",
                    samples => OfPairs(samples.matmul(samples.t()))
                ),
                new(
                    "a cosine has a sign: samples that point opposite ways are the ones most separated",
                    samples => OfPairs(Cosines(samples).abs())
                ),
            ]
        ),
        new Exercise<Func<double, int, int>>(
            "03.2",
            "How many samples can be separated",
            truth: (beta, d) => Separability.MaximumClusters(beta, d),
            ask: (draw, most) =>
                new double[] { most(-draw.Between("|beta|", 0.06, 0.9), 1000), most(-0.01, draw.Whole("d", 1, 12)) },
            slips:
            [
                new(
                    "d dimensions set a limit of their own, whatever the cosines",
                    (beta, _) => Separability.MaximumClusters(beta)
                ),
                new(
                    "think of the plane: the corners of a triangle are more than the dimensions",
                    (beta, d) => Math.Min(Separability.MaximumClusters(beta), d)
                ),
                new(
                    "try it with beta = -1/2: how many corners has a triangle with equal sides?",
                    (beta, d) => (int)Math.Min(Math.Floor(-1 / beta), d + 1)
                ),
                new(
                    "a number of samples is whole, and one more than the bound is too many: which way must you round?",
                    (beta, d) => (int)Math.Min(Math.Ceiling(1 - 1 / beta), d + 1)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, double, torch.Tensor>>(
            "03.3",
            "The memorizing denoiser",
            truth: (y, samples, sigma, lambda) =>
                new MemorizationMinimizer(samples, sigma, lambda).Denoiser(dtype: torch.float64).call(y),
            ask: (draw, denoiser) =>
            {
                var (n, d) = (draw.Whole("n", 2, 6), draw.Whole("d", 4, 9));
                var samples = torch.cat([0.3 * draw.Normal(1, d), draw.Normal(n - 1, d)]);
                // The first sample has a small norm and is always dropped.
                var lambda = draw.Between("n lambda / ‖x₁‖²", 1.1, 3) * samples[0].square().sum().ToDouble() / n;
                return denoiser(
                    draw.Normal(draw.Whole("batch", 2, 6), d),
                    samples,
                    draw.Between("sigma", 0.2, 2),
                    lambda
                );
            },
            slips:
            [
                new(
                    "a sample that is not worth its penalty is dropped; here it pushes the output the other way",
                    (y, samples, sigma, lambda) =>
                        Recalled(y.matmul(samples.t()).relu(), samples, SquaredScales(samples, sigma, lambda))
                ),
                new(
                    "it is n lambda that a sample is measured against, not lambda",
                    (y, samples, sigma, lambda) =>
                        Recalled(
                            y.matmul(samples.t()).relu(),
                            samples,
                            SquaredScales(samples, sigma, lambda / samples.shape[0]).relu()
                        )
                ),
                new(
                    "a sample with a negative inner product with y must be inactive",
                    (y, samples, sigma, lambda) =>
                        Recalled(y.matmul(samples.t()), samples, SquaredScales(samples, sigma, lambda).relu())
                ),
                new(
                    "a column r x is used twice, to encode and to decode: how often does r occur in the output?",
                    (y, samples, sigma, lambda) =>
                        Recalled(
                            y.matmul(samples.t()).relu(),
                            samples,
                            SquaredScales(samples, sigma, lambda).relu().sqrt()
                        )
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, int, double>>(
            "03.4",
            "The penalty that erases k samples",
            truth: (samples, k) =>
                samples
                    .square()
                    .sum(1L)
                    .ToDoubles()
                    .Select(square => square / samples.shape[0] * (1 + 1e-9))
                    .Order()
                    .First(lambda => new MemorizationMinimizer(samples, 1, lambda).Dropped.Count >= k),
            ask: (draw, penalty) =>
            {
                var n = draw.Whole("n", 3, 12);
                return penalty(
                    draw.Between("norm", 0.5, 3) * draw.Normal(n, draw.Whole("d", 2, 8)),
                    draw.Whole("k", 1, n)
                );
            },
            slips:
            [
                new(
                    "which samples are dropped first, those of large norm or of small norm",
                    (samples, k) => Squares(samples).OrderDescending().ElementAt(k - 1) / samples.shape[0]
                ),
                new(
                    "the condition is on the squared norm of a sample",
                    (samples, k) => Math.Sqrt(Squares(samples).Order().ElementAt(k - 1)) / samples.shape[0]
                ),
                new(
                    "it is n lambda that a sample is measured against, not lambda",
                    (samples, k) => Squares(samples).Order().ElementAt(k - 1)
                ),
            ]
        ),
        new Exercise<Func<double, int, double, double, double, double>>(
            "03.5",
            "The cost of a wrong norm",
            truth: ExactRise,
            ask: (draw, rise) =>
            {
                var (norm, n) = (draw.Between("norm", 5, 10), draw.Whole("n", 2, 20));
                return rise(
                    norm,
                    n,
                    draw.Between("sigma", 0.2, 0.8),
                    draw.Between("n lambda / norm²", 0.1, 0.6) * norm * norm / n,
                    draw.Between("c", 0.6, 1.8)
                );
            },
            slips:
            [
                new(
                    "a shorter column also pays less penalty: that term is missing",
                    (norm, n, sigma, lambda, c) =>
                        Error(c * c * Gain.Of(norm * norm, 1, n, sigma, lambda), norm, n, sigma)
                        - Error(Gain.Of(norm * norm, 1, n, sigma, lambda), norm, n, sigma)
                ),
                new(
                    "the right norm, from which you start, depends on the penalty",
                    (norm, n, sigma, lambda, c) => Parabola(norm, n, sigma, Gain.Of(norm * norm, 1, n, sigma, 0), c * c)
                ),
                new(
                    "the loss is a parabola in the squared norm: with the column, its square changes by "
                        + "which factor?",
                    (norm, n, sigma, lambda, c) =>
                        Parabola(norm, n, sigma, Gain.Of(norm * norm, 1, n, sigma, lambda), c)
                ),
            ]
        ),
    ];

    private static torch.Tensor Cosines(torch.Tensor samples)
    {
        var unit = torch.nn.functional.normalize(samples, dim: 1);
        return unit.matmul(unit.t());
    }

    // The largest entry beside the diagonal.
    private static double OfPairs(torch.Tensor products) =>
        products
            .masked_fill(torch.eye(products.shape[0], dtype: torch.@bool), double.NegativeInfinity)
            .max()
            .ToDouble();

    private static double[] Squares(torch.Tensor samples) => samples.square().sum(1L).ToDoubles();

    // r², below 0 where the sample would be dropped.
    private static torch.Tensor SquaredScales(torch.Tensor samples, double sigma, double lambda)
    {
        var squares = samples.square().sum(1L);
        return (squares - samples.shape[0] * lambda) / (squares * (squares + sigma * sigma));
    }

    private static torch.Tensor Recalled(torch.Tensor activations, torch.Tensor samples, torch.Tensor factors) =>
        (activations * factors).matmul(samples);

    // One sample among n is a training set of its own, with n times the penalty and an n-th of the loss.
    private static double ExactRise(double norm, int n, double sigma, double lambda, double c)
    {
        var x = torch.tensor(new[] { norm, 0, 0 }).unsqueeze(0);
        using var exact = new ExactExpectedLoss(x, sigma, n * lambda);
        var column = new MemorizationMinimizer(x, sigma, n * lambda).Encoder();
        return (exact.Value(c * column) - exact.Value(column)) / n;
    }

    private static double Error(double square, double norm, int n, double sigma) =>
        (norm * norm * (1 - square) * (1 - square) + sigma * sigma * square * square) / n;

    private static double Parabola(double norm, int n, double sigma, double square, double factor) =>
        (norm * norm + sigma * sigma) * Math.Pow(square * (factor - 1), 2) / n;
}
