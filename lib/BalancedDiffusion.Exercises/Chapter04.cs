using BalancedDiffusion.Notebook;
using BalancedDiffusion.Theory;
using MathNet.Numerics.LinearRegression;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 04: the limit filter, its loss, and how fast it is reached.</summary>
internal sealed class Chapter04 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<torch.Tensor, int, double, double, double, torch.Tensor>>(
            "04.1",
            "The gains of the limit",
            truth: LimitGains,
            ask: (draw, gains) =>
            {
                var (e, rank, sigma, rho) = (
                    Spectrum(draw, draw.Whole("d", 3, 9)),
                    draw.Whole("rank", 1, 2),
                    draw.Between("sigma", 0.2, 2),
                    draw.Between("rho", 0.2, 0.8)
                );
                // With the penalty the last direction of the rank is not worth it.
                return (
                    gains(e, rank, sigma, 0, rho),
                    gains(e, rank, sigma, draw.Between("lambda / (rho e)", 1.05, 2) * rho * e[rank - 1].ToDouble(), rho)
                );
            },
            slips:
            [
                new(
                    "beyond the rank nothing is stored, so the gain there is 0",
                    (e, _, sigma, lambda, rho) => Gains(e, sigma, lambda / rho).relu()
                ),
                new(
                    "a direction that is not worth its penalty is dropped: a gain is never below 0",
                    (e, rank, sigma, lambda, rho) => Kept(Gains(e, sigma, lambda / rho), rank)
                ),
                new(
                    "a cluster that holds only a part of the data pays the same penalty for less: rho is missing",
                    (e, rank, sigma, lambda, _) => Kept(Gains(e, sigma, lambda).relu(), rank)
                ),
                new(
                    "noise of size sigma has another variance than the one used here",
                    (e, rank, sigma, lambda, rho) => Kept(Gains(e, Math.Sqrt(sigma), lambda / rho).relu(), rank)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, int, double, (double Corrected, double Printed)>>(
            "04.2",
            "The loss, corrected and as printed",
            truth: (eigenvalues, rank, sigma) =>
                Losses(eigenvalues, rank, sigma) is var terms ? (terms.Corrected, terms.PrintedLimit) : default,
            ask: (draw, losses) =>
            {
                var d = draw.Whole("d", 3, 9);
                return losses(Spectrum(draw, d), draw.Whole("rank", 1, d - 1), draw.Between("sigma", 0.2, 2));
            },
            slips:
            [
                new(
                    "the two are exchanged: the printed one leaves something out, so it is the smaller",
                    (e, rank, sigma) =>
                        Losses(e, rank, sigma) is var (bias, noise, tail) ? (bias + tail, bias + noise + tail) : default
                ),
                new(
                    "what lies beyond the rank is lost and must be paid for",
                    (e, rank, sigma) => Losses(e, rank, sigma) is var (bias, noise, _) ? (bias + noise, bias) : default
                ),
                new(
                    "both are the same here: which of the three parts does the printed bound leave out?",
                    (e, rank, sigma) =>
                        Losses(e, rank, sigma) is var (bias, noise, tail)
                            ? (bias + noise + tail, bias + noise + tail)
                            : default
                ),
            ]
        ),
        new Exercise<Func<double, double, double, double>>(
            "04.3",
            "The divided difference of the gain",
            truth: (a, b, sigma) => sigma * sigma / ((a + sigma * sigma) * (b + sigma * sigma)),
            ask: (draw, difference) =>
            {
                var (a, b, sigma) = (
                    draw.Between("a", 0.1, 3),
                    draw.Between("b", 0.1, 3),
                    draw.Between("sigma", 0.2, 2)
                );
                return new[]
                {
                    difference(a, b, sigma),
                    difference(b, b, sigma),
                    difference(a, a * (1 + 1e-15), sigma),
                };
            },
            slips:
            [
                new(
                    "that is the slope at one of the two eigenvalues; the divided difference needs both",
                    (a, _, sigma) => Slope(a, sigma)
                ),
                new(
                    "that is the slope at one of the two eigenvalues; the divided difference needs both",
                    (_, b, sigma) => Slope(b, sigma)
                ),
                new(
                    "that is the slope halfway between the two eigenvalues: the gain is no parabola, so it "
                        + "is not the same",
                    (a, b, sigma) => Slope((a + b) / 2, sigma)
                ),
                new(
                    "that is the mean of two slopes: the gain is no parabola, so it is not the same",
                    (a, b, sigma) => (Slope(a, sigma) + Slope(b, sigma)) / 2
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, double>>(
            "04.4",
            "The constant of the rate",
            truth: (eigenvalues, mean, sigma) =>
            {
                using var limit = new GeneralizationLimit(
                    [1],
                    [mean],
                    [torch.diag(eigenvalues) - mean.outer(mean)],
                    [(int)mean.shape[0]],
                    sigma
                );
                return limit.GramDeviation(0);
            },
            ask: (draw, constant) =>
            {
                var d = draw.Whole("d", 2, 6);
                var (factor, mean) = (draw.Normal(d, d), draw.Between("norm of the mean", 0.5, 3) * draw.Normal(d));
                var (values, vectors) = torch.linalg.eigh(factor.matmul(factor.t()) / d + mean.outer(mean));
                return constant(values.flip(0), vectors.t().matmul(mean).flip(0), draw.Between("sigma", 0.3, 2));
            },
            slips:
            [
                new(
                    "the mean does not vary from sample to sample: what it adds to a product must be taken off",
                    (e, mean, sigma) => Constant(e, 0 * mean, sigma)
                ),
                new(
                    "the divided differences belong into the sum with their squares",
                    (e, mean, sigma) => Constant(e, mean, sigma, power: 1)
                ),
            ]
        ),
        new Exercise<Func<double[], double[], double>>(
            "04.5",
            "The slope of a rate",
            truth: (sizes, errors) => SimpleRegression.Fit(Logs(sizes), Logs(errors)).B,
            ask: (draw, slope) =>
            {
                var sizes = draw.Normal(draw.Whole("sizes", 4, 8)).mul(1.5).exp().mul(500).ToDoubles();
                var (rate, noise) = (draw.Between("rate", 0.2, 2), draw.Normal(sizes.Length).ToDoubles());
                return slope(sizes, [.. sizes.Select((n, i) => 3 * Math.Pow(n, -rate) * Math.Exp(0.2 * noise[i]))]);
            },
            slips:
            [
                new(
                    "that is a straight line through the numbers themselves; a power of n is one only on "
                        + "logarithmic axes",
                    (sizes, errors) => SimpleRegression.Fit(sizes, errors).B
                ),
                new(
                    "that line is forced through the origin: there is no constant in front of the power",
                    (sizes, errors) => SimpleRegression.FitThroughOrigin(Logs(sizes), Logs(errors))
                ),
                new(
                    "that is the slope of n in the error; it is asked the other way round",
                    (sizes, errors) => SimpleRegression.Fit(Logs(errors), Logs(sizes)).B
                ),
                new(
                    "only two of the points are used: least squares uses all of them",
                    (sizes, errors) => Math.Log(errors[^1] / errors[0]) / Math.Log(sizes[^1] / sizes[0])
                ),
            ]
        ),
    ];

    // Positive and descending.
    private static torch.Tensor Spectrum(Draw draw, int d) => draw.Normal(d).exp().sort(0, descending: true).Values;

    // The gains are the eigenvalues of the limit's matrix, here in the basis in which it is diagonal.
    private static torch.Tensor LimitGains(torch.Tensor eigenvalues, int rank, double sigma, double lambda, double rho)
    {
        var none = torch.zeros_like(eigenvalues);
        using var limit = new GeneralizationLimit(
            [rho, 1 - rho],
            [none, none],
            [torch.diag(eigenvalues), torch.diag(eigenvalues)],
            [rank, rank],
            sigma,
            lambda
        );
        return limit.Gram(0).diagonal();
    }

    private static torch.Tensor Gains(torch.Tensor eigenvalues, double sigma, double penalty) =>
        (eigenvalues - penalty) / (eigenvalues + sigma * sigma);

    private static torch.Tensor Kept(torch.Tensor gains, int rank) =>
        torch.cat([gains[..rank], torch.zeros_like(gains[rank..])]);

    private static WienerLossTerms Losses(torch.Tensor eigenvalues, int rank, double sigma) =>
        WienerLossTerms.Of([1], [eigenvalues.ToDoubles()], [rank], sigma);

    private static double[] Logs(double[] values) => [.. values.Select(value => Math.Log(value))];

    private static double Slope(double e, double sigma) => Math.Pow(sigma / (e + sigma * sigma), 2);

    private static double Constant(torch.Tensor eigenvalues, torch.Tensor mean, double sigma, int power = 2)
    {
        var (noisy, squares) = (eigenvalues + sigma * sigma, mean.square());
        var variance =
            eigenvalues.outer(eigenvalues) * (1 + torch.eye(mean.shape[0], dtype: torch.float64))
            - 2 * squares.outer(squares);
        return ((sigma * sigma / noisy.outer(noisy)).pow(power) * variance).sum().sqrt().ToDouble();
    }
}
