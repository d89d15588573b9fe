using BalancedDiffusion.Generation.SampleQuality;
using TorchSharp;
using static BalancedDiffusion.Tests.Generation.SampleQuality.QualityLab;
using static TorchSharp.torch;

namespace BalancedDiffusion.Tests.Generation.SampleQuality;

public class FrechetDistanceTests
{
    [Fact]
    public void CommutingCovariancesHaveTheirClosedForm()
    {
        using var scope = torch.NewDisposeScope();
        double[] first = [1, 2, 0.5, 3],
            second = [2, 1, 0.1, 3],
            shift = [0.3, -1, 0, 2];
        var rotation = torch.linalg.qr(Normal(1, 4, 4)).Q;
        Tensor Set(long seed, long n, double[] deviations) =>
            (Whitened(seed, n, 4) * torch.tensor(deviations)).matmul(rotation);
        var found = FrechetDistance.Of(Set(2, 50, first), Set(3, 80, second) + torch.tensor(shift));
        // Σ (s1 - s2)² in common axes, and ‖shift‖².
        var trace = first.Zip(second, (a, b) => (a - b) * (a - b)).Sum();
        Assert.Equal(trace, found.CovarianceTerm, 1e-10);
        Assert.Equal(shift.Sum(x => x * x), found.MeanTerm, 1e-10);
        Assert.Equal(found.MeanTerm + found.CovarianceTerm, found.Value, 1e-12);
        Assert.InRange(found.Clipped, -1e-12, 0);
    }

    [Fact]
    public void TwoDimensionsHaveTheirClosedForm()
    {
        using var scope = torch.NewDisposeScope();
        // tr (C1^½ C2 C1^½)^½ = sqrt(tr(C1 C2) + 2 sqrt(det C1 det C2)) for 2×2.
        var map1 = torch.tensor(
            new double[,]
            {
                { 1, 0.5 },
                { 0, 2 },
            }
        );
        var map2 = torch.tensor(
            new double[,]
            {
                { 0.7, -1 },
                { 0.4, 1 },
            }
        );
        var (c1, c2) = (map1.t().matmul(map1), map2.t().matmul(map2));
        double Trace(Tensor c) => c.diagonal().sum().item<double>();
        var determinants = torch.linalg.det(c1).item<double>() * torch.linalg.det(c2).item<double>();
        var overlap = Math.Sqrt(Trace(c1.matmul(c2)) + 2 * Math.Sqrt(determinants));
        var found = FrechetDistance.Of(Whitened(5, 30, 2).matmul(map1), Whitened(6, 40, 2).matmul(map2));
        Assert.Equal(Trace(c1) + Trace(c2) - 2 * overlap, found.Value, 1e-10);
        Assert.Equal(0, found.MeanTerm, 1e-20);
    }

    [Fact]
    public void ASetIsAtDistanceZeroFromItselfAlsoWithFewerSamplesThanFeatures()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (n, d) in new[] { (100, 8), (5, 8), (2, 3) })
        {
            var set = Normal(7, n, d);
            Assert.Equal(0, FrechetDistance.Of(set, set).Value, 1e-6);
        }
        // Two samples a set on orthogonal lines: C1 C2 = 0, so the traces add up: 2 and 8.
        var x = torch.tensor(
            new double[,]
            {
                { 1, 0, 0 },
                { -1, 0, 0 },
            }
        );
        var y = torch.tensor(
            new double[,]
            {
                { 0, 2, 0 },
                { 0, -2, 0 },
            }
        );
        Assert.Equal(10, FrechetDistance.Of(x, y).Value, 1e-10);
        Assert.Equal(10, FrechetDistance.Of(x.to(ScalarType.Float32), y).Value, 1e-10);
    }

    [Fact]
    public void BadSetsAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        var set = torch.ones(3, 2, dtype: ScalarType.Float64);
        Refused("first must hold at least 2 samples, was 1; draw more", () => FrechetDistance.Of(set[..1], set));
        Refused("second must have shape (n, d), was (3)", () => FrechetDistance.Of(set, set[.., 0]));
        Refused("first has 2 features a sample, second 1", () => FrechetDistance.Of(set, set[.., ..1]));
        Refused("second holds NaN", () => FrechetDistance.Of(set, set * double.NaN));
        Refused("first must hold floating-point", () => FrechetDistance.Of(set.to(ScalarType.Int64), set));
        Assert.Throws<ArgumentNullException>(() => FrechetDistance.Of(null!, set));
    }
}
