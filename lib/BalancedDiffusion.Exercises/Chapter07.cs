using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Exercises;

/// <summary>The exercises of notebook 07: levels and steps of samplers.</summary>
internal sealed class Chapter07 : Chapter
{
    /// <inheritdoc/>
    public override IReadOnlyList<Exercise> Exercises { get; } =
    [
        new Exercise<Func<int, double, double, double, double[]>>(
            "07.1",
            "The levels of a trajectory",
            truth: (steps, max, min, rho) => [.. new KarrasSchedule(max, min, rho).Levels(steps)],
            ask: (draw, levels) =>
                levels(
                    draw.Whole("steps", 3, 20),
                    draw.Between("max", 10, 100),
                    draw.Between("min", 0.001, 0.1),
                    draw.Between("rho", 2, 9)
                ),
            // The least level is a hundred-thousandth of the largest number, and must be right too.
            tolerance: 1e-7,
            slips:
            [
                new(
                    "a trajectory begins at the most noise and ends without any: here the levels rise",
                    (steps, max, min, rho) => [.. new KarrasSchedule(max, min, rho).Levels(steps).Reverse()]
                ),
                new(
                    "the last level of all is missing: the trajectory ends without noise",
                    (steps, max, min, rho) => [.. new KarrasSchedule(max, min, rho).Levels(steps).SkipLast(1)]
                ),
                new("min is never reached: count the gaps between the levels, not the levels", Unfinished),
                new(
                    "these levels are even themselves; what must be even is a root of them",
                    (steps, max, min, _) => [.. new KarrasSchedule(max, min, 1).Levels(steps)]
                ),
            ]
        ),
        new Exercise<Func<IDenoiser, torch.Tensor, double, double, torch.Tensor>>(
            "07.2",
            "Euler's step",
            truth: (denoiser, x, sigma, next) => new EulerSampler().Sample(denoiser, x, [sigma, next]),
            ask: AskStep,
            slips:
            [
                new(
                    "the step goes the wrong way: the level falls, so its change is negative",
                    (denoiser, x, sigma, next) => x + (sigma - next) * Slope(denoiser, x, sigma)
                ),
                new(
                    "that takes the difference x - f for the slope: a factor of the equation is missing",
                    (denoiser, x, sigma, next) => x + (next - sigma) * sigma * Slope(denoiser, x, sigma)
                ),
                new(
                    "the slope belongs to the level where the step begins",
                    (denoiser, x, sigma, next) => x + (next - sigma) * Slope(denoiser, x, sigma) * sigma / next
                ),
                new(
                    "that is the clean estimate itself, a step down to no noise; this one ends at next",
                    (denoiser, x, sigma, _) => denoiser.DenoiseAt(x, sigma)
                ),
            ]
        ),
        new Exercise<Func<IDenoiser, torch.Tensor, double, double, torch.Tensor>>(
            "07.3",
            "Heun's correction",
            truth: (denoiser, x, sigma, next) => new HeunSampler().Sample(denoiser, x, [sigma, next]),
            ask: AskStep,
            slips:
            [
                new(
                    "that is Euler's step: the slope where it ends is not used yet",
                    (denoiser, x, sigma, next) => Euler(denoiser, x, sigma, next)
                ),
                new(
                    "only the slope at the end is used; Heun takes the mean of both",
                    (denoiser, x, sigma, next) =>
                        x + (next - sigma) * Slope(denoiser, Euler(denoiser, x, sigma, next), next)
                ),
                new(
                    "the two slopes are added and not averaged",
                    (denoiser, x, sigma, next) => 2 * Heun(denoiser, x, sigma, next, next) - x
                ),
                new(
                    "the second slope is taken at the level where the step begins",
                    (denoiser, x, sigma, next) => Heun(denoiser, x, sigma, next, sigma)
                ),
                new(
                    "that is two steps: the corrected one starts from x again, not from where Euler's ended",
                    (denoiser, x, sigma, next) =>
                        Heun(denoiser, x, sigma, next, next) + Euler(denoiser, x, sigma, next) - x
                ),
            ]
        ),
        new Exercise<Func<torch.Tensor, torch.Tensor, torch.Tensor, double, double, torch.Tensor>>(
            "07.4",
            "How much injected noise",
            truth: (x, clean, noise, sigma, next) =>
                Ancestral(
                    x,
                    clean,
                    noise,
                    next * next / (sigma * sigma),
                    next * Math.Sqrt(sigma * sigma - next * next) / sigma
                ),
            ask: (draw, step) =>
            {
                var (batch, d, sigma) = (
                    draw.Whole("batch", 2, 6),
                    draw.Whole("d", 2, 8),
                    draw.Between("sigma", 0.3, 10)
                );
                var clean = draw.Normal(batch, d);
                return step(
                    clean + sigma * draw.Normal(batch, d),
                    clean,
                    draw.Normal(batch, d),
                    sigma,
                    draw.Between("next", 0.2 * sigma, 0.8 * sigma)
                );
            },
            slips:
            [
                new(
                    "that is all the noise between the two levels, as the authors' step adds it; knowing x, "
                        + "less is left open",
                    (x, clean, noise, sigma, next) =>
                        Ancestral(
                            x,
                            clean,
                            noise,
                            next * next / (sigma * sigma),
                            Math.Sqrt(sigma * sigma - next * next)
                        )
                ),
                new(
                    "noise of a variance is drawn by multiplying with its root",
                    (x, clean, noise, sigma, next) =>
                        Ancestral(
                            x,
                            clean,
                            noise,
                            next * next / (sigma * sigma),
                            next * next * (sigma * sigma - next * next) / (sigma * sigma)
                        )
                ),
                new(
                    "that is the noise of the level next, as if x were not known at all",
                    (x, clean, noise, sigma, next) => Ancestral(x, clean, noise, next * next / (sigma * sigma), next)
                ),
                new(
                    "what is kept of x goes with the squares of the levels",
                    (x, clean, noise, sigma, next) =>
                        Ancestral(x, clean, noise, next / sigma, next * Math.Sqrt(sigma * sigma - next * next) / sigma)
                ),
            ]
        ),
    ];

