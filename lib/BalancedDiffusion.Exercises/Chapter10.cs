using BalancedDiffusion.Notebook;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 10: steering a representation, and what holds against it.</summary>
internal sealed class Chapter10 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<torch.Tensor, torch.Tensor, torch.Tensor>>(
            "10.1",
            "A direction from references",
            truth: (shown, notShown) => shown.mean([0L]) - notShown.mean([0L]),
            ask: (draw, direction) =>
            {
                var units = draw.Whole("units", 4, 12);
                return direction(
                    draw.Normal(draw.Whole("shown", 2, 9), units) + draw.Normal(units),
                    draw.Normal(draw.Whole("not shown", 10, 20), units) + draw.Normal(units)
                );
            },
            slips:
            [
                new(
                    "that is the mean representation of the images that show the concept, and holds all that faces "
                        + "have in common; take off what the others have",
                    (shown, _) => shown.mean([0L])
                ),
                new("that leads away from the concept", (shown, notShown) => notShown.mean([0L]) - shown.mean([0L])),
                new(
                    "the two sets are not equally large, so their sums cannot be compared",
                    (shown, notShown) => shown.sum(0L) - notShown.sum(0L)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, torch.Tensor, double, double, torch.Tensor>>(
            "10.2",
            "Steering within a window",
            truth: (h, v, a, sigma, low, high) => Steered(h, v, a, sigma, new SteeringWindow(low, high).Contains),
            ask: (draw, steered) =>
            {
                var (low, high, units) = (
                    draw.Between("low", 0.1, 0.5),
                    draw.Between("high", 1, 5),
                    draw.Whole("units", 2, 8)
                );
                // Levels below the window, at its ends, inside and above, one a sample.
                double[] levels =
                [
                    low / 2,
                    low,
                    Math.Sqrt(low * high),
                    high,
                    2 * high,
                    .. draw.Normal(draw.Whole("more", 1, 4)).exp().ToDoubles(),
                ];
                return steered(
                    draw.Normal(levels.Length, units),
                    draw.Normal(units),
                    draw.Between("a", 0.5, 10),
                    torch.tensor(levels),
                    low,
                    high
                );
            },
            slips:
            [
                new(
                    "every sample is steered, whatever its noise level",
                    (h, v, a, sigma, _, _) => Steered(h, v, a, sigma, _ => true)
                ),
                new(
                    "samples above the window are steered too",
                    (h, v, a, sigma, low, _) => Steered(h, v, a, sigma, s => s >= low)
                ),
                new(
                    "samples below the window are steered too: the last steps belong to the network",
                    (h, v, a, sigma, _, high) => Steered(h, v, a, sigma, s => s <= high)
                ),
                new(
                    "the two ends belong to the window",
                    (h, v, a, sigma, low, high) => Steered(h, v, a, sigma, s => s > low && s < high)
                ),
                new(
                    "just those outside the window are steered",
                    (h, v, a, sigma, low, high) => Steered(h, v, a, sigma, s => s < low || s > high)
                ),
            ]
        ),
        new Exercise<Func<double, double[], double>>(
            "10.3",
            "A permutation test",
            truth: (observed, shuffled) =>
                (1.0 + shuffled.Count(d => Math.Abs(d) >= Math.Abs(observed))) / (1 + shuffled.Length),
            ask: (draw, pValue) =>
            {
                var (observed, shuffled) = (
                    1.5 * draw.Normal(1).ToDoubles()[0],
                    draw.Normal(draw.Whole("shuffles", 19, 199)).ToDoubles()
                );
                return pValue(observed, [.. shuffled, -observed]);
            },
            slips:
            [
                new(
                    "the labels as they were are one of the permutations, and must be counted above and "
                        + "below: no finite number of shuffles shows a p-value of zero",
                    (observed, shuffled) => shuffled.Average(d => Math.Abs(d) >= Math.Abs(observed) ? 1.0 : 0)
                ),
                new(
                    "a difference to the other side is as surprising: two sides are asked for",
                    (observed, shuffled) => (1.0 + shuffled.Count(d => d >= observed)) / (1 + shuffled.Length)
                ),
                new(
                    "a difference as large as the observed one counts too",
                    (observed, shuffled) =>
                        (1.0 + shuffled.Count(d => Math.Abs(d) > Math.Abs(observed))) / (1 + shuffled.Length)
                ),
                new(
                    "that is the fraction of smaller differences",
                    (observed, shuffled) =>
                        (1.0 + shuffled.Count(d => Math.Abs(d) < Math.Abs(observed))) / (1 + shuffled.Length)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, double>>(
            "10.4",
            "Where a memorized image jumps",
            truth: (held, other, sigma) => Memorizer(held, other, sigma).Threshold(0, 1),
            ask: (draw, threshold) =>
            {
                var (d, cosine) = (draw.Whole("d", 3, 8), -draw.Between("minus the cosine", 0.05, 0.8));
                var axes = torch.linalg.qr(draw.Normal(d, 2)).Q.t();
                var held = draw.Between("norm of the held image", 1, 5) * axes[0];
                var other =
                    draw.Between("norm of the other image", 1, 5)
                    * (cosine * axes[0] + Math.Sqrt(1 - cosine * cosine) * axes[1]);
                return threshold(held, other, draw.Between("sigma", 0.5, 2));
            },
            slips:
            [
                new(
                    "that is the ratio q at which the image tips, not yet the strength that leads there",
                    (held, other, sigma) =>
                        Memorizer(held, other, sigma) is var memorizer
                            ? memorizer.Threshold(0, 1) * memorizer.Gains[1] / memorizer.Gains[0]
                            : 0
                ),
                new(
                    "that is the strength of the opposite direction: the two images have changed places",
                    (held, other, sigma) => Memorizer(held, other, sigma).Threshold(1, 0)
                ),
                new(
                    "that takes both images as stored at full strength, c = 1; noise lowers the norm of a stored image",
                    (held, other, _) => Memorizer(held, other, 1e-6).Threshold(0, 1)
                ),
            ]
        ),
    ];

    private static torch.Tensor Steered(
        torch.Tensor h,
        torch.Tensor v,
        double a,
        torch.Tensor sigma,
        Func<double, bool> isOn
    ) => h + a * torch.tensor(sigma.ToDoubles().Select(s => isOn(s) ? 1.0 : 0).ToArray()).unsqueeze(1) * v;

    private static MemorizedSteering Memorizer(torch.Tensor held, torch.Tensor other, double sigma) =>
        new(torch.stack([held, other], 0), sigma);
}
