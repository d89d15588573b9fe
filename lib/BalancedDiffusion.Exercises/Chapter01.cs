using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 01: posterior means and the score.</summary>
internal sealed class Chapter01 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<IDenoiser, torch.Tensor, double, torch.Tensor>>(
            "01.1",
            "The score from a denoiser",
            truth: (denoiser, y, sigma) => denoiser.Score(y, sigma),
            ask: (draw, score) =>
            {
                var (d, sigma) = (draw.Whole("d", 4, 9), draw.Between("sigma", 0.1, 3));
                var distribution = GaussianMixture.SeparatedLowRank(d, modes: 3, rank: 2, draw.Seed());
                return score(
                    new MixtureDenoiser(distribution),
                    distribution.Draw(draw.Whole("batch", 2, 6), draw.Seed(), torch.float64).Samples
                        + sigma * draw.Normal(d),
                    sigma
                );
            },
            slips: new Slip<Func<IDenoiser, torch.Tensor, double, torch.Tensor>>(
                "the score points from the noisy sample to the denoised one: a difference of two points, and "
                    + "one of them is missing",
                (denoiser, y, sigma) => denoiser.DenoiseAt(y, sigma) / (sigma * sigma)
            )
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, torch.Tensor>>(
            "01.2",
            "The weights of the training samples",
            truth: (y, samples, sigma) => Weights(y, samples, 2 * sigma * sigma, axis: 1),
            ask: (draw, weights) => OverSamples(draw, weights, leastSigma: 0.005),
            slips:
            [
                new(
                    "the exponent is not the one of the formula: look at what the squared distance is divided by",
                    (y, samples, sigma) => Weights(y, samples, sigma * sigma, axis: 1)
                ),
                new(
                    "the exponent is not the one of the formula: look at what the squared distance is divided by",
                    (y, samples, sigma) => Weights(y, samples, 2 * sigma, axis: 1)
                ),
                new(
                    "the weights of one noisy sample, a row, must sum to 1; here the columns do",
                    (y, samples, sigma) => Weights(y, samples, 2 * sigma * sigma, axis: 0)
                ),
                new(
                    "the formula has the square of the distance",
                    (y, samples, sigma) => (-torch.cdist(y, samples) / (2 * sigma * sigma)).softmax(1)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, double, torch.Tensor>>(
            "01.3",
            "The posterior mean of a training set",
            truth: (y, samples, sigma) => new EmpiricalDenoiser(samples).DenoiseAt(y, sigma),
            ask: (draw, mean) => OverSamples(draw, mean, leastSigma: 0.1),
            slips: new Slip<Func<torch.Tensor, torch.Tensor, double, torch.Tensor>>(
                "that is the nearest training sample: where several are near, all of them contribute",
                (y, samples, _) => samples.index_select(0, torch.cdist(y, samples).argmin(1))
            )
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor>>(
            "01.4",
            "The effective sample size",
            truth: weights => torch.special.entr(weights).sum(1L).exp(),
            ask: (draw, sampleSize) =>
            {
                var weights = (
                    draw.Between("spread", 1, 20) * draw.Normal(draw.Whole("batch", 2, 5), draw.Whole("n", 3, 20))
                ).softmax(1);
                return sampleSize(torch.where(weights.lt(1e-6), torch.zeros_like(weights), weights));
            },
            slips:
            [
                new(
                    "that is the entropy; the number of samples is its exponential",
                    weights => torch.special.entr(weights).sum(1L)
                ),
                new(
                    "that is the participation ratio, another count of samples: take the one with the entropy",
                    weights => 1 / weights.square().sum(1L)
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, torch.Tensor, double, torch.Tensor>>(
            "01.5",
            "The Wiener filter",
            truth: (y, mean, covariance, sigma) =>
                new MixtureDenoiser(new GaussianMixture(GaussianComponent.Full(1, mean, covariance))).DenoiseAt(
                    y,
                    sigma
                ),
            ask: (draw, filter) =>
            {
                var (d, sigma) = (draw.Whole("d", 2, 6), draw.Between("sigma", 0.2, 2));
                var (factor, mean) = (draw.Normal(d, d), 3 * draw.Normal(d));
                var y = mean + draw.Normal(draw.Whole("batch", 2, 6), d).matmul(factor.t()) + sigma * draw.Normal(d);
                return filter(y, mean, factor.matmul(factor.t()), sigma);
            },
            slips:
            [
                new(
                    "the mean is missing: what the filter shrinks is the distance from it",
                    (y, _, covariance, sigma) => Filtered(y, covariance, sigma * sigma)
                ),
                new(
                    "the mean was taken off and never put back",
                    (y, mean, covariance, sigma) => Filtered(y - mean, covariance, sigma * sigma)
                ),
                new(
                    "noise of size sigma has another variance than the one used here",
                    (y, mean, covariance, sigma) => mean + Filtered(y - mean, covariance, sigma)
                ),
            ]
        ),
    ];

    private static object? OverSamples(
        Draw draw,
        Func<torch.Tensor, torch.Tensor, double, torch.Tensor> answer,
        double leastSigma
    )
    {
        var (n, d, batch, sigma) = (
            draw.Whole("n", 3, 30),
            draw.Whole("d", 2, 8),
            draw.Whole("batch", 2, 6),
            draw.Between("sigma", leastSigma, 3)
        );
        var samples = draw.Normal(n, d);
        return answer(samples[..2].mean([0L]) + sigma * draw.Normal(batch, d), samples, sigma);
    }

    private static torch.Tensor Weights(torch.Tensor y, torch.Tensor samples, double divisor, long axis) =>
        (-(y.unsqueeze(1) - samples).square().sum(2L) / divisor).softmax(axis);

    private static torch.Tensor Filtered(torch.Tensor y, torch.Tensor covariance, double noise) =>
        torch
            .linalg.solve(covariance + noise * torch.eye(covariance.shape[0], dtype: covariance.dtype), y.t())
            .t()
            .matmul(covariance);
}
