using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

/// <summary>The samplers against the update rules as their papers print them, in their own notation.</summary>
public class SamplerFormulaTests
{
    private static readonly double[] Sigmas = [14.6, 6, 2.5, 1.1, 0.4, 0.1, 0.03];

    private static GaussianMixture Mixture() =>
        GaussianMixture.SeparatedLowRank(3, 3, 2, 5, variance: 0.2, floor: 0.05);

    private static torch.Tensor Starts(torch.ScalarType type = torch.ScalarType.Float64) =>
        GaussianNoise.Draw([20, 3], 8, type) * Sigmas[0];

    private static double AlphaBar(double sigma) => 1 / (1 + sigma * sigma);

    private static void Same(torch.Tensor expected, torch.Tensor actual, double tolerance = 1e-9) =>
        Assert.True(
            torch.allclose(expected, actual, tolerance, tolerance),
            $"they differ by {(expected - actual).abs().max().to_type(torch.float64).item<double>()}"
        );

    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void DdimWithoutNoiseIsEulersMethodAndItsOwnFormula(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Mixture();
        var denoiser = new MixtureDenoiser(mixture);
        var start = Starts(type);
        var actual = new DdimSampler().Sample(denoiser, start, Sigmas);
        Same(new EulerSampler().Sample(denoiser, start, Sigmas), actual, 1e-5);
        // Equation 12 of Song et al. 2021 with sigma_t = 0: predicted x0 and the direction back, over z =
        // sqrt(alphaBar) x0 + sqrt(1 - alphaBar) eps.
        var z = start.to_type(torch.float64) * Math.Sqrt(AlphaBar(Sigmas[0]));
        for (var i = 0; i + 1 < Sigmas.Length; i++)
        {
            var (a, next) = (AlphaBar(Sigmas[i]), AlphaBar(Sigmas[i + 1]));
            var clean = denoiser.DenoiseAt(z / Math.Sqrt(a), Sigmas[i]);
            var epsilon = (z - clean * Math.Sqrt(a)) / Math.Sqrt(1 - a);
            z = (z - epsilon * Math.Sqrt(1 - a)) / Math.Sqrt(a) * Math.Sqrt(next) + epsilon * Math.Sqrt(1 - next);
        }
        Same(
            z / Math.Sqrt(AlphaBar(Sigmas[^1])),
            actual.to_type(torch.float64),
            type == torch.ScalarType.Float32 ? 1e-5 : 1e-9
        );
    }

