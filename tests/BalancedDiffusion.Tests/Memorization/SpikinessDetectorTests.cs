using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Statistics;
using BalancedDiffusion.Theory;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

public sealed class SpikinessDetectorTests
{
    private const double Faint = 1e-6;

    private sealed class Convolutions() : nn.Module("convolutions"), IDenoiser
    {
        private readonly nn.Module<Tensor, Tensor> act = nn.Identity();
        private readonly nn.Module<Tensor, Tensor> shared = nn.Identity();

        public static Convolutions Make()
        {
            var made = new Convolutions();
            made.RegisterComponents();
            return made;
        }

        public IReadOnlyList<long> SampleShape => [2, 2, 2];

        public Tensor Denoise(Tensor noisy, Tensor sigma)
        {
            shared.call(ones(1, 3)).Dispose();
            return act.call(noisy);
        }
    }

    // Rows 3e1, 4e2, -2e1: the representation of (a, b) is relu(3a, 4b, -2a).
    private static ReluDae HandMade() =>
        new(
            tensor(
                new[,]
                {
                    { 3f, 0 },
                    { 0f, 4 },
                    { -2f, 0 },
                }
            )
        );

    [Fact]
    public void TheScoreIsTheMeasureOfTheHandMadeCode()
    {
        using var scope = NewDisposeScope();
        using var dae = HandMade();
        var samples = tensor(
            new[,]
            {
                { 1f, 1 },
                { 1f, -1 },
                { -3f, -1 },
            }
        ); // representations (3, 4, 0), (3, 0, 0), (0, 0, 6)
        double[] Of(SpikinessMeasure measure) =>
            Scores(new SpikinessDetector(dae, "relu", Faint, measure: measure), samples);
        Action<double, double> near = (e, a) => Near(e, a, 1e-4);
        void Are(double[] expected, SpikinessMeasure measure) =>
            Assert.All(expected.Zip(Of(measure)), pair => near(pair.First, pair.Second));
        Are([Math.Sqrt(26.0 / 9), Math.Sqrt(2), Math.Sqrt(8)], SpikinessMeasure.StandardDeviation);
        Are([Math.Pow(337, 0.25) / 5, 1, 1], SpikinessMeasure.L4OverL2);
        Are([-625.0 / 337, -1, -1], SpikinessMeasure.ParticipationRatio);
        Are([16.0 / 25, 1, 1], SpikinessMeasure.LargestShare);
    }

    [Fact]
    public void ASilentCodeCountsAsBalancedByParticipation()
    {
        using var scope = NewDisposeScope();
        using var dae = new ReluDae(
            tensor(
                new[,]
                {
                    { 1f, 0 },
                    { 0f, 1 },
                    { 1f, 1 },
                }
            )
        );
        var scores = Scores(
            new SpikinessDetector(dae, "relu", Faint, measure: SpikinessMeasure.ParticipationRatio),
            tensor(
                new[,]
                {
                    { -1f, -1 },
                    { 1f, -2 },
                }
            )
        );
        Assert.Equal(-3, scores[0]);
        Near(-1, scores[1], 1e-6);
    }

    [Fact]
    public void TheModuleAndTheFunctionGiveTheSame()
    {
        using var scope = NewDisposeScope();
        using var dae = new ReluDae(6, 9, 3);
        using var diffusion = new ReluDiffusion(6, 9, 3, width: 4);
        var samples = Normal(2, 5, 6).to(float32);
        foreach (
            var (model, encode) in new (IDenoiser, Func<Tensor, Tensor>)[]
            {
                (dae, dae.Encode),
                (diffusion, diffusion.Encode),
            }
        )
            Assert.Equal(
                Scores(new SpikinessDetector(encode, [6], 0.3), samples),
                Scores(new SpikinessDetector(model, "relu", 0.3), samples)
            );
    }

    [Fact]
    public void TheNoiseHasTheLevelAskedForAndDrawsAreAveraged()
    {
        using var scope = NewDisposeScope();
        // One unit against none: the representation of sample 0 is relu(sigma eps, 0), its std |relu(sigma eps)|/2 with
        // mean sigma/(2 sqrt(2 pi)).
        using var dae = new ReluDae(
            tensor(
                new[,]
                {
                    { 1f },
                    { 0f },
                }
            )
        );
        const int count = 400,
            draws = 25;
        const double sigma = 0.7;
        var scores = Scores(new SpikinessDetector(dae, "relu", sigma, draws: draws), zeros(count, 1));
        var mean = sigma / (2 * Math.Sqrt(2 * Math.PI));
        var variance = sigma * sigma / 4 * (0.5 - 1 / (2 * Math.PI));
        Near(mean, scores.Average(), 5 * Math.Sqrt(variance / (count * draws)));
        var spread = scores.Select(s => (s - mean) * (s - mean)).Average();
        Near(variance / draws, spread, 0.4 * variance / draws); // 5 deviations of a variance over 400 numbers
    }

