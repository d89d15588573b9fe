using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using TorchSharp;

namespace BalancedDiffusion.Tests.Denoisers;

public class PerLevelDenoiserTests
{
    // Answers its own number, so that one sees who was asked.
    private sealed class Constant(double answer, params long[] shape) : IDenoiser
    {
        public IReadOnlyList<long> SampleShape => shape;

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) => torch.full_like(noisy, answer);
    }

    private static PerLevelDenoiser Three() =>
        new((0.1, new Constant(1, 2)), (10, new Constant(3, 2)), (1, new Constant(2, 2)));

    [Theory]
    [
        InlineData(0.001, 1),
        InlineData(0.1, 1),
        InlineData(0.31, 1),
        InlineData(0.32, 2),
        InlineData(3.1, 2),
        InlineData(3.2, 3),
        InlineData(1000, 3)
    ]
    public void TheNearestLevelInTheLogarithmAnswers(double sigma, double answer)
    {
        using var scope = torch.NewDisposeScope();
        Assert.Equal(
            [answer, answer],
            Three().DenoiseAt(torch.zeros([1, 2], torch.ScalarType.Float64), sigma).data<double>().ToArray()
        );
        Assert.Equal([10, 1, 0.1], Three().Levels);
    }

    [Fact]
    public void EverySampleIsAnsweredAtItsOwnLevelAndKeepsItsPlace()
    {
        using var scope = torch.NewDisposeScope();
        var answers = Three()
            .Denoise(torch.zeros([4, 2], torch.ScalarType.Float64), torch.tensor(new[] { 10, 0.1, 1, 0.1 }));
        Assert.Equal([3, 1, 2, 1], answers[torch.TensorIndex.Colon, 0].contiguous().data<double>().ToArray());
    }

    [Fact]
    public void ItAgreesWithItsDenoisersWhereTheseAreReal()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var low = new ReluDae(4, 3, 1, dtype: torch.ScalarType.Float64);
        using var high = new ReluDae(4, 3, 2, dtype: torch.ScalarType.Float64);
        var y = GaussianNoise.Draw([3, 4], 3, torch.ScalarType.Float64);
        var both = new PerLevelDenoiser((0.2, low), (2, high)).Denoise(y, torch.tensor(new[] { 2, 0.2, 2 }));
        Assert.True(both[0].eq(high.call(y)[0]).all().item<bool>());
        Assert.True(both[1].eq(low.call(y)[1]).all().item<bool>());
        Assert.True(both[2].eq(high.call(y)[2]).all().item<bool>());
    }

    [Fact]
    public void BadDenoisersAreRefused()
    {
        Assert.Contains("at least one", Assert.Throws<ArgumentException>(() => new PerLevelDenoiser()).Message);
        Assert.Contains(
            "two denoisers have the level 1",
            Assert
                .Throws<ArgumentException>(() => new PerLevelDenoiser((1, new Constant(1, 2)), (1, new Constant(2, 2))))
                .Message
        );
        Assert.Contains(
            "had (2) and (3)",
            Assert
                .Throws<ArgumentException>(() => new PerLevelDenoiser((2, new Constant(1, 2)), (1, new Constant(2, 3))))
                .Message
        );
        Assert.Contains(
            "was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => new PerLevelDenoiser((-1, new Constant(1, 2)))).Message
        );
        using var y = torch.zeros(3, 2);
        using var two = torch.ones(2);
        Assert.Contains("had 2", Assert.Throws<ArgumentException>(() => Three().Denoise(y, two)).Message);
    }
}
