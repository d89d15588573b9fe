using BalancedDiffusion.Theory;
using MathNet.Numerics.LinearAlgebra;
using TorchSharp;
using static BalancedDiffusion.Tests.Theory.TheoryData64;

namespace BalancedDiffusion.Tests.Theory;

public class MinimizerCertificateTests
{
    [Fact]
    public void LanczosFindsTheKnownEndsOfASpectrumAndLeavesOutWhatItIsTold()
    {
        double[] spectrum = [.. Enumerable.Range(0, 60).Select(i => -2 + 0.1 * i), 50];
        var random = new Random(4);
        var rotation = Matrix<double>.Build.Dense(61, 61, (_, _) => random.NextDouble() - 0.5).QR().Q;
        var matrix = rotation * Matrix<double>.Build.DenseOfDiagonalArray(spectrum) * rotation.Transpose();
        double[] Apply(double[] v) => (matrix * Vector<double>.Build.Dense(v)).ToArray();
        var ends = Lanczos.Smallest(Apply, 61, seed: 1);
        Assert.Equal(-2, ends.Smallest, 1e-9);
        Assert.Equal(50, ends.Largest, 1e-9);
        Assert.Equal(1, Math.Abs(rotation.Column(0) * Vector<double>.Build.Dense(ends.Vector)), 1e-6);
        Assert.Equal(
            -1.8,
            Lanczos
                .Smallest(Apply, 61, 1, deflate: [rotation.Column(0).ToArray(), rotation.Column(1).ToArray()])
                .Smallest,
            1e-9
        );
        Assert.Equal(0, Lanczos.Smallest(v => new double[v.Length], 5, 1).Smallest);
        Assert.StartsWith(
            "2 directions are left out",
            Assert
                .Throws<ArgumentException>(() =>
                    Lanczos.Smallest(
                        v => v,
                        2,
                        1,
                        deflate:
                        [
                            [1, 0],
                            [0, 1],
                        ]
                    )
                )
                .Message
        );
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void HessianProductsAreSymmetricAndMeetSecondDifferencesOfTheLoss(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        using var loss = new ExactExpectedLoss(Normal(1, 3, 3), 0.7, 0.1);
        var encoder = Normal(2, 4, 3) * 0.5;
        encoder[3] = encoder[0] * 0.5;
        var decoder = tied ? null : Normal(3, 4, 3) * 0.5;
        using var hessian = new HessianVector(loss, encoder, decoder);
        var random = new Random(1);
        double[] Draw() => [.. Enumerable.Range(0, hessian.Dimension).Select(_ => random.NextDouble() - 0.5)];
        double[] u = Draw(),
            v = Draw(),
            image = hessian.Apply(v);
        Assert.Equal(u.Zip(image, (a, b) => a * b).Sum(), v.Zip(hessian.Apply(u), (a, b) => a * b).Sum(), 1e-5);
        double Along(double t)
        {
            var d = tied ? v : v[..12];
            return loss.Value(
                encoder + t * torch.tensor(d, [4, 3], dtype: torch.ScalarType.Float64),
                tied ? null : decoder! + t * torch.tensor(v[12..], [4, 3], dtype: torch.ScalarType.Float64)
            );
        }
        const double h = 1e-3;
        Assert.Equal((Along(h) - 2 * Along(0) + Along(-h)) / (h * h), v.Zip(image, (a, b) => a * b).Sum(), 2e-4);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TheMemorizerIsACertifiedLocalMinimizerAndNothingNearIsLower(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(4, 2, 2.5, 3);
        const double sigma = 0.1,
            lambda = 0.2;
        var closed = new MemorizationMinimizer(samples, sigma, lambda);
        using var loss = new ExactExpectedLoss(samples, sigma, lambda);
        var encoder = closed.Encoder(5);
        var certificate = MinimizerCertificate.Examine(loss, encoder, tied ? null : encoder);
        Assert.True(certificate.IsLocalMinimizer, certificate.ToString());
        Assert.True(certificate.GradientNorm < 1e-8 && certificate.SmallestEigenvalue > 1e-3, certificate.ToString());
        Assert.Equal((3, 2, 0), (certificate.ActiveUnits, certificate.ZeroUnits, certificate.FlatDirections));
        Assert.Equal(12, certificate.Perturbations.Count);
        using var near = ExpectedLossMinimizer.LowestNear(loss, encoder, tied ? null : encoder, 0.05, 6, seed: 3);
        Assert.True(near.Value >= certificate.Value - 1e-9, $"{near.Value} below {certificate.Value}");
    }

    [Fact]
    public void WithALargeEnoughNoiseATinyPenaltyDoesNotHoldSpareUnitsAtZero()
    {
        // Beyond the printed corollary: p > n needs lambda above the pull on a zero unit, which the noise sets. The
        // certificate refuses, and descent finds a lower point.
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(4, 2, 2.5, 3);
        const double sigma = 0.2,
            lambda = 1e-5;
        var closed = new MemorizationMinimizer(samples, sigma, lambda);
        using var loss = new ExactExpectedLoss(samples, sigma, lambda);
        var spare = closed.Encoder(5);
        var certificate = MinimizerCertificate.Examine(loss, spare, spare);
        Assert.True(certificate.ActiveUnitsAreMinimal && !certificate.ZeroUnitsAreMinimal, certificate.ToString());
        Assert.True(certificate.ZeroUnitPull > 10 * lambda);
        using var near = ExpectedLossMinimizer.LowestNear(loss, spare, spare, 0.02, 2, seed: 1);
        Assert.True(near.Value < certificate.Value - 1e-5, $"{near.Value} against {certificate.Value}");
        // Without spare units the same point holds.
        var exact = closed.Encoder();
        Assert.True(MinimizerCertificate.Examine(loss, exact, exact).IsLocalMinimizer);
    }

    [Fact]
    public void ASplitColumnIsFlatAlongTheSplitAndCertifiedAcrossIt()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(4, 2, 2.5, 3);
        using var loss = new ExactExpectedLoss(samples, 0.1, 0.2);
        var encoder = new MemorizationMinimizer(samples, 0.1, 0.2).Encoder(4);
        encoder[3] = encoder[1] * Math.Sin(0.7);
        encoder[1] = encoder[1] * Math.Cos(0.7);
        var certificate = MinimizerCertificate.Examine(loss, encoder, encoder);
        Assert.Equal(1, certificate.FlatDirections);
        Assert.True(certificate.FlatCurvature < 1e-5 && certificate.IsLocalMinimizer, certificate.ToString());
    }

    [Fact]
    public void ABlockIsFlatUnderItsRotationsAndCertifiedOtherwise()
    {
        using var scope = torch.NewDisposeScope();
        var mean = torch.tensor(new double[] { 4, 0, 0 }, dtype: torch.ScalarType.Float64);
        torch.Tensor[] clusters = [Cluster(mean, 10, 0.5, 1), Cluster(-mean, 10, 0.5, 2)];
        using var block = new BlockMinimizer(clusters, [2, 2], 0.1, 0.002);
        using var loss = new ExactExpectedLoss(torch.cat(clusters), 0.1, 0.002);
        Assert.True(block.PenaltyIsSmallEnough);
        var certificate = MinimizerCertificate.Examine(loss, block.Encoder(), block.Encoder(), block.UnitsOf);
        Assert.Equal(2, certificate.FlatDirections);
        Assert.True(certificate.ActiveUnitsAreMinimal, certificate.ToString());
    }

    [Fact]
    public void APointThatIsNoMinimizerIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(4, 2, 2.5, 3);
        using var loss = new ExactExpectedLoss(samples, 0.1, 0.2);
        var right = new MemorizationMinimizer(samples, 0.1, 0.2).Encoder();
        Assert.False(MinimizerCertificate.Examine(loss, right * 1.02).IsLocalMinimizer);
        // One sample not stored: stationary and convex at the active units, but a zero unit is pulled towards that
        // sample.
        var missing = right.clone();
        missing[2] = 0;
        var certificate = MinimizerCertificate.Examine(loss, missing);
        Assert.True(certificate.ActiveUnitsAreMinimal, certificate.ToString());
        Assert.False(certificate.ZeroUnitsAreMinimal);
        // Its pull is that of the missing sample alone, u along x: (‖x‖²/n)(1 + small) = 3.
        Assert.Equal(3, certificate.ZeroUnitPull, 0.02);
        Assert.Throws<ArgumentException>(() => MinimizerCertificate.Examine(loss, torch.zeros_like(right)));
    }

