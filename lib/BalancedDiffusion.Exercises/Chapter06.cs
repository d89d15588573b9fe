using BalancedDiffusion.Notebook;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 06: counting active units, and networks that differ only in how they split their
/// columns.</summary>
internal sealed class Chapter06 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<torch.Tensor, double, torch.Tensor>>(
            "06.1",
            "The effective number of units",
            truth: (h, alpha) => (torch.logsumexp(alpha * Shares(h.square()).log(), 1) / (1 - alpha)).exp(),
            ask: (draw, units) =>
            {
                var (batch, alpha) = (draw.Whole("batch", 2, 5), draw.Between("alpha", 0.2, 5));
                var h =
                    draw.Between("size", 0.1, 20)
                    * torch.cat(
                        [
                            draw.Normal(batch, draw.Whole("p", 5, 30) - 1).relu(),
                            torch.ones([batch, 1], dtype: torch.float64),
                        ],
                        1
                    );
                return units(h, Math.Abs(alpha - 1) < 0.1 ? 2 : alpha);
            },
            slips:
            [
                new(
                    "a unit's share is one of the energy, which goes with the square of what it gives",
                    (h, alpha) => Hill(Shares(h), alpha)
                ),
                new("that is the sum; the last power is missing", (h, alpha) => Shares(h.square()).pow(alpha).sum(1L)),
                new(
                    "that is the participation ratio, the count of order 2; the order is asked for",
                    (h, _) => Spikiness.ParticipationRatio(h)
                ),
                new(
                    "that is the logarithm of the number asked for",
                    (h, alpha) => Hill(Shares(h.square()), alpha).log()
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, int, int, double, double, (double Mean, double Spread)>>(
            "06.2",
            "The distribution of a memorized representation's std",
            truth: (x, n, p, sigma, lambda) =>
                new MemorizationMinimizer(x.unsqueeze(0).repeat(n, 1), sigma, lambda) is var theory
                    ? (OneHotStd(theory.PeakActivations[0], p), OneHotStd(sigma * theory.StoredNorms[0], p))
                    : default,
            ask: (draw, std) =>
            {
                var (n, x) = (draw.Whole("n", 2, 20), draw.Between("size", 0.8, 4) * draw.Normal(6));
                return std(
                    x,
                    n,
                    draw.Whole("p", 5, 60),
                    draw.Between("sigma", 0.2, 1),
                    draw.Between("n lambda / ‖x‖²", 0.05, 0.7) * x.square().sum().ToDouble() / n
                );
            },
            slips:
            [
                new(
                    "the representation's peak is not the norm of the column: a column r x is multiplied by x as well",
                    (x, n, p, sigma, lambda) =>
                        (
                            OneHotStd(StoredNorm(x, n, sigma, lambda), p),
                            OneHotStd(sigma * StoredNorm(x, n, sigma, lambda), p)
                        )
                ),
                new(
                    "how far the noise moves the peak depends on the norm of the column",
                    (x, n, p, sigma, lambda) =>
                        (OneHotStd(StoredNorm(x, n, sigma, lambda) * x.norm().ToDouble(), p), OneHotStd(sigma, p))
                ),
                new(
                    "those are mean and spread of the peak; its std over the units is smaller",
                    (x, n, p, sigma, lambda) =>
                        (StoredNorm(x, n, sigma, lambda) * x.norm().ToDouble(), sigma * StoredNorm(x, n, sigma, lambda))
                ),
                new(
                    "the mean over the units is not 0: the spike lifts it, and that comes off the square",
                    (x, n, p, sigma, lambda) =>
                        (
                            StoredNorm(x, n, sigma, lambda) * x.norm().ToDouble() / Math.Sqrt(p),
                            sigma * StoredNorm(x, n, sigma, lambda) / Math.Sqrt(p)
                        )
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, int, torch.Tensor>>(
            "06.3",
            "Splitting every column",
            truth: (w, k) => w.repeat_interleave(k, 0) / Math.Sqrt(k),
            ask: (draw, split) =>
            {
                var d = draw.Whole("d", 3, 8);
                var (w, y) = (
                    Columns(split(draw.Normal(draw.Whole("p", 4, 10), d), draw.Whole("k", 2, 6)), d),
                    draw.Normal(5, d)
                );
                return (Output(w, y), Representation(w, y).pow(4).sum(1L), w.shape[0]);
            },
            slips:
            [
                new(
                    "a column is used twice, to encode and to decode, so its factor counts twice",
                    (w, k) => w.repeat(k, 1) / k
                ),
                new(
                    "every column is repeated at its full norm, so that it counts more than once",
                    (w, k) => w.repeat(k, 1)
                ),
                new(
                    "the function is kept, but one of the columns still does all the work",
                    (w, k) => torch.cat([w, torch.zeros([(k - 1) * w.shape[0], w.shape[1]], dtype: w.dtype)])
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor>>(
            "06.4",
            "Merging parallel columns",
            truth: w =>
            {
                var unit = torch.nn.functional.normalize(w, dim: 1);
                var alike = unit.matmul(unit.t()).gt(0.9).to_type(torch.float64);
                // Of each group the column before which there is none of the group.
                return (unit * alike.matmul(w.square().sum(1L)).sqrt().unsqueeze(1))[alike.tril(-1).sum(1L).eq(0)];
            },
            ask: (draw, merge) =>
            {
                var (d, groups, parts) = (
                    draw.Whole("d", 6, 10),
                    draw.Whole("groups", 2, 5),
                    draw.Whole("columns a group", 2, 4)
                );
                var (axes, _) = torch.linalg.qr(draw.Normal(d, groups));
                var columns = (axes.t().unsqueeze(1) * (draw.Normal(groups, parts, 1).abs() + 0.2)).reshape(
                    groups * parts,
                    d
                );
                // One column points the other way than a group.
                var all = torch.cat([columns, -0.7 * columns[..1]]);
                var w = Columns(merge(all.index_select(0, draw.Normal(all.shape[0]).argsort())), d);
                return (Output(w, draw.Normal(5, d)), w.shape[0]);
            },
            slips:
            [
                new(
                    "the norms of parallel columns do not add up, something else of them does",
                    w => Merge(w, cosines => cosines.gt(0.9), norms => norms.Sum())
                ),
                new(
                    "one column of a group is kept and the work of the others is lost",
                    w => Merge(w, cosines => cosines.gt(0.9), norms => norms[0])
                ),
                new(
                    "columns that point opposite ways are never on together: they are no group",
                    w => Merge(w, cosines => cosines.abs().gt(0.9), norms => Math.Sqrt(norms.Sum(norm => norm * norm)))
                ),
                new("nothing is merged: parallel columns must become one", w => w.clone()),
            ]
        ),
    ];

    private static torch.Tensor Shares(torch.Tensor amounts) => amounts / amounts.sum(1, keepdim: true);

    private static torch.Tensor Hill(torch.Tensor shares, double alpha) =>
        shares.pow(alpha).sum(1L).pow(1 / (1 - alpha));

    private static double OneHotStd(double peak, int p) =>
        Spikiness.StandardDeviation(peak * torch.eye(1, p, dtype: torch.float64)).ToDouble();

    private static double StoredNorm(torch.Tensor x, int n, double sigma, double lambda) =>
        Math.Sqrt(Gain.Of(x.square().sum().ToDouble(), 1, n, sigma, lambda));

    // A product with an answer of another shape or type would end the process.
    private static torch.Tensor Columns(torch.Tensor answer, long d)
    {
        Guard.Shape(answer, [-1, d], "the columns");
        return answer.to_type(torch.float64);
    }

    private static torch.Tensor Representation(torch.Tensor w, torch.Tensor y) => y.matmul(w.t()).relu();

    private static torch.Tensor Output(torch.Tensor w, torch.Tensor y) => Representation(w, y).matmul(w);

    // The first column left takes in all those that are alike, until none is left.
    private static torch.Tensor Merge(
        torch.Tensor w,
        Func<torch.Tensor, torch.Tensor> alike,
        Func<double[], double> norm
    )
    {
        var merged = new List<torch.Tensor>();
        for (var left = w; left.shape[0] > 0; )
        {
            var first = left[0] / left[0].norm();
            var group = alike(left.matmul(first) / left.norm(1));
            merged.Add(first * norm(left[group].norm(1).ToDoubles()));
            left = left[group.logical_not()];
        }
        return torch.stack(merged);
    }
}
