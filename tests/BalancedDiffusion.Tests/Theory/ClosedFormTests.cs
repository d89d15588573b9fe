using BalancedDiffusion.Theory;
using TorchSharp;
using static BalancedDiffusion.Tests.Theory.TheoryData64;

namespace BalancedDiffusion.Tests.Theory;

public class ClosedFormTests
{
    /// <summary>Golden-section minimum of a function with one valley.</summary>
    private static double Minimum(Func<double, double> f, double low, double high)
    {
        var ratio = (Math.Sqrt(5) - 1) / 2;
        for (var i = 0; i < 200; i++)
        {
            double a = high - ratio * (high - low),
                b = low + ratio * (high - low);
            if (f(a) < f(b))
                high = b;
            else
                low = a;
        }
        return (low + high) / 2;
    }

    [Theory]
    [InlineData(9.0, 1, 1, 0.2, 0.0)]
    [InlineData(9.0, 3, 10, 1.0, 0.5)]
    [InlineData(0.7, 2, 5, 0.3, 0.1)]
    [InlineData(0.7, 2, 5, 0.3, 0.2)]
    public void TheGainMinimizesTheObjectiveOfItsDirectionAndTheReductionIsWhatItSaves(
        double eigenvalue,
        double count,
        double total,
        double sigma,
        double lambda
    )
    {
        double Objective(double s) =>
            ((1 - s) * (1 - s) * eigenvalue + count * sigma * sigma * s * s) / total + 2 * lambda * s;
        var best = Minimum(Objective, 0, 1);
        Assert.Equal(best, Gain.Of(eigenvalue, count, total, sigma, lambda), 1e-7);
        Assert.Equal(Objective(0) - Objective(best), Gain.Reduction(eigenvalue, count, total, sigma, lambda), 1e-10);
    }

    [Theory]
    [InlineData(0.0, 6)]
    [InlineData(0.3, 6)]
    [InlineData(0.3, 64)]
    public void TheMemorizersLossAndObjectiveAreThoseOfTheExactExpectation(double lambda, int dimension)
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(dimension, 2, 2.5, 3, 3.5);
        var closed = new MemorizationMinimizer(samples, 0.05, lambda);
        using var bare = new ExactExpectedLoss(samples, 0.05);
        using var full = new ExactExpectedLoss(samples, 0.05, lambda);
        var encoder = closed.Encoder(7);
        Assert.Equal(closed.Loss, bare.Value(encoder), 1e-12);
        Assert.Equal(closed.Objective, full.Value(encoder), 1e-12);
        if (lambda == 0)
            Assert.Equal(closed.LimitLoss, bare.Value(encoder), 1e-12);
        Assert.True(closed.LimitLoss < 0.05 * 0.05);
        Assert.Equal(closed.StoredNorms, Array(encoder.norm(1)).Take(4), (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Equal([0.0, 0, 0], Array(encoder.norm(1)).Skip(4));
    }

    [Fact]
    public void MarginsCountTheDeviationsToTheOwnAndToTheOtherSamples()
    {
        using var scope = torch.NewDisposeScope();
        var margins = new MemorizationMinimizer(torch.tensor(new[] { 2.0, 0, -3, 4 }, [2, 2]), 0.5).Margins;
        Assert.Equal(4, margins.Own, 1e-12);
        Assert.Equal(6.0 / (0.5 * 5), margins.Others, 1e-12);
    }

    [Fact]
    public void WhereMarginsAreSmallTheClosedFormFails()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(6, 2, 2.5, 3, 3.5);
        foreach (var (sigma, holds) in new[] { (0.1, true), (2.0, false) })
        {
            var closed = new MemorizationMinimizer(samples, sigma, 0.1);
            using var loss = new ExactExpectedLoss(samples, sigma, 0.1);
            Assert.Equal(holds, closed.Margins.Others > 4);
            var gap = loss.Value(closed.Encoder()) / closed.Objective - 1;
            if (holds)
                Assert.Equal(0, gap, 1e-8);
            else
                Assert.True(gap > 0.05, $"{gap}");
        }
    }

