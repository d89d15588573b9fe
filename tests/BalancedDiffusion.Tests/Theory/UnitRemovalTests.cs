using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Tests.Theory;

public class UnitRemovalTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void TheExpectedChangeIsThatOfManyDraws(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        using var network = new ReluDae(8, 5, 3, tied);
        var samples = GaussianNoise.Draw([3, 8], 4);
        const double sigma = 0.7;
        const int draws = 100_000;
        int[] unit = [2];
        var expected = UnitRemoval.ExpectedChange(network, unit, samples, sigma);
        var ablated = new AblatedDenoiser(network, new Dictionary<string, IReadOnlyList<int>> { ["relu"] = unit });
        for (var i = 0; i < 3; i++)
        {
            var noisy = samples.narrow(0, i, 1) + sigma * GaussianNoise.Draw([draws, 8], 10 + i);
            var lengths = (network.DenoiseAt(noisy, sigma) - ablated.DenoiseAt(noisy, sigma)).norm(1);
            var (mean, error) = (lengths.mean().ToDouble(), lengths.std().ToDouble() / Math.Sqrt(draws));
            Assert.InRange(expected[i], mean - 5 * error - 1e-5, mean + 5 * error + 1e-5);
        }
        // Of several units it is a bound.
        int[] three = [0, 2, 4];
        var bound = UnitRemoval.ExpectedChange(network, three, samples, sigma);
        var without = new AblatedDenoiser(network, new Dictionary<string, IReadOnlyList<int>> { ["relu"] = three });
        var drawn = samples.narrow(0, 0, 1) + sigma * GaussianNoise.Draw([draws, 8], 20);
        var measured = (network.DenoiseAt(drawn, sigma) - without.DenoiseAt(drawn, sigma)).norm(1).mean().ToDouble();
        Assert.True(measured <= bound[0], $"{measured} above {bound[0]}");
    }

    // Corollary 3.2: each sample lies in one column, so that without it that sample is lost and the others stay.
    [Fact]
    public void AMemorizingNetworkLosesTheImageOfTheUnitAndNoOther()
    {
        using var scope = torch.NewDisposeScope();
        // Three samples at 120 degrees, in a plane of six dimensions.
        var samples = torch.zeros(3, 6, dtype: torch.float64);
        for (var i = 0; i < 3; i++)
        {
            samples[i, 0] = 5 * Math.Cos(2 * Math.PI * i / 3);
            samples[i, 1] = 5 * Math.Sin(2 * Math.PI * i / 3);
        }
        const double sigma = 0.3;
        using var network = new MemorizationMinimizer(samples, sigma).Denoiser(3, torch.ScalarType.Float64);
        var change = UnitRemoval.ExpectedChange(network, [1], samples, sigma);
        // Its own share: gain times the sample's length.
        Assert.Equal(5 * 25 / (25 + sigma * sigma), change[1], 1e-6);
        // The others: the tail of a normal number at -2.5/0.3 standard deviations.
        Assert.InRange(change[0], 0, 1e-12);
        Assert.InRange(change[2], 0, 1e-12);
        var ablated = new AblatedDenoiser(network, new Dictionary<string, IReadOnlyList<int>> { ["relu"] = [1] });
        var left = ablated.DenoiseAt(samples, sigma).norm(1).data<double>().ToArray();
        Assert.Equal(0, left[1], 1e-12);
        Assert.True(left[0] > 4.9 && left[2] > 4.9);
    }

    [Fact]
    public void BadInputsAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var network = new ReluDae(4, 3, 1);
        Assert.Contains(
            "a unit must be 0 to 2, was 3",
            Assert
                .Throws<ArgumentOutOfRangeException>(() =>
                    UnitRemoval.ExpectedChange(network, [3], torch.zeros(1, 4), 1)
                )
                .Message
        );
        Assert.Throws<ArgumentException>(() => UnitRemoval.ExpectedChange(network, [0], torch.zeros(1, 5), 1));
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            UnitRemoval.ExpectedChange(network, [0], torch.zeros(1, 4), 0)
        );
    }
}
