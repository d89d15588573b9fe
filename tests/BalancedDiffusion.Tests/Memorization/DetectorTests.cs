using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Memorization;
using BalancedDiffusion.Sampling;
using static BalancedDiffusion.Tests.Memorization.DetectorLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Memorization;

/// <summary>What holds for every detector.</summary>
public sealed class DetectorTests
{
    private static readonly string[] WithModel =
    [
        "spikiness",
        "spikiness by function",
        "noise norm",
        "consistency",
        "sampled consistency",
        "trace",
        "flipd",
        "rank",
    ];

    public static TheoryData<string> Kinds => [.. WithModel, "oracle"];

    public static TheoryData<string> Models => [.. WithModel];

    private static IMemorizationDetector Make(string kind, ReluDae model, double sigma) =>
        kind switch
        {
            "spikiness" => new SpikinessDetector(model, "relu", sigma, draws: 2),
            "spikiness by function" => new SpikinessDetector(model.Encode, model.SampleShape, sigma),
            "noise norm" => new NoiseNormDetector(model, sigma, 2),
            "consistency" => new ConsistencyDetector(model, sigma, 3),
            "sampled consistency" => new ConsistencyDetector(
                model,
                new ReverseDiffusionSampler(),
                [sigma, sigma / 2, 0],
                2
            ),
            "trace" => new JacobianDimensionDetector(model, sigma, probes: 3),
            "flipd" => new JacobianDimensionDetector(model, sigma, DimensionEstimate.Flipd, 3),
            "rank" => new JacobianDimensionDetector(model, sigma, DimensionEstimate.Rank, 3),
            _ => new NearestNeighbourDetector(Normal(9, 5, 6)),
        };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AScoreDoesNotDependOnItsBatchButOnItsIndexAndSeed(string kind)
    {
        using var scope = NewDisposeScope();
        using var model = new ReluDae(6, 8, 1, dtype: float64);
        var detector = Make(kind, model, 0.4);
        var samples = Normal(3, 7, 6);
        var all = Scores(detector, samples, 11, 20);
        Assert.Equal(7, all.Length);
        Assert.All(
            Enumerable.Range(0, 7),
            i => Near(all[i], Scores(detector, samples.narrow(0, i, 1), 11, 20 + i)[0], 1e-9)
        );
        Assert.Equal(all, Scores(detector, samples, 11, 20));
        if (kind is not ("oracle" or "rank"))
            Assert.NotEqual(all, Scores(detector, samples, 12, 20));
        if (kind is not ("oracle" or "rank"))
            Assert.NotEqual(all, Scores(detector, samples, 11, 21));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void BadSamplesAreRefusedInOneSentence(string kind)
    {
        using var scope = NewDisposeScope();
        using var model = new ReluDae(6, 8, 1);
        var detector = Make(kind, model, 0.4);
        string Refused(Tensor samples, long firstIndex = 0) =>
            Assert.ThrowsAny<ArgumentException>(() => detector.Score(samples, 0, firstIndex)).Message;
        Assert.StartsWith("samples must have shape (any, 6), was (2, 5)", Refused(ones(2, 5)));
        Assert.StartsWith("samples are empty, was (0, 6)", Refused(ones(0, 6)));
        Assert.StartsWith("samples holds NaN or infinity", Refused(full([2, 6], double.NaN, dtype: float32)));
        Assert.StartsWith("samples must hold floating-point numbers, was Int64", Refused(ones(2, 6, dtype: int64)));
        Assert.StartsWith("firstIndex must be at least 0, was -1", Refused(ones(2, 6), -1));
        if (kind is not "oracle")
            Assert.Contains(
                "must be positive and finite",
                Assert.ThrowsAny<ArgumentException>(() => Make(kind, model, -0.5)).Message
            );
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void ABrokenModelIsNamedInOneSentence(string kind)
    {
        using var scope = NewDisposeScope();
        using var model = new ReluDae(6, 8, 1);
        var detector = Make(kind, model, 0.4);
        Assert.StartsWith(
            "samples are Float64, the network's weights Float32; convert the samples",
            Assert.Throws<ArgumentException>(() => detector.Score(ones(2, 6, dtype: float64), 0)).Message
        );
        using (no_grad())
            model.Encoder.fill_(double.NaN);
        Assert.Contains("NaN", Assert.Throws<InvalidOperationException>(() => detector.Score(ones(2, 6), 0)).Message);
    }

    [Fact]
    public void WhatTorchSaysOfAModelIsOneSentence()
    {
        using var scope = NewDisposeScope();
        var odd = new Answers([3], y => y.view(7, 7));
        foreach (
            var detector in new IMemorizationDetector[]
            {
                new NoiseNormDetector(odd, 1),
                new ConsistencyDetector(odd, 1),
                new ConsistencyDetector(odd, new EulerSampler(), [1, 0]),
                new JacobianDimensionDetector(odd, 1),
                new SpikinessDetector(y => y.view(7, 7), [3], 1),
            }
        )
        {
            var message = Assert.Throws<InvalidOperationException>(() => detector.Score(ones(2, 3), 0)).Message;
            Assert.StartsWith("the model could not run at sigma = 1: ", message);
            Assert.DoesNotContain("\n", message);
        }
    }

    [Fact]
    public void TheDenoisersShapeIsChecked()
    {
        using var scope = NewDisposeScope();
        var wrong = new Answers([3], y => y.narrow(1, 0, 2).clone());
        foreach (
            var detector in new IMemorizationDetector[]
            {
                new NoiseNormDetector(wrong, 1),
                new ConsistencyDetector(wrong, 1),
                new JacobianDimensionDetector(wrong, 1),
            }
        )
            Assert.Equal(
                "the denoiser returned shape (2, 2) for (2, 3) at sigma = 1",
                Assert.Throws<InvalidOperationException>(() => detector.Score(ones(2, 3), 0)).Message
            );
    }

    [Fact]
    public void NothingLeaksAndTheScoresSurvive()
    {
        using var outer = NewDisposeScope();
        using var model = new ReluDae(6, 8, 1);
        var samples = Normal(3, 4, 6).to(float32);
        foreach (var row in Kinds)
        {
            var detector = Make(row.Data, model, 0.4);
            using var scope = NewDisposeScope();
            using var scores = detector.Score(samples, 0);
            Assert.Equal((float64, 1L, 4L), (scores.dtype, scores.dim(), scores.shape[0]));
            Assert.True(scope.DisposablesCount <= 1, $"{row.Data} leaves {scope.DisposablesCount}");
            Assert.All(Numbers(scores), s => Assert.True(double.IsFinite(s)));
        }
    }

    [Fact]
    public void TheOracleIsMinusTheGapRatio()
    {
        using var scope = NewDisposeScope();
        var training = tensor(
            new[,]
            {
                { 0f, 0 },
                { 4f, 0 },
                { 40f, 0 },
            }
        );
        Assert.All(
            Scores(
                    new NearestNeighbourDetector(training),
                    tensor(
                        new[,]
                        {
                            { 0f, 0 },
                            { 1f, 0 },
                            { 2f, 0 },
                        }
                    )
                )
                .Zip([0, -1.0 / 3, -1]),
            pair => Near(pair.Second, pair.First, 1e-12)
        );
        Assert.StartsWith(
            "the gap ratio needs at least two training samples, was 1",
            Assert.Throws<ArgumentException>(() => new NearestNeighbourDetector(ones(1, 2))).Message
        );
        Assert.StartsWith(
            "training must have shape (n, d)",
            Assert.Throws<ArgumentException>(() => new NearestNeighbourDetector(ones(3))).Message
        );
        Assert.StartsWith(
            "training holds NaN",
            Assert.Throws<ArgumentException>(() => new NearestNeighbourDetector(full([2, 2], double.NaN))).Message
        );
    }

    /// <summary>
    /// A distribution that has memorized and generalizes at once: half of its mass on isolated points, half on a plane
    /// of 12 of 32 dimensions. All detectors that read the posterior mean must tell its two kinds of samples apart, and
    /// a ReLU-DAE with a unit for each point and a pair for each direction of the plane must be spiky at the points.
    /// One draw's noise norm deviates by 1/sqrt(2 d) = 0.125, as much as the two kinds differ (1 against sqrt((20 +
    /// 12/5)/32) = 0.84), so 25 are averaged. The standard deviation over units grows with the sample's norm, so it is
    /// judged at equal lengths.
    /// </summary>
    [Fact]
    public void EveryDetectorRanksThePointsOfAMixtureAboveItsPlane()
    {
        using var scope = NewDisposeScope();
        const int dimension = 32,
            rank = 12,
            points = 6;
        var axes = linalg.qr(Normal(1, dimension, dimension)).Q.t();
        var plane = axes.narrow(0, 0, rank);
        var stored = axes.narrow(0, rank, points) * Math.Sqrt(rank);
        var components = Enumerable
            .Range(0, points)
            .Select(i =>
                GaussianComponent.LowRank(
                    1.0 / points,
                    stored[i],
                    zeros(dimension, 0, dtype: float64),
                    zeros(0, dtype: float64),
                    0
                )
            )
            .Append(
                GaussianComponent.LowRank(1, zeros(dimension, dtype: float64), plane.t(), ones(rank, dtype: float64), 0)
            )
            .ToArray();
        using var mixture = new GaussianMixture(components);
        var exact = new MixtureDenoiser(mixture);
        var fresh = matmul(Normal(2, 120, rank), plane);
        var samples = cat([stored.repeat(10, 1), fresh]);
        var training = cat([stored, matmul(Normal(3, 300, rank), plane)]);
        bool[] expected = [.. Enumerable.Repeat(true, 60), .. Enumerable.Repeat(false, 120)];
        Assert.Equal(expected, ReplicationLabels.Of(samples, training));

        using var dae = new ReluDae(cat([stored / Math.Sqrt(rank), plane, -plane]));
        IMemorizationDetector[] detectors =
        [
            new SpikinessDetector(dae, "relu", 0.05, measure: SpikinessMeasure.L4OverL2),
            new NoiseNormDetector(exact, 0.5, 25),
            new ConsistencyDetector(exact, 0.5),
            new JacobianDimensionDetector(exact, 0.1),
            new JacobianDimensionDetector(exact, 0.1, DimensionEstimate.Flipd),
            new JacobianDimensionDetector(exact, 0.1, DimensionEstimate.Rank, 16),
            new NearestNeighbourDetector(training),
        ];
        var rows = DetectionBenchmark.Run(
            detectors,
            samples,
            expected,
            5,
            bootstrap: 50,
            groups: [.. Enumerable.Range(0, 180).Select(i => i < 60 ? i % points : i)]
        );
        foreach (var row in rows)
            TestContext.Current.TestOutputHelper?.WriteLine(row.ToString());
        Assert.All(rows, row => Assert.True(row.Auroc.Estimate > 0.99, row.ToString()));
        Assert.All(rows.Skip(2), row => Assert.Equal(1, row.Auroc.Estimate));
        Near(1, rows[1].Scores.Take(60).Average(), 0.02);
        Near(Math.Sqrt(22.4 / 32), rows[1].Scores.Skip(60).Average(), 0.05);
        var deviation = new SpikinessDetector(dae, "relu", 0.05);
        var even = cat([stored.repeat(10, 1), fresh * (Math.Sqrt(rank) / fresh.norm(1, keepdim: true))]);
        Assert.Equal(1, DetectionBenchmark.Run([deviation], even, expected, 5, bootstrap: 1)[0].Auroc.Estimate);
        // The dimension is known: 0 at the points, 12 · 1/(1 + sigma²) on the plane.
        Assert.All(rows[5].Scores.Take(60), s => Assert.Equal(0, s));
        Assert.All(rows[5].Scores.Skip(60), s => Assert.Equal(-rank, s));
    }
}
