using BalancedDiffusion.Noise;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Tests.Theory;

public class GeneralizationRateTests
{
    private const double Sigma = 0.3;

    private static torch.Tensor Numbers(params double[] values) => torch.tensor(values);

    private static GeneralizationLimit One(double[] mean, double[] variances, int rank, double lambda = 0) =>
        new([1.0], [Numbers(mean)], [torch.diag(Numbers(variances))], [rank], Sigma, lambda);

    /// <summary>Mean and standard error of n ‖Gram - limit‖² and of n times the exact excess loss, over simulated
    /// training sets.</summary>
    private static ((double Mean, double Error) Gram, (double Mean, double Error) Loss) Simulate(
        GeneralizationLimit limit,
        double[] mean,
        double[] variances,
        int rank,
        double lambda,
        int n,
        int repeats
    )
    {
        var (grams, losses) = (new double[repeats], new double[repeats]);
        for (var r = 0; r < repeats; r++)
        {
            using var scope = torch.NewDisposeScope();
            var x =
                Numbers(mean)
                + GaussianNoise.Draw([n, mean.Length], 1000 + r, torch.float64) * Numbers(variances).sqrt();
            using var minimizer = new BlockMinimizer([x], [rank], Sigma, lambda);
            var rows = minimizer.BlockEncoder(0);
            var gram = rows.t().matmul(rows);
            grams[r] = n * (gram - limit.Gram(0)).square().sum().item<double>();
            var moment = torch.diag(Numbers(variances)) + torch.outer(Numbers(mean), Numbers(mean));
            var rest = torch.eye(mean.Length, dtype: torch.float64) - gram;
            losses[r] =
                n
                * (
                    torch.trace(rest.matmul(moment).matmul(rest)).item<double>()
                    + Sigma * Sigma * gram.square().sum().item<double>()
                    - limit.Loss.Corrected
                );
        }
        return (Of(grams), Of(losses));
        (double, double) Of(double[] v) =>
            (v.Average(), Math.Sqrt(v.Sum(a => (a - v.Average()) * (a - v.Average())) / (v.Length - 1) / v.Length));
    }

    [Theory]
    [InlineData(4, 0.0)]
    [InlineData(2, 0.0)]
    [InlineData(3, 0.05)]
    public void SimulatedGramMatricesScatterAsPredicted(int rank, double lambda)
    {
        double[] mean = [3, 0.5, 0, -0.4],
            variances = [0.5, 1, 0.4, 0.1];
        using var limit = One(mean, variances, rank, lambda);
        var (gram, _) = Simulate(limit, mean, variances, rank, lambda, 4000, 300);
        var predicted = Math.Pow(limit.GramDeviation(0), 2);
        Assert.InRange(gram.Mean, predicted * 0.98 - 4 * gram.Error, predicted * 1.02 + 4 * gram.Error);
        Assert.True(gram.Error < 0.15 * predicted);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(2)]
    public void SimulatedTestLossesExceedTheLimitAsPredicted(int rank)
    {
        double[] mean = [3, 0.5, 0, -0.4],
            variances = [0.5, 1, 0.4, 0.1];
        using var limit = One(mean, variances, rank);
        var (_, loss) = Simulate(limit, mean, variances, rank, 0, 4000, 300);
        var predicted = 4000 * limit.ExcessLoss([4000]);
        Assert.InRange(loss.Mean, predicted * 0.98 - 4 * loss.Error, predicted * 1.02 + 4 * loss.Error);
        Assert.True(loss.Error < 0.15 * predicted);
    }

    [Fact]
    public void OneDimensionWithoutAMeanIsTheDeltaMethod()
    {
        // g(e) = e/(e + sigma²), and the mean of n squares of variance e has variance 2e²/n.
        using var limit = One([0], [0.7], 1);
        var slope = Sigma * Sigma / Math.Pow(0.7 + Sigma * Sigma, 2);
        Assert.Equal(slope * Math.Sqrt(2) * 0.7, limit.GramDeviation(0), 1e-12);
        Assert.Equal(slope * slope * 2 * 0.49 * (0.7 + Sigma * Sigma) / 50, limit.ExcessLoss([50]), 1e-12);
    }

    [Fact]
    public void TheConstantGrowsAsOneOverTheEigengap()
    {
        double Constant(double gap)
        {
            using var limit = One([0, 0], [1 + gap, 1], 1);
            return limit.GramDeviation(0);
        }
        Assert.Equal(10, Constant(1e-4) / Constant(1e-3), 0.05);
    }

    [Fact]
    public void ARankBetweenEqualEigenvaluesHasNoLimit()
    {
        using var cut = One([0, 0, 0], [2, 1, 1], 2);
        Assert.Equal(double.PositiveInfinity, cut.GramDeviation(0));
        Assert.Equal(double.PositiveInfinity, cut.ExcessLoss([10]));
        using var whole = One([0, 0, 0], [2, 1, 1], 3);
        Assert.True(double.IsFinite(whole.GramDeviation(0)));
    }

    [Fact]
    public void AClusterOfOnePointDoesNotScatter()
    {
        using var limit = One([2, 1], [0, 0], 2);
        Assert.Equal(0, limit.GramDeviation(0), 1e-9);
    }

    [Fact]
    public void BadArgumentsAreNamed()
    {
        using var limit = One([1, 0], [0.5, 0.2], 1);
        Assert.Contains(
            "cluster must be between 0 and 0, was 1",
            Assert.Throws<ArgumentOutOfRangeException>(() => limit.GramDeviation(1)).Message
        );
        Assert.Contains(
            "1 clusters need as many counts, was 2",
            Assert.Throws<ArgumentException>(() => limit.ExcessLoss([1, 2])).Message
        );
        Assert.Contains(
            "counts must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => limit.ExcessLoss([0])).Message
        );
        using var penalised = One([1, 0], [0.5, 0.2], 1, 0.1);
        Assert.Contains(
            "lambda = 0 only, was 0.1",
            Assert.Throws<InvalidOperationException>(() => penalised.ExcessLoss([10])).Message
        );
    }
}