    [Fact]
    public void ManyStartsFindNothingBelowTheMemorizerOnATinyProblem()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(2, 2, 2.2, 2.4);
        using var loss = new ExactExpectedLoss(samples, 0.1, 0.1);
        var closed = new MemorizationMinimizer(samples, 0.1, 0.1);
        var runs = ExpectedLossMinimizer.FromManyStarts(loss, 4, 12, seed: 1);
        Assert.Equal(closed.Objective, runs[0].Value, 1e-7);
        var group = torch.matmul(runs[0].Encoder.t(), runs[0].Encoder);
        var expected = torch.matmul(closed.Encoder().t(), closed.Encoder());
        Assert.True(torch.allclose(expected, group, 1e-3, 1e-4), $"{group.cstr()} {expected.cstr()}");
        foreach (var run in runs)
            run.Dispose();
    }

    [Fact]
    public void NothingIsLeftBehindByAnyOfTheTheorysTools()
    {
        using var samples = Simplex(4, 2, 2.5, 3);
        using var crowd = Normal(1, 12, 4) + 3;
        using var covariance = torch.eye(4);
        using var mean = torch.ones(4);
        void Round()
        {
            using var loss = new ExactExpectedLoss(samples, 0.1, 0.2);
            using var encoder = new MemorizationMinimizer(samples, 0.1, 0.2).Encoder(4);
            MinimizerCertificate.Examine(loss, encoder, encoder);
            ExpectedLossMinimizer.LowestNear(loss, encoder, null, 0.05, 2, 1, steps: 20).Dispose();
            foreach (var run in ExpectedLossMinimizer.FromManyStarts(loss, 2, 2, 1, steps: 20))
                run.Dispose();
            loss.PerSample(encoder);
            SeparableSubset.Find(crowd, 3, 1, 4);
            Separability.MeasureSamples(samples);
            using (var block = new BlockMinimizer([crowd, samples], [2, 1], 0.1))
            {
                block.Margins();
                block.Encoder(5).Dispose();
            }
            using (var hybrid = new HybridMinimizer(samples, [2, 2, 2], [crowd], [2], 0.1))
                hybrid.Encoder().Dispose();
            CapacityAllocation.Of([crowd, samples], 3, 0.1);
            using var limit = new GeneralizationLimit([1], [mean], [covariance], [2], 0.1);
            limit.Gram(0).Dispose();
            limit.Encoder().Dispose();
            limit.BayesFloor(10, 1);
        }
        // Counted through a dispose scope of this thread: what the tools leave undisposed would be caught in it.
        Round();
        using var scope = torch.NewDisposeScope();
        Round();
        Assert.Equal(0, scope.DisposablesCount);
    }
}