    // Levels that stop one short of the least.
    private static double[] Unfinished(int steps, double max, double min, double rho)
    {
        var schedule = new KarrasSchedule(max, min, rho);
        return [.. Enumerable.Range(0, steps).Select(i => schedule.Sigma(1 - (double)i / steps)), 0];
    }

    private static object? AskStep(Draw draw, Func<IDenoiser, torch.Tensor, double, double, torch.Tensor> step)
    {
        var (d, batch, sigma) = (draw.Whole("d", 4, 9), draw.Whole("batch", 2, 6), draw.Between("sigma", 0.3, 2));
        var distribution = GaussianMixture.SeparatedLowRank(d, modes: 3, rank: 2, draw.Seed());
        return step(
            new MixtureDenoiser(distribution),
            distribution.Draw(batch, draw.Seed(), torch.float64).Samples + sigma * draw.Normal(batch, d),
            sigma,
            draw.Between("next", 0.2 * sigma, 0.7 * sigma)
        );
    }

    // dx/dsigma of the probability flow.
    private static torch.Tensor Slope(IDenoiser denoiser, torch.Tensor x, double sigma) =>
        (x - denoiser.DenoiseAt(x, sigma)) / sigma;

    private static torch.Tensor Euler(IDenoiser denoiser, torch.Tensor x, double sigma, double next) =>
        x + (next - sigma) * Slope(denoiser, x, sigma);

    private static torch.Tensor Heun(
        IDenoiser denoiser,
        torch.Tensor x,
        double sigma,
        double next,
        double secondLevel
    ) =>
        x
        + (next - sigma)
            * (Slope(denoiser, x, sigma) + Slope(denoiser, Euler(denoiser, x, sigma, next), secondLevel))
            / 2;

    private static torch.Tensor Ancestral(
        torch.Tensor x,
        torch.Tensor clean,
        torch.Tensor noise,
        double kept,
        double std
    ) => clean + kept * (x - clean) + std * noise;
}
