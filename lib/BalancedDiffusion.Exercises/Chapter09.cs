using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Notebook;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Statistics;
using MathNet.Numerics.Distributions;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 09: a detector and how it is judged.</summary>
internal sealed class Chapter09 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<ReluDae, torch.Tensor, torch.Tensor, double, torch.Tensor>>(
            "09.1",
            "Algorithm 1",
            truth: (network, samples, noise, sigma) =>
                Spikiness.StandardDeviation(network.Encode(samples + sigma * noise)),
            ask: (draw, score) =>
            {
                var (batch, d, p) = (draw.Whole("batch", 2, 6), draw.Whole("d", 3, 8), draw.Whole("p", 9, 14));
                return score(
                    new ReluDae(draw.Normal(p, d)),
                    draw.Normal(batch, d),
                    draw.Normal(batch, d),
                    draw.Between("sigma", 0.1, 1)
                );
            },
            slips:
            [
                new(
                    "the finished sample must be noised first: a network is asked about noisy images only",
                    (network, samples, _, _) => Spikiness.StandardDeviation(network.Encode(samples))
                ),
                new(
                    "that is the spread of the picture that comes out; read the representation inside",
                    (network, samples, noise, sigma) =>
                        Spikiness.StandardDeviation(network.call(samples + sigma * noise))
                ),
                new(
                    "divide by the number of units, not by one less",
                    (network, samples, noise, sigma) => network.Encode(samples + sigma * noise).std(1L, unbiased: true)
                ),
                new(
                    "the noise is not brought to the level sigma",
                    (network, samples, noise, _) => Spikiness.StandardDeviation(network.Encode(samples + noise))
                ),
            ]
        ),
        new Exercise<Func<double[], double[], double>>(
            "09.2",
            "The area under the curve",
            truth: (memorized, others) => new RocCurve(memorized, others).Auroc,
            ask: (draw, area) =>
            {
                var (memorized, others) = (
                    Scores(draw, draw.Whole("memorized", 3, 20), 1),
                    Scores(draw, draw.Whole("others", 3, 40), 0)
                );
                return area(memorized, [.. others, memorized[0]]);
            },
            slips:
            [
                new(
                    "a tie counts for nothing here; it is half a win",
                    (memorized, others) => Wins(memorized, others, tie: 0)
                ),
                new(
                    "a tie counts as a whole win here; it is half a one",
                    (memorized, others) => Wins(memorized, others, tie: 1)
                ),
                new(
                    "that is the chance that the memorized sample scores lower: high scores are flagged",
                    (memorized, others) => Wins(others, memorized, tie: 0.5)
                ),
            ]
        ),
        new Exercise<Func<double[], double[], double, double>>(
            "09.3",
            "The TPR at a low FPR",
            truth: (memorized, others, rate) =>
                new RocCurve(memorized, others).TruePositiveRateAt(rate).TruePositiveRate,
            ask: (draw, tpr) =>
            {
                var others = Scores(draw, draw.Whole("others", 100, 400), 0);
                // Among the memorized samples stand all scores near the threshold, so that it matters whether a score
                // equal to it is flagged.
                double[] memorized =
                [
                    .. Scores(draw, draw.Whole("memorized", 20, 100), 2),
                    .. others.OrderDescending().Take(others.Length / 10),
                ];
                return tpr(memorized, others, draw.Between("rate", 0.01, 0.08));
            },
            slips:
            [
                new(
                    "a score above the threshold is flagged; one at the threshold itself is not",
                    (memorized, others, rate) => Flagged(memorized, Threshold(others, rate), atThreshold: true)
                ),
                new(
                    "the threshold is set by the new images alone, not by all images together",
                    (memorized, others, rate) =>
                        Flagged(memorized, Threshold([.. memorized, .. others], rate), atThreshold: false)
                ),
                new(
                    "the threshold is set by the memorized samples; it must be set by the new images, for it is their "
                        + "false positives that are allowed",
                    (memorized, _, rate) => Flagged(memorized, Threshold(memorized, rate), atThreshold: false)
                ),
                new(
                    "that threshold leaves nearly all new images above it: count from the high end",
                    (memorized, others, rate) =>
                        Flagged(memorized, others.Order().ElementAt((int)(rate * others.Length)), atThreshold: false)
                ),
            ]
        ),
        new Exercise<Func<int, int, double, (double, double)>>(
            "09.4",
            "The interval of a fraction",
            truth: Wilson,
            ask: (draw, interval) =>
            {
                var trials = draw.Whole("trials", 8, 200);
                return interval(draw.Whole("successes", 1, trials - 1), trials, draw.Between("z", 1, 3));
            },
            slips:
            [
                new(
                    "that takes the variance of the fraction that was counted; the inequality has that of p, "
                        + "which is not known",
                    Wald
                ),
                new(
                    "the low end comes first",
                    (successes, trials, z) => Wilson(successes, trials, z) is var (low, high) ? (high, low) : default
                ),
            ]
        ),
    ];

    private static (double, double) Wilson(int successes, int trials, double z)
    {
        var interval = ConfidenceInterval.OfShare(successes, trials, 2 * Normal.CDF(0, 1, z) - 1);
        return (interval.Low, interval.High);
    }

    private static (double, double) Wald(int successes, int trials, double z)
    {
        var fraction = (double)successes / trials;
        var half = z * Math.Sqrt(fraction * (1 - fraction) / trials);
        return (fraction - half, fraction + half);
    }

    // Rounded, so that there are ties.
    private static double[] Scores(Draw draw, int count, double shift) =>
        [.. draw.Normal(count).ToDoubles().Select(x => Math.Round(x + shift, 1))];

    private static double Wins(double[] memorized, double[] others, double tie) =>
        memorized.Average(c =>
            others.Average(o =>
                c > o ? 1
                : c == o ? tie
                : 0
            )
        );

    private static double Threshold(double[] scores, double rate) =>
        scores.OrderDescending().ElementAt((int)(rate * scores.Length));

    private static double Flagged(double[] memorized, double threshold, bool atThreshold) =>
        memorized.Average(c => c > threshold || (atThreshold && c == threshold) ? 1.0 : 0);
}