    [Fact]
    public void DdimWithFullNoiseIsDdpm()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Mixture();
        var denoiser = new MixtureDenoiser(mixture);
        Same(
            new DdpmSampler().Sample(denoiser, Starts(), [.. Sigmas, 0], seed: 4),
            new DdimSampler(1).Sample(denoiser, Starts(), [.. Sigmas, 0], seed: 4)
        );
    }

    [Fact]
    public void HeunIsEdmsFirstAlgorithm()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Mixture();
        var denoiser = new MixtureDenoiser(mixture);
        double[] levels = [.. Sigmas, 0];
        var x = Starts();
        for (var i = 0; i + 1 < levels.Length; i++)
        {
            var (t, next) = (levels[i], levels[i + 1]);
            var d = (x - denoiser.DenoiseAt(x, t)) / t;
            var euler = x + d * (next - t);
            x = next == 0 ? euler : x + (d * 0.5 + (euler - denoiser.DenoiseAt(euler, next)) / next * 0.5) * (next - t);
        }
        Same(x, new HeunSampler().Sample(denoiser, Starts(), levels));
    }

    [Fact]
    public void DpmSolverIsItsPapersSecondAlgorithm()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Mixture();
        var denoiser = new MixtureDenoiser(mixture);
        double Signal(double s) => Math.Sqrt(AlphaBar(s));
        double Noise(double s) => Math.Sqrt(1 - AlphaBar(s));
        double Lambda(double s) => Math.Log(Signal(s) / Noise(s));
        var z = Starts() * Signal(Sigmas[0]);
        torch.Tensor? before = null;
        for (var i = 1; i < Sigmas.Length; i++)
        {
            var (from, to) = (Sigmas[i - 1], Sigmas[i]);
            var clean = denoiser.DenoiseAt(z / Signal(from), from);
            var h = Lambda(to) - Lambda(from);
            var d = clean;
            if (before is not null)
            {
                var r = (Lambda(from) - Lambda(Sigmas[i - 2])) / h;
                d = clean * (1 + 1 / (2 * r)) - before * (1 / (2 * r));
            }
            z = z * (Noise(to) / Noise(from)) - d * (Signal(to) * (Math.Exp(-h) - 1));
            before = clean;
        }
        Same(z / Signal(Sigmas[^1]), new DpmSolverSampler().Sample(denoiser, Starts(), Sigmas));
    }

    /// <summary>
    /// For Gaussian data every sampler is affine in what it is given, so that mean and variance after some coarse steps
    /// follow from the papers' rules exactly.
    /// </summary>
    [Theory]
    [InlineData("authors")]
    [InlineData("ddpm")]
    [InlineData("ddim")]
    [InlineData("churn")]
    public void OnGaussianDataMeanAndVarianceAreThoseOfTheRule(string which)
    {
        const double mean = 0.7,
            data = 0.3;
        const int rows = 20_000,
            d = 10;
        double[] levels = [3, 1.8, 1, 0.6, 0.3, 0.1];
        double Gain(double s) => data / (data + s * s);
        // The variance-preserving rules, written for z: mean factor a, bias b, noise variance c of z' = a z + b +
        // sqrt(c) eps.
        (double A, double B, double C) Rule(double s, double t)
        {
            var (now, then) = (AlphaBar(s), AlphaBar(t));
            var beta = 1 - now / then;
            var variance = (1 - then) / (1 - now) * beta * (which == "ddim" ? 0.25 : 1);
            // The clean estimate is g z/sqrt(now) + (1 - g) mean.
            var (slope, offset) = (Gain(s) / Math.Sqrt(now), (1 - Gain(s)) * mean);
            if (which == "ddpm")
            {
                var (toClean, toNoisy) = (
                    Math.Sqrt(then) * beta / (1 - now),
                    Math.Sqrt(1 - beta) * (1 - then) / (1 - now)
                );
                return (toClean * slope + toNoisy, toClean * offset, variance);
            }
            var direction = Math.Sqrt(1 - then - variance) / Math.Sqrt(1 - now);
            return (
                Math.Sqrt(then) * slope + direction * (1 - Math.Sqrt(now) * slope),
                (Math.Sqrt(then) - direction * Math.Sqrt(now)) * offset,
                variance
            );
        }
        var (m, v) = (0.0, levels[0] * levels[0]);
        ISampler sampler = which switch
        {
            "authors" => new ReverseDiffusionSampler(),
            "ddpm" => new DdpmSampler(),
            "ddim" => new DdimSampler(0.5),
            _ => new HeunSampler(Churn: 1.5, ChurnMin: 0.2, ChurnMax: 2, ChurnNoise: 1.1),
        };
        for (var i = 0; i + 1 < levels.Length; i++)
        {
            var (s, t) = (levels[i], levels[i + 1]);
            if (which == "authors")
            {
                // x += (s² - t²) score + sqrt(s² - t²) z, the score of N(mean, data + s²).
                var factor = 1 - (s * s - t * t) / (data + s * s);
                (m, v) = (mean + factor * (m - mean), factor * factor * v + s * s - t * t);
            }
            else if (which == "churn")
            {
                var raised = s is >= 0.2 and <= 2 ? s * (1 + 1.5 / 5) : s;
                v += 1.1 * 1.1 * (raised * raised - s * s);
                double Slope(double level) => level / (data + level * level); // (x - f)/s = Slope · (x - mean)
                var euler = 1 + (t - raised) * Slope(raised);
                var factor = 1 + (t - raised) * (Slope(raised) + Slope(t) * euler) / 2;
                (m, v) = (mean + factor * (m - mean), factor * factor * v);
            }
            else
            {
                var (a, b, c) = Rule(s, t);
                var (scale, back) = (Math.Sqrt(AlphaBar(s)), 1 / Math.Sqrt(AlphaBar(t)));
                (m, v) = ((a * m * scale + b) * back, (a * a * v * scale * scale + c) * back * back);
            }
        }
        using var scope = torch.NewDisposeScope();
        var ends = sampler.Draw(
            SamplerLab.Gaussian(d, mean, data),
            rows,
            levels,
            new SamplingOptions
            {
                Seed = 6,
                BatchSize = 5000,
                Type = torch.ScalarType.Float64,
            }
        );
        var n = (double)rows * d;
        Assert.InRange((ends.mean().item<double>() - m) / Math.Sqrt(v / n), -4, 4);
        Assert.InRange((ends.var().item<double>() / v - 1) / Math.Sqrt(2 / n), -4, 4);
    }

    [Fact]
    public void TheAuthorsStepIsTooWideAndDdpmsTooNarrowByTheAmountsStated()
    {
        using var scope = torch.NewDisposeScope();
        const double v = 0.5,
            s = 1,
            t = 0.6;
        const int n = 400_000;
        var delta = s * s - t * t;
        var start = GaussianNoise.Draw([n, 1], 3, torch.float64) * Math.Sqrt(v + s * s);
        double Variance(ISampler sampler) =>
            sampler.Sample(SamplerLab.Gaussian(1, 0, v), start, [s, t], seed: 2).var().item<double>();
        var error = 4 * Math.Sqrt(2.0 / n);
        var (wide, narrow) = (
            v + t * t + delta * delta / (v + s * s),
            v + t * t - v * delta * delta / (s * s * (v + s * s))
        );
        Assert.InRange(Variance(new ReverseDiffusionSampler()) / wide, 1 - error, 1 + error);
        Assert.InRange(Variance(new DdpmSampler()) / narrow, 1 - error, 1 + error);
    }
}