    [Fact]
    public void AnImagesActivationIsPooledByItsShape()
    {
        using var scope = NewDisposeScope();
        using var network = Convolutions.Make();
        // Channel maxima 5 and 1: std 2. Channel means 2 and 1: std 1/2.
        var sample = tensor(new float[] { 5, 1, 1, 1, 1, 1, 1, 1 }).reshape(1, 2, 2, 2);
        Near(2, Scores(new SpikinessDetector(network, "act", Faint), sample)[0], 1e-4);
        Near(0.5, Scores(new SpikinessDetector(network, "act", Faint, Pooling.SpatialMean), sample)[0], 1e-4);
    }

    [Fact]
    public void TheNetworkMayStandBehindTheDenoiser()
    {
        using var scope = NewDisposeScope();
        using var dae = HandMade();
        var behind = new Answers([2], y => dae.call(y));
        var sample = tensor(
            new[,]
            {
                { 1f, -1 },
            }
        );
        Near(Math.Sqrt(2), Scores(new SpikinessDetector(behind, "relu", Faint, network: dae), sample)[0], 1e-4);
        Assert.StartsWith(
            "the denoiser Answers is no network with modules; name the network that it runs",
            Assert.Throws<ArgumentException>(() => new SpikinessDetector(behind, "relu", Faint)).Message
        );
    }

    [Fact]
    public void AStoredSampleIsSpikyAndAStrangerIsNot()
    {
        using var scope = NewDisposeScope();
        // Centred random samples lie at obtuse angles.
        var raw = Normal(4, 4, 64);
        var training = raw - raw.mean([0L], keepdim: true);
        var minimizer = new MemorizationMinimizer(training, 0.2);
        using var dae = minimizer.Denoiser(dtype: float64);
        var strangers = Normal(5, 20, 64);
        var detector = new SpikinessDetector(dae, "relu", 0.02);
        var stored = Scores(detector, training);
        // A one-hot representation of peak a over 4 units: a sqrt(3)/4, and noise of 0.02 against peaks near 8.
        for (var i = 0; i < 4; i++)
            Near(minimizer.PeakActivations[i] * Math.Sqrt(3) / 4, stored[i], 0.05);
        Assert.Equal(1, new RocCurve(stored, Scores(detector, strangers)).Auroc);
    }

    [Fact]
    public void WhatHoldsNoRepresentationOfEachSampleIsRefused()
    {
        using var scope = NewDisposeScope();
        using var dae = HandMade();
        using var network = Convolutions.Make();
        Assert.StartsWith(
            "the model has no module 'relv' that can be recorded; it has 'relu'",
            Assert.Throws<ArgumentException>(() => new SpikinessDetector(dae, "relv", 0.1)).Message
        );
        Assert.StartsWith(
            "the module 'shared' gave shape (1, 3) for 2 samples, so it has no representation of each",
            Assert
                .Throws<InvalidOperationException>(() =>
                    new SpikinessDetector(network, "shared", 0.1).Score(ones(2, 2, 2, 2), 0)
                )
                .Message
        );
        Assert.StartsWith(
            "the output of module 'act' is no representation: activation must have shape (batch, tokens, "
                + "units) for TokenMean",
            Assert
                .Throws<InvalidOperationException>(() =>
                    new SpikinessDetector(network, "act", 0.1, Pooling.TokenMean).Score(ones(2, 2, 2, 2), 0)
                )
                .Message
        );
        Assert.StartsWith(
            "the representation must have shape (2, units), was (2, 2, 2, 2); pool it first",
            Assert
                .Throws<InvalidOperationException>(() =>
                    new SpikinessDetector(y => y, [2, 2, 2], 0.1).Score(ones(2, 2, 2, 2), 0)
                )
                .Message
        );
        Assert.StartsWith(
            "the representation holds NaN or infinity at sigma = 0.1",
            Assert
                .Throws<InvalidOperationException>(() =>
                    new SpikinessDetector(y => y / 0, [2], 0.1).Score(ones(2, 2), 0)
                )
                .Message
        );
        Assert.StartsWith(
            "draws must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => new SpikinessDetector(dae, "relu", 0.1, draws: 0)).Message
        );
        Assert.StartsWith(
            "measure must be StandardDeviation",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    new SpikinessDetector(dae, "relu", 0.1, measure: (SpikinessMeasure)9)
                )
                .Message
        );
    }
}
