using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Representations;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 08: what is measured in deep networks.</summary>
internal sealed class Chapter08 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<Func<torch.Tensor, double, torch.Tensor>, torch.Tensor, double, double, torch.Tensor>>(
            "08.1",
            "A network becomes a denoiser",
            truth: (network, y, sigma, s) =>
                Denoised(
                    network,
                    y,
                    s * s / Square(sigma, s),
                    sigma * s / Size(sigma, s),
                    1 / Size(sigma, s),
                    Math.Log(sigma) / 4
                ),
            ask: (draw, denoiser) =>
            {
                var (batch, d, sigma, s) = (
                    draw.Whole("batch", 2, 6),
                    draw.Whole("d", 2, 8),
                    draw.Between("sigma", 0.05, 20),
                    draw.Between("s", 0.3, 0.9)
                );
                var weights = draw.Normal(d, d);
                return denoiser(
                    (input, level) => (input.matmul(weights) + level).tanh(),
                    s * draw.Normal(batch, d) + sigma * draw.Normal(batch, d),
                    sigma,
                    s
                );
            },
            slips:
            [
                new(
                    "the network sees y as it is, large where the noise is large: its input needs a factor too",
                    (network, y, sigma, s) =>
                        Denoised(
                            network,
                            y,
                            s * s / Square(sigma, s),
                            sigma * s / Size(sigma, s),
                            1,
                            Math.Log(sigma) / 4
                        )
                ),
                new(
                    "the network is given the noise level itself, not what the formula makes of it",
                    (network, y, sigma, s) =>
                        Denoised(
                            network,
                            y,
                            s * s / Square(sigma, s),
                            sigma * s / Size(sigma, s),
                            1 / Size(sigma, s),
                            sigma
                        )
                ),
                new(
                    "the share of y that is passed on is the wrong one of two: where there is little noise "
                        + "nearly all of y must pass",
                    (network, y, sigma, s) =>
                        Denoised(
                            network,
                            y,
                            sigma * sigma / Square(sigma, s),
                            sigma * s / Size(sigma, s),
                            1 / Size(sigma, s),
                            Math.Log(sigma) / 4
                        )
                ),
                new(
                    "the factor of the network's output lacks a root",
                    (network, y, sigma, s) =>
                        Denoised(
                            network,
                            y,
                            s * s / Square(sigma, s),
                            sigma * s / Square(sigma, s),
                            1 / Size(sigma, s),
                            Math.Log(sigma) / 4
                        )
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, torch.Tensor>>(
            "08.2",
            "Memorized or not",
            truth: (samples, training) => GapRatio.Of(samples, training),
            ask: (draw, gap) =>
            {
                var (batch, n, d) = (draw.Whole("batch", 2, 6), draw.Whole("n", 4, 30), draw.Whole("d", 3, 10));
                var training = draw.Normal(n, d);
                return gap(training[..1] + draw.Between("distance", 0.05, 1) * draw.Normal(batch, d), training);
            },
            slips:
            [
                new(
                    "that is a ratio of squared distances",
                    (samples, training) => GapRatio.Of(samples, training).square()
                ),
                new(
                    "that compares the nearest with the farthest training image; how near is another one "
                        + "that is not the nearest",
                    (samples, training) =>
                        torch.cdist(samples, training) is var far ? far.amin([1L]) / far.amax([1L]) : far
                ),
                new(
                    "that compares the nearest with the mean over all training images",
                    (samples, training) =>
                        torch.cdist(samples, training) is var far ? far.amin([1L]) / far.mean([1L]) : far
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor>>(
            "08.3",
            "Reading a layer",
            truth: activation => Spikiness.StandardDeviation(Pooling.SpatialMax.Apply(activation)),
            ask: (draw, std) =>
                std(
                    draw.Between("size", 0.2, 5)
                        * torch.nn.functional.silu(
                            draw.Normal(
                                draw.Whole("batch", 2, 4),
                                draw.Whole("channels", 4, 12),
                                draw.Whole("height", 2, 5),
                                draw.Whole("width", 2, 5)
                            )
                        )
                ),
            slips:
            [
                new(
                    "each channel is read by its mean over the places, not by its largest place",
                    activation => Spikiness.StandardDeviation(Pooling.SpatialMean.Apply(activation))
                ),
                new(
                    "all places count as units here; a channel is one unit, read by its largest place",
                    activation => Spikiness.StandardDeviation(Pooling.Flatten.Apply(activation))
                ),
                new(
                    "divide by the number of channels, not by one less",
                    activation => Pooling.SpatialMax.Apply(activation).std(1L, unbiased: true)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, double, int>>(
            "08.4",
            "How many directions are kept",
            truth: (covariance, sigma) => (int)Kept(covariance, sigma).gt(0.5).sum().ToDouble(),
            ask: (draw, kept) =>
            {
                var (d, sigma) = (draw.Whole("d", 4, 12), draw.Between("sigma", 0.1, 0.4));
                // A variance a little above sigma², one a little below, one between sigma and a half, and others that
                // keep away from sigma².
                var others = 1.5 * draw.Normal(d - 3);
                var variances = torch.cat(
                    [
                        torch.tensor(new[] { 1.5 * sigma * sigma, 0.75 * sigma * sigma, Math.Sqrt(sigma / 2) }),
                        sigma * sigma * (others + 0.1 * others.sign()).exp(),
                    ],
                    0
                );
                var factor = torch.linalg.qr(draw.Normal(d, d)).Q * variances.sqrt();
                return kept(factor.matmul(factor.t()), sigma);
            },
            slips:
            [
                new(
                    "a variance is compared with a level: mind the square",
                    (covariance, sigma) => Above(covariance, sigma)
                ),
                new(
                    "it is what is kept that must exceed a half, not the variance",
                    (covariance, _) => Above(covariance, 0.5)
                ),
                new(
                    "that asks for more than a third: solve the inequality once more",
                    (covariance, sigma) => Above(covariance, sigma * sigma / 2)
                ),
            ]
        ),
    ];

    private static double Square(double sigma, double s) => sigma * sigma + s * s;

    private static double Size(double sigma, double s) => Math.Sqrt(Square(sigma, s));

    private static torch.Tensor Denoised(
        Func<torch.Tensor, double, torch.Tensor> network,
        torch.Tensor y,
        double skip,
        double output,
        double input,
        double level
    ) => skip * y + output * network(input * y, level);

    // The singular values of the posterior mean's Jacobian, by differences.
    private static torch.Tensor Kept(torch.Tensor covariance, double sigma)
    {
        var d = (int)covariance.shape[0];
        var distribution = new GaussianMixture(
            GaussianComponent.Full(1, torch.zeros([d], dtype: torch.float64), covariance)
        );
        return JacobianSpectrum.SingularValues(
            new MixtureDenoiser(distribution),
            torch.zeros([1, d], dtype: torch.float64),
            sigma,
            d
        );
    }

    private static int Above(torch.Tensor covariance, double variance) =>
        (int)torch.linalg.eigvalsh(covariance).gt(variance).sum().ToDouble();
}
