using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Theory;
using MathNet.Numerics.Distributions;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 02: the ReLU denoising autoencoder.</summary>
internal sealed class Chapter02 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<torch.Tensor, torch.Tensor, torch.Tensor>>(
            "02.1",
            "The network",
            truth: (y, w) => new ReluDae(w).call(y),
            ask: (draw, network) =>
            {
                var d = draw.Whole("d", 2, 8);
                return network(draw.Normal(draw.Whole("batch", 2, 6), d), draw.Normal(draw.Whole("p", 9, 14), d));
            },
            slips: new Slip<Func<torch.Tensor, torch.Tensor, torch.Tensor>>(
                "that is linear in y: a unit that disagrees with y must be off",
                (y, w) => y.matmul(w.t()).matmul(w)
            )
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, double>>(
            "02.2",
            "The expected activation of a unit",
            truth: (w, x, sigma) => Rectified(w.dot(x).ToDouble(), sigma * w.norm().ToDouble()),
            ask: (draw, activation) =>
            {
                var d = draw.Whole("d", 2, 6);
                return activation(draw.Normal(d), draw.Normal(d), draw.Between("sigma", 0.5, 3));
            },
            slips:
            [
                new(
                    "that is what the unit gives for the clean sample: noise also lifts it above zero",
                    (w, x, _) => Math.Max(w.dot(x).ToDouble(), 0)
                ),
                new(
                    "how far the noise moves the unit also depends on the norm of its column",
                    (w, x, sigma) => Rectified(w.dot(x).ToDouble(), sigma)
                ),
                new(
                    "a term of the formula is missing: the one with the density",
                    (w, x, sigma) =>
                        w.dot(x).ToDouble() * Normal.CDF(0, 1, w.dot(x).ToDouble() / (sigma * w.norm().ToDouble()))
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, int, double, double, double>>(
            "02.3",
            "The norm of a stored sample",
            truth: (x, n, sigma, lambda) => Math.Sqrt(Gain.Of(x.square().sum().ToDouble(), 1, n, sigma, lambda)),
            ask: (draw, norm) =>
            {
                var (n, x) = (draw.Whole("n", 2, 30), draw.Between("norm", 0.5, 3) * draw.Normal(5));
                var square = x.square().sum().ToDouble();
                // Beyond 1 the penalty is too strong for the sample to be stored.
                var sigma = draw.Between("sigma", 0.2, 2);
                return norm(x, n, sigma, draw.Between("n lambda / ‖x‖²", 0.1, 2) * square / n);
            },
            slips:
            [
                new(
                    "it is the n-fold penalty that the sample's squared norm must pay for",
                    (x, n, sigma, lambda) => Math.Sqrt(Gain.Of(x.square().sum().ToDouble(), 1, 1, sigma, lambda))
                ),
                new(
                    "that is the factor r of the column r x, not the norm of the column",
                    (x, n, sigma, lambda) =>
                        Math.Sqrt(
                            Gain.Of(x.square().sum().ToDouble(), 1, n, sigma, lambda) / x.square().sum().ToDouble()
                        )
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, double, double>>(
            "02.4",
            "The loss of a memorizing network",
            truth: (samples, sigma) => new MemorizationMinimizer(samples, sigma).LimitLoss,
            ask: (draw, loss) =>
                loss(
                    draw.Between("norm", 0.5, 2) * draw.Normal(draw.Whole("n", 2, 12), draw.Whole("d", 2, 8)),
                    draw.Between("sigma", 0.2, 2)
                ),
            slips: new Slip<Func<torch.Tensor, double, double>>(
                "every sample has a norm of its own: average the losses, do not take the loss of an average",
                (samples, sigma) =>
                    samples.square().sum(1L).mean().ToDouble() is var square
                        ? sigma * sigma * square / (sigma * sigma + square)
                        : 0
            )
        ),
        new Exercise<Func<int, int, double, double>>(
            "02.5",
            "The spikiness of a representation",
            truth: (m, p, norm) => Spikiness.StandardDeviation(Representation(m, p, norm)).ToDouble(),
            ask: (draw, std) =>
            {
                var p = draw.Whole("p", 5, 40);
                return std(draw.Whole("m", 1, p - 1), p, draw.Between("norm", 0.5, 20));
            },
            slips: new Slip<Func<int, int, double, double>>(
                "divide by the number of units, not by one less",
                (m, p, norm) => Representation(m, p, norm).std(1L, unbiased: true).ToDouble()
            )
        ),
    ];

    // E relu(m + s u), u standard normal.
    private static double Rectified(double m, double s) => m * Normal.CDF(0, 1, m / s) + s * Normal.PDF(0, 1, m / s);

    // (1, p): m equal units, the others 0, of the given norm.
    private static torch.Tensor Representation(int m, int p, double norm) =>
        torch.cat(
            [
                torch.full([1, m], norm / Math.Sqrt(m), dtype: torch.float64),
                torch.zeros([1, p - m], dtype: torch.float64),
            ],
            1
        );
}