    [Theory]
    // one tied parameter: wd·d/4; the group norms that training reached to 0.0003
    [InlineData(2.56, .9797, .9591, .9724, .9843, .9749)]
    // two entries: wd·d/2; the authors' checkpoint has .952 .916 .976 .969 .934
    [InlineData(5.12, .959, .916, .944, .968, .949)]
    public void TheFiveImagesNormsAreThosePublishedForTheAuthorsSettings(double lambda, params double[] norms)
    {
        using var scope = torch.NewDisposeScope();
        var five = CelebAGrey().index_select(0, torch.tensor(new long[] { 0, 36, 148, 195, 232 }));
        Assert.Equal(norms, new MemorizationMinimizer(five, 0.2, lambda).StoredNorms, (a, b) => Math.Abs(a - b) < 6e-4);
    }

    [Fact]
    public void SamplesBelowThePenaltyAreDroppedAndTheMinimizerAgrees()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(3, 1, 2, 3);
        const double lambda = 0.5; // n lambda = 1.5: only the first, of squared norm 1, falls below.
        var closed = new MemorizationMinimizer(samples, 0.1, lambda);
        Assert.Equal([0], closed.Dropped);
        using var loss = new ExactExpectedLoss(samples, 0.1, lambda);
        using var run = ExpectedLossMinimizer.Minimize(loss, samples * 0.3);
        var norms = Array(run.Encoder.norm(1));
        Assert.Equal(0, norms[0], 1e-4);
        Assert.Equal(closed.StoredNorms[1], norms[1], 1e-6);
        Assert.Equal(closed.StoredNorms[2], norms[2], 1e-6);
        Assert.Equal(closed.Objective, run.Value, 1e-8);
    }

    [Fact]
    public void TheMemorizersCodeIsOneHotAndItsDenoiserHomogeneous()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Simplex(5, 2, 2.5, 3);
        var closed = new MemorizationMinimizer(samples, 0.1);
        using var model = closed.Denoiser(6, torch.ScalarType.Float64);
        var h = Array(model.Encode(samples));
        for (var i = 0; i < 3; i++)
        for (var j = 0; j < 6; j++)
            Assert.Equal(i == j ? closed.PeakActivations[i] : 0, h[i * 6 + j], 1e-12);
        Assert.True(torch.allclose(model.call(samples * 3), model.call(samples) * 3));
    }

    private static torch.Tensor[] TwoClusters()
    {
        var mean = torch.tensor(new double[] { 5, 0, 0, 0, 0 }, dtype: torch.ScalarType.Float64);
        return [Cluster(mean, 12, 0.3, 1), Cluster(-mean, 8, 0.3, 2)];
    }

    [Fact]
    public void TheBlockMinimizersLossIsThatOfTheExactExpectationForAnyRotationThatKeepsUnitsActive()
    {
        using var scope = torch.NewDisposeScope();
        var clusters = TwoClusters();
        var data = torch.cat(clusters);
        using var loss = new ExactExpectedLoss(data, 0.1, 0.01);
        // A small turn after the balanced reflection: other weights, the same loss.
        var turn = torch.eye(3, dtype: torch.ScalarType.Float64);
        turn[0, 0] = turn[1, 1] = Math.Cos(0.2);
        turn[0, 1] = -(turn[1, 0] = Math.Sin(0.2));
        using var balanced = new BlockMinimizer(clusters, [3, 2], 0.1, 0.01);
        using var turned = new BlockMinimizer(
            clusters,
            [3, 2],
            0.1,
            0.01,
            [torch.matmul(turn, BlockRotation.Balanced(3)), BlockRotation.Balanced(2)]
        );
        Assert.True(balanced.PenaltyIsSmallEnough);
        Assert.True(balanced.Margins() is { Own: > 4, Others: > 4 } && turned.Margins() is { Own: > 4, Others: > 4 });
        Assert.Equal(balanced.Objective, loss.Value(balanced.Encoder(6)), 1e-6);
        Assert.Equal(balanced.Objective, loss.Value(turned.Encoder()), 1e-6);
        Assert.True((balanced.Encoder() - turned.Encoder()).norm().item<double>() > 0.1);
    }

    [Fact]
    public void TheIdentityRotationBreaksTheTheoremsFormula()
    {
        // Units that read a direction across the mean are off on half of their cluster: "any orthogonal O_k" needs the
        // activity condition.
        using var scope = torch.NewDisposeScope();
        var clusters = TwoClusters();
        using var loss = new ExactExpectedLoss(torch.cat(clusters), 0.1, 0.01);
        using var identity = new BlockMinimizer(
            clusters,
            [3, 2],
            0.1,
            0.01,
            [BlockRotation.Identity(3), BlockRotation.Identity(2)]
        );
        Assert.True(identity.Margins().Own < 0);
        Assert.True(loss.Value(identity.Encoder()) > identity.Objective * 1.02);
        using var gradient = loss.Gradient(identity.Encoder(), identity.Encoder());
        Assert.True(gradient.Norm > 0.01, $"{gradient.Norm}");
    }

    [Fact]
    public void ABlocksGramMatrixIsTheTruncatedRidgeFilter()
    {
        using var scope = torch.NewDisposeScope();
        var clusters = TwoClusters();
        using var block = new BlockMinimizer(
            clusters,
            [5, 5],
            0.4,
            0.002,
            [BlockRotation.Random(5, 1), BlockRotation.Random(5, 2)]
        );
        for (var k = 0; k < 2; k++)
        {
            var rows = block.BlockEncoder(k);
            var moment = torch.matmul(clusters[k].t(), clusters[k]);
            var eye = torch.eye(5, dtype: torch.ScalarType.Float64);
            var expected = torch.matmul(
                moment - 20 * 0.002 * eye,
                torch.linalg.inv(moment + clusters[k].shape[0] * 0.16 * eye)
            );
            Assert.True(torch.allclose(expected, torch.matmul(rows.t(), rows), 1e-9, 1e-11));
        }
    }

    [Fact]
    public void RotationsAreOrthogonalAndTheBalancedOneSpreadsTheFirstAxisEvenly()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var size in new[] { 1, 2, 7 })
        {
            foreach (
                var rotation in new[]
                {
                    BlockRotation.Identity(size),
                    BlockRotation.Balanced(size),
                    BlockRotation.Random(size, 5),
                }
            )
                Assert.True(
                    torch.allclose(
                        torch.matmul(rotation, rotation.t()),
                        torch.eye(size, dtype: torch.ScalarType.Float64),
                        1e-12,
                        1e-12
                    )
                );
            Assert.All(
                Array(BlockRotation.Balanced(size).select(1, 0)),
                entry => Assert.Equal(1 / Math.Sqrt(size), entry, 1e-12)
            );
        }
        Assert.False(torch.allclose(BlockRotation.Random(7, 5), BlockRotation.Random(7, 6)));
    }

    [Fact]
    public void TheWienerLossOfTheSpecificationsSpectrumIsFourteenTimesThePrintedLimit()
    {
        var terms = WienerLossTerms.Of(
            [1],
            [
                [9, 4, 1, .5, .1],
            ],
            [5],
            0.2
        );
        Assert.Equal(0.1835, terms.Corrected, 5e-5);
        Assert.Equal(0.01295, terms.PrintedLimit, 5e-6);
        Assert.Equal(0, terms.Tail);
        Assert.Equal(
            0.5 + 0.1,
            WienerLossTerms
                .Of(
                    [1],
                    [
                        [.1, .5, 9, 4, 1],
                    ],
                    [3],
                    0.2
                )
                .Tail,
            1e-12
        );
        // C p/(sigma² n) = 2·5/(0.04·1000)
        Assert.Equal(terms.PrintedLimit + 0.25, terms.Printed(2, [1], [5], [1000], 0.2), 1e-12);
    }

    private static GeneralizationLimit Mixture(double sigma, double lambda, params int[] ranks)
    {
        var mean = torch.tensor(new double[] { 6, 0, 0, 0 }, dtype: torch.ScalarType.Float64);
        var first = torch.diag(torch.tensor(new[] { 0.3, 0.2, 0.1, 0.05 }, dtype: torch.ScalarType.Float64));
        var second = torch.diag(torch.tensor(new[] { 0.1, 0.05, 0.2, 0.3 }, dtype: torch.ScalarType.Float64));
        return new([0.6, 0.4], [mean, -mean], [first, second], ranks, sigma, lambda);
    }

    [Fact]
    public void TheCorrectedLossIsTheTestLossOfTheLimitAndThePrintedOneLiesBelowTheBayesFloor()
    {
        using var scope = torch.NewDisposeScope();
        using var limit = Mixture(0.3, 0, 4, 3);
        var terms = limit.Loss;
        var floor = limit.BayesFloor(200_000, seed: 1);
        // The mixture's error, measured on fresh draws of the network with the limit's weights.
        var root = torch.diag(torch.tensor(new[] { 0.3, 0.2, 0.1, 0.05 }, dtype: torch.ScalarType.Float64)).sqrt();
        var root2 = torch.diag(torch.tensor(new[] { 0.1, 0.05, 0.2, 0.3 }, dtype: torch.ScalarType.Float64)).sqrt();
        var mean = torch.tensor(new double[] { 6, 0, 0, 0 }, dtype: torch.ScalarType.Float64);
        const int count = 400_000;
        var encoder = limit.Encoder();
        double total = 0,
            variance = 0;
        foreach (var (weight, centre, spread, seed) in new[] { (0.6, mean, root, 11L), (0.4, -mean, root2, 12L) })
        {
            var clean = centre + torch.matmul(Normal(seed, count, 4), spread);
            var errors = (
                torch.matmul(torch.matmul(clean + 0.3 * Normal(seed + 100, count, 4), encoder.t()).relu(), encoder)
                - clean
            )
                .square()
                .sum(1);
            total += weight * errors.mean().item<double>();
            variance += weight * weight * errors.var().item<double>() / count;
        }
        Assert.Equal(terms.Corrected, total, 3 * Math.Sqrt(variance) + 1e-4);
        Assert.True(limit.KnownClusterFloor <= floor.Value + 3 * floor.StandardError);
        Assert.True(terms.Corrected >= floor.Value - 3 * floor.StandardError);
        Assert.True(
            Mixture(0.3, 0, 4, 4).Loss.PrintedLimit < limit.KnownClusterFloor,
            "the printed bound without its estimation term is below what any denoiser can reach"
        );
    }

    [Fact]
    public void TheBayesFloorOfOneGaussianIsItsKnownClosedForm()
    {
        using var scope = torch.NewDisposeScope();
        using var limit = new GeneralizationLimit(
            [1],
            [torch.ones(3)],
            [torch.diag(torch.tensor(new[] { 1.0, 0.5, 0 }))],
            [3],
            0.5
        );
        Assert.Equal(0.25 / 1.25 + 0.5 * 0.25 / 0.75, limit.KnownClusterFloor, 1e-12);
        var floor = limit.BayesFloor(100_000, 3);
        Assert.InRange(
            limit.KnownClusterFloor,
            floor.Value - 3.5 * floor.StandardError,
            floor.Value + 3.5 * floor.StandardError
        );
    }

    [Fact]
    public void TheEmpiricalBlocksApproachTheLimitAsTheSampleGrows()
    {
        using var scope = torch.NewDisposeScope();
        using var limit = new GeneralizationLimit(
            [1],
            [torch.tensor(new[] { 4.0, 0, 0 })],
            [torch.diag(torch.tensor(new[] { 1.0, 0.5, 0.2 }))],
            [2],
            0.4,
            0.01
        );
        var root = torch.diag(torch.tensor(new[] { 1.0, 0.5, 0.2 }, dtype: torch.ScalarType.Float64)).sqrt();
        var target = limit.Gram(0);
        double Distance(int count) =>
            Enumerable
                .Range(0, 16)
                .Average(run =>
                {
                    var samples =
                        torch.tensor(new[] { 4.0, 0, 0 }, dtype: torch.ScalarType.Float64)
                        + torch.matmul(Normal(1000 + run, count, 3), root);
                    using var block = new BlockMinimizer([samples], [2], 0.4, 0.01);
                    var rows = block.Encoder();
                    return (torch.matmul(rows.t(), rows) - target).norm().item<double>();
                });
        var slope = Math.Log(Distance(10_000) / Distance(100)) / Math.Log(100);
        Assert.InRange(slope, -0.65, -0.35);
    }

    [Fact]
    public void AHybridStoresEachDuplicateByItsOwnCopies()
    {
        using var scope = torch.NewDisposeScope();
        var corners = Simplex(6, 3, 2, 8);
        var crowd = Cluster(corners[2], 30, 0.2, 4);
        using var hybrid = new HybridMinimizer(corners.narrow(0, 0, 2), [6, 4], [crowd], [2], 0.1, 0.05);
        Assert.Equal(40, hybrid.Count);
        Assert.Equal(
            [(9 - 40 * .05 / 6) / (81 + .01 * 9), (4 - 40 * .05 / 4) / (16 + .01 * 4)],
            hybrid.Scales.Select(r => r * r),
            (a, b) => Math.Abs(a - b) < 1e-12
        );
        var data = torch.cat([corners.narrow(0, 0, 2), crowd]);
        using var loss = new ExactExpectedLoss(
            data,
            0.1,
            0.05,
            [6 / 40.0, 4 / 40.0, .. Enumerable.Repeat(1 / 40.0, 30)]
        );
        Assert.Equal(hybrid.Objective, loss.Value(hybrid.Encoder(6)), 1e-6);
        Assert.Equal(hybrid.Loss, hybrid.Objective - 0.1 * hybrid.Encoder().square().sum().item<double>(), 1e-9);
        Assert.True(HybridMinimizer.IsStored(6, 9, 40, 0.05) && !HybridMinimizer.IsStored(1, 2, 40, 0.05));
    }

    [Theory]
    [InlineData(9.0, 1000, 0.2, 0.0, 0.5, 1.0)]
    [InlineData(9.0, 1000, 0.2, 0.01, 0.5, 1.0)]
    [InlineData(2.0, 50, 1.0, 0.1, 0.3, 4.0)]
    public void AtTheCompetitionsThresholdBothKindsGainTheSame(
        double square,
        int total,
        double sigma,
        double lambda,
        double weight,
        double eigenvalue
    )
    {
        var copies = HybridMinimizer.DuplicatesToWin(square, total, sigma, lambda, weight, eigenvalue);
        Assert.True(copies * square >= total * lambda);
        var mode = Gain.Reduction(total * weight * eigenvalue, total * weight, total, sigma, lambda);
        Assert.Equal(mode, Gain.Reduction(copies * square, copies, total, sigma, lambda), 1e-10);
        Assert.True(Gain.Reduction(1.01 * copies * square, 1.01 * copies, total, sigma, lambda) > mode);
    }

    [Fact]
    public void TheLowestMinimizerWithOneUnitStoresWhicheverKindTheThresholdPredicts()
    {
        using var scope = torch.NewDisposeScope();
        const double sigma = 0.2,
            lambda = 0.02;
        var duplicate = torch.tensor(new double[] { 3, 0, 0.5 }, [1, 3], dtype: torch.ScalarType.Float64);
        var crowd = Cluster(torch.tensor(new double[] { -2, 0.3, 0 }, dtype: torch.ScalarType.Float64), 10, 0.15, 8);
        var square = duplicate.square().sum().item<double>();
        using var alone = new BlockMinimizer([crowd], [1], sigma);
        var eigenvalue = alone.Eigenvalues(0)[0] / 10;
        var winners = new List<bool>();
        foreach (var copies in new[] { 10, 20, 27, 33, 36, 45, 60 })
        {
            var share = (100 - copies) / 100.0;
            using var loss = new ExactExpectedLoss(
                torch.cat([duplicate, crowd]),
                sigma,
                lambda,
                [copies / 100.0, .. Enumerable.Repeat(share / 10, 10)]
            );
            var runs = ExpectedLossMinimizer.FromManyStarts(loss, 1, 8, seed: 2);
            var storesDuplicate = runs[0].Encoder[0, 0].item<double>() > 0;
            Assert.Equal(
                copies > HybridMinimizer.DuplicatesToWin(square, 100, sigma, lambda, share, eigenvalue),
                storesDuplicate
            );
            winners.Add(storesDuplicate);
            foreach (var run in runs)
                run.Dispose();
        }
        Assert.Equal([false, true], winners.Distinct());
    }

    [Fact]
    public void GreedyAllocationIsTheBestOfAllAllocations()
    {
        double[][] spectra =
        [
            [50, 9, 3, 1],
            [40, 12, 2],
            [8, 7.5, 0.1],
        ];
        double[] counts = [10, 6, 20];
        foreach (var lambda in new[] { 0.0, 0.05 })
        foreach (var units in new[] { 0, 1, 4, 7, 10 })
        {
            double Objective(int[] ranks) =>
                spectra
                    .Select(
                        (s, k) =>
                            s.Select(
                                    (value, j) =>
                                        value / 36
                                        - (j < ranks[k] ? Gain.Reduction(value, counts[k], 36, 0.5, lambda) : 0)
                                )
                                .Sum()
                    )
                    .Sum();
            var best = double.PositiveInfinity;
            for (var a = 0; a <= 4; a++)
            for (var b = 0; b <= 3; b++)
            for (var c = 0; c <= 3; c++)
                if (a + b + c <= units)
                    best = Math.Min(best, Objective([a, b, c]));
            var found = CapacityAllocation.Of(spectra, counts, units, 0.5, lambda);
            Assert.Equal(best, found.Objective, 1e-12);
            Assert.Equal(best, Objective([.. found.Ranks]), 1e-12);
            Assert.Equal(found.Objective, found.Loss + 2 * lambda * found.Stored.Sum(s => s.Gain), 1e-12);
        }
    }

    [Fact]
    public void AllocationOverSamplesPredictsTheBlockMinimizersObjective()
    {
        using var scope = torch.NewDisposeScope();
        var clusters = TwoClusters();
        var plan = CapacityAllocation.Of(clusters, 5, 0.1, 0.001);
        using var block = new BlockMinimizer(clusters, plan.Ranks, 0.1, 0.001);
        Assert.Equal(5, plan.Ranks.Sum());
        Assert.Equal(block.Objective, plan.Objective, 1e-10);
        Assert.Equal(block.Loss, plan.Loss, 1e-10);
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        var clusters = TwoClusters();
        Assert.StartsWith(
            "units must be at least 2, was 1",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new MemorizationMinimizer(torch.eye(2), 1).Encoder(1))
                .Message
        );
        Assert.StartsWith(
            "ranks[0] must be between 0 and 5",
            Assert.Throws<ArgumentOutOfRangeException>(() => new BlockMinimizer(clusters, [6, 1], 1)).Message
        );
        Assert.StartsWith(
            "rotations[0] must be orthogonal",
            Assert
                .Throws<ArgumentException>(() =>
                    new BlockMinimizer(clusters, [2, 1], 1, 0, [torch.ones(2, 2), torch.ones(1, 1)])
                )
                .Message
        );
        Assert.StartsWith(
            "2 clusters need as many ranks, was 1",
            Assert.Throws<ArgumentException>(() => new BlockMinimizer(clusters, [2], 1)).Message
        );
        Assert.StartsWith(
            "weights must sum to 1, was 0.9",
            Assert
                .Throws<ArgumentException>(() =>
                    WienerLossTerms.Of(
                        [0.9],
                        [
                            [1.0],
                        ],
                        [1],
                        1
                    )
                )
                .Message
        );
        Assert.StartsWith(
            "covariances[0] must be positive semidefinite",
            Assert
                .Throws<ArgumentException>(() => new GeneralizationLimit([1], [torch.ones(2)], [-torch.eye(2)], [1], 1))
                .Message
        );
        Assert.StartsWith(
            "covariances[0] must be symmetric",
            Assert
                .Throws<ArgumentException>(() =>
                    new GeneralizationLimit([1], [torch.ones(2)], [torch.ones(2, 2).triu()], [1], 1)
                )
                .Message
        );
        Assert.StartsWith(
            "counts must be at least 1, was 0",
            Assert
                .Throws<ArgumentOutOfRangeException>(() => new HybridMinimizer(torch.eye(2), [1, 0], [], [], 1))
                .Message
        );
        Assert.StartsWith(
            "eigenvalue must be zero or more and finite, was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => Gain.Of(-1, 1, 1, 1, 0)).Message
        );
    }
}
