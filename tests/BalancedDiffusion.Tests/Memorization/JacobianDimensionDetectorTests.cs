using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Theory;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class JacobianDimensionDetectorTests
{
    [Theory]
    [InlineData(DimensionEstimate.Trace)]
    [InlineData(DimensionEstimate.Flipd)]
    [InlineData(DimensionEstimate.Rank)]
    public void WhoKnowsNoDirectionHasDimensionZeroAndWhoKnowsAllHasD(DimensionEstimate estimate)
    {
        using var scope = NewDisposeScope();
        var sample = zeros(2, 6, dtype: float64);
        foreach (var probes in new[] { 6, 50 })
        {
            Assert.All(
                Scores(new JacobianDimensionDetector(Zero(6), 0.1, estimate, probes), sample),
                s => Near(0, s, 1e-9)
            );
            Assert.All(
                Scores(new JacobianDimensionDetector(Identity(6), 0.1, estimate, probes), sample),
                s => Near(-6, s, 1e-9)
            );
        }
        Assert.All(Scores(new JacobianDimensionDetector(Zero(6), 0.1, estimate, 2), sample), s => Near(0, s, 1e-9));
    }

    [Fact]
    public void WithAllUnitVectorsTheTraceOfALinearDenoiserIsExact()
    {
        using var scope = NewDisposeScope();
        var matrix = Normal(1, 7, 7);
        var trace = Enumerable.Range(0, 7).Sum(i => matrix[i, i].item<double>());
        Assert.All(
            Scores(new JacobianDimensionDetector(Linear(matrix), 0.3, probes: 7), Normal(2, 3, 7)),
            s => Near(-trace, s, 1e-9)
        );
    }

    [Fact]
    public void TheRandomTraceIsUnbiasedWithHutchinsonsVariance()
    {
        using var scope = NewDisposeScope();
        const int count = 800,
            probes = 4,
            dimension = 9;
        var half = Normal(3, dimension, dimension);
        var matrix = half + half.t();
        double trace = 0,
            off = 0;
        for (var i = 0; i < dimension; i++)
        for (var j = 0; j < dimension; j++)
            if (i == j)
                trace += matrix[i, j].item<double>();
            else
                off += Math.Pow(matrix[i, j].item<double>(), 2);
        var variance = 2 * off / probes;
        var scores = Scores(
            new JacobianDimensionDetector(Linear(matrix), 0.3, probes: probes),
            zeros(count, dimension, dtype: float64)
        );
        Near(-trace, scores.Average(), 5 * Math.Sqrt(variance / count));
        Near(variance, scores.Average(s => (s + trace) * (s + trace)), 0.4 * variance);
    }

    [Fact]
    public void NoisedAnewItIsTakenWhereTheNoisedSamplesLie()
    {
        using var scope = NewDisposeScope();
        // Two training samples at ±1 on the first axis: at sigma = 1 the Jacobian is sech²(y₁) e₁e₁ᵀ.
        var model = new EmpiricalDenoiser(
            tensor(
                new double[,]
                {
                    { 1, 0, 0 },
                    { -1, 0, 0 },
                }
            )
        );
        static double Sech2(double y) => 1 / Math.Pow(Math.Cosh(y), 2);
        const int count = 4000;
        var sample = tensor(
            new double[,]
            {
                { 1, 0, 0 },
            }
        );
        var scores = Scores(new JacobianDimensionDetector(model, 1, probes: 3, step: 0.01), sample);
        Near(-Sech2(1), scores[0], 1e-4);
        var noised = Scores(
            new JacobianDimensionDetector(model, 1, probes: 3, step: 0.01, renoise: true),
            sample.expand(count, 3).contiguous()
        );
        var mean = MathNet.Numerics.Integration.GaussLegendreRule.Integrate(
            y => Sech2(y) * Math.Exp(-Math.Pow(y - 1, 2) / 2) / Math.Sqrt(2 * Math.PI),
            -8,
            10,
            128
        );
        var deviation = Math.Sqrt(noised.Average(s => (s + mean) * (s + mean)));
        Near(-mean, noised.Average(), 5 * deviation / Math.Sqrt(count));
        Assert.True(deviation > 0.1, "every sample has noise of its own");
        Assert.Equal(
            "dimension by trace, sigma 1, noised",
            new JacobianDimensionDetector(model, 1, renoise: true).Name
        );
    }

    [Fact]
    public void TheRankCountsSingularValuesAboveTheThreshold()
    {
        using var scope = NewDisposeScope();
        // Symmetric of rank 5 in 20 dimensions, with eigenvalues 0.9, 0.8, -0.7, 0.4, 0.1.
        var basis = linalg.qr(Normal(4, 20, 5)).Q;
        var matrix = matmul(basis * tensor(new[] { 0.9, 0.8, -0.7, 0.4, 0.1 }), basis.t());
        foreach (var (threshold, dimension) in new[] { (0.5, 3), (0.75, 2), (0.05, 5), (0.95, 0) })
        foreach (var probes in new[] { 6, 20 })
            Assert.Equal(
                [-dimension, -dimension, -dimension],
                Scores(
                    new JacobianDimensionDetector(Linear(matrix), 0.1, DimensionEstimate.Rank, probes, threshold),
                    Normal(5, 3, 20)
                )
            );
        // Too few probes never count too many.
        Assert.All(
            Scores(new JacobianDimensionDetector(Linear(matrix), 0.1, DimensionEstimate.Rank, 2), Normal(5, 30, 20)),
            s => Assert.InRange(s, -2, 0)
        );
        // Without symmetry all unit vectors are exact: one row of length 10 spread over 4 columns has one singular
        // value 20.
        var row = zeros(4, 4, dtype: float64);
        row[0] = full([4], 10.0, dtype: float64);
        Assert.Equal(
            [-1],
            Scores(
                new JacobianDimensionDetector(Linear(row), 0.1, DimensionEstimate.Rank, 4, 19.9),
                ones(1, 4, dtype: float64)
            )
        );
        Assert.Equal(
            [0],
            Scores(
                new JacobianDimensionDetector(Linear(row), 0.1, DimensionEstimate.Rank, 4, 20.1),
                ones(1, 4, dtype: float64)
            )
        );
    }

    [Fact]
    public void ThePosteriorMeanOfTwoPointsHasTheJacobianOfItsPosteriorVariance()
    {
        using var scope = NewDisposeScope();
        const double sigma = 0.8;
        using var denoiser = new EmpiricalDenoiser(
            tensor(
                new[,]
                {
                    { 1.0, 0, 0 },
                    { -1.0, 0, 0 },
                }
            )
        );
        // At (a, b, c) the weights are the logistic of ±2a/sigma², and the posterior variance 4 w (1 - w) lies along
        // the first axis.
        foreach (var a in new[] { 0, 0.2, 0.7 })
        {
            var w = 1 / (1 + Math.Exp(-2 * a / (sigma * sigma)));
            var sample = tensor(
                new[,]
                {
                    { a, 0.3, -0.4 },
                }
            );
            Near(
                -4 * w * (1 - w) / (sigma * sigma),
                Scores(new JacobianDimensionDetector(denoiser, sigma, probes: 3, step: 1e-3), sample)[0],
                1e-5
            );
        }
    }

    [Fact]
    public void ForALowRankGaussianTheTraceCountsDirectionsWiderThanSigma()
    {
        using var scope = NewDisposeScope();
        double[] variances = [4, 1, 0.25, 0.01];
        const double sigma = 0.2;
        using var mixture = new GaussianMixture(
            GaussianComponent.Full(1, ones(6, dtype: float64), diag(tensor((double[])[.. variances, 0, 0])))
        );
        var denoiser = new MixtureDenoiser(mixture);
        var sample = Normal(6, 2, 6);
        var trace = variances.Sum(v => v / (v + sigma * sigma));
        Assert.All(
            Scores(new JacobianDimensionDetector(denoiser, sigma, probes: 6), sample),
            s => Near(-trace, s, 1e-8)
        );
        // Signs find the trace of a diagonal matrix without error.
        Assert.All(
            Scores(new JacobianDimensionDetector(denoiser, sigma, probes: 1), sample),
            s => Near(-trace, s, 1e-8)
        );
        Assert.All(
            Scores(new JacobianDimensionDetector(denoiser, sigma, DimensionEstimate.Rank, 5), sample),
            s => Assert.Equal(-3, s)
        );
    }

    [Fact]
    public void FlipdIsTheSlopeOfTheMixturesLogDensityInLogSigma()
    {
        using var scope = NewDisposeScope();
        const double sigma = 0.5,
            step = 1e-4;
        using var mixture = GaussianMixture.SeparatedLowRank(5, 3, 2, 7, variance: 0.3);
        var sample = Normal(8, 4, 5) * 0.5;
        var slope =
            (mixture.LogDensity(sample, sigma * Math.Exp(step)) - mixture.LogDensity(sample, sigma * Math.Exp(-step)))
            / (2 * step);
        var scores = Scores(
            new JacobianDimensionDetector(new MixtureDenoiser(mixture), sigma, DimensionEstimate.Flipd, 5, step: 1e-3),
            sample
        );
        Assert.All(Numbers(slope).Zip(scores), pair => Near(-5 - pair.First, pair.Second, 1e-4));
    }

    [Fact]
    public void AStoredSampleOfTheClosedFormHasOneDirection()
    {
        using var scope = NewDisposeScope();
        var raw = Normal(4, 4, 64);
        var training = (raw - raw.mean([0L], keepdim: true)).to(float32);
        var minimizer = new MemorizationMinimizer(training, 0.2);
        using var dae = minimizer.Denoiser();
        // Only the sample's own unit is on: J = r² x xᵀ, of trace (r ‖x‖)².
        var traces = Scores(new JacobianDimensionDetector(dae, 0.05, probes: 64), training);
        for (var i = 0; i < 4; i++)
            Near(-minimizer.StoredNorms[i] * minimizer.StoredNorms[i], traces[i], 2e-3);
        Assert.Equal(
            [-1, -1, -1, -1],
            Scores(new JacobianDimensionDetector(dae, 0.05, DimensionEstimate.Rank, 8), training)
        );
    }

    [Fact]
    public void NumbersOutOfRangeAreRefused()
    {
        Assert.StartsWith(
            "probes must be at least 1, was 0",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new JacobianDimensionDetector(Zero(2), 1, probes: 0))
                .Message
        );
        Assert.StartsWith(
            "threshold must be positive and finite, was 0",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new JacobianDimensionDetector(Zero(2), 1, threshold: 0))
                .Message
        );
        Assert.StartsWith(
            "step must be positive and finite, was NaN",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new JacobianDimensionDetector(Zero(2), 1, step: double.NaN))
                .Message
        );
        Assert.StartsWith(
            "estimate must be Trace, Flipd or Rank, was 7",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    new JacobianDimensionDetector(Zero(2), 1, (DimensionEstimate)7)
                )
                .Message
        );
    }
}
