using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Denoisers;

public class ReluDaeTests
{
    private static torch.Tensor Samples(long count, long dimension)
    {
        using var generator = Seeds.Generator(2);
        return torch.randn([count, dimension], dtype: torch.float64, generator: generator);
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void TheOutputIsTheSumOverActiveUnitsWrittenOut(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new ReluDae(5, 4, 1, tied, torch.float64);
        var y = Samples(3, 5);
        var output = model.call(y);
        for (var b = 0; b < 3; b++)
        for (var i = 0; i < 5; i++)
        {
            var expected = 0.0;
            for (var j = 0; j < 4; j++)
            {
                var m = Enumerable.Range(0, 5).Sum(k => model.Encoder[j, k].item<double>() * y[b, k].item<double>());
                expected += Math.Max(m, 0) * model.Decoder[j, i].item<double>();
            }
            Assert.Equal(expected, output[b, i].item<double>(), 1e-12);
        }
    }

    [Fact]
    public void AHandComputedExample()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(
            torch.tensor(
                new float[,]
                {
                    { 1, 0 },
                    { 0, -2 },
                }
            ),
            torch.tensor(
                new float[,]
                {
                    { 3, 1 },
                    { 0, 1 },
                }
            )
        );
        var y = torch.tensor(
            new float[,]
            {
                { 2, 1 },
                { -1, -1 },
            }
        );
        Assert.Equal([2f, 0f, 0f, 2f], model.Encode(y).data<float>().ToArray());
        Assert.Equal([6f, 2f, 0f, 2f], model.call(y).data<float>().ToArray());
    }

    [Fact]
    public void SamplesOfAnotherTypeThanTheWeightsAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(5, 4, 1);
        Assert.Contains(
            "noisy must be Float32 like the model's weights, was Float64",
            Assert.Throws<ArgumentException>(() => model.call(Samples(3, 5))).Message
        );
        Assert.Contains(
            "noisy must be Float32",
            Assert.Throws<ArgumentException>(() => model.DenoiseAt(Samples(3, 5), 0.2)).Message
        );
        Assert.Contains(
            "representation must be Float32",
            Assert.Throws<ArgumentException>(() => model.Decode(Samples(3, 4))).Message
        );
    }

    [Fact]
    public void ItIsPositivelyHomogeneousAndIgnoresTheNoiseLevel()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDae(5, 4, 1, dtype: torch.float64);
        var y = Samples(3, 5);
        foreach (var c in new[] { 0.0, 0.5, 7.0 })
            Assert.True((model.call(c * y) - c * model.call(y)).abs().max().item<double>() < 1e-12);
        Assert.True(model.DenoiseAt(y, 0.1).equal(model.DenoiseAt(y, 2.0)).all().item<bool>());
        Assert.Equal([5], model.SampleShape);
    }

    [Fact]
    public void ATiedModelHasOneParameterAndAnUntiedOneTwo()
    {
        using ReluDae tied = new(5, 4, 1),
            untied = new(5, 4, 1, tied: false);
        Assert.Equal(["encoder"], tied.named_parameters().Select(p => p.name));
        Assert.Equal(["decoder", "encoder"], untied.named_parameters().Select(p => p.name).Order());
        Assert.Same(tied.Encoder, tied.Decoder);
        Assert.True(tied.IsTied);
        Assert.False(untied.IsTied);
        Assert.False(untied.Encoder.equal(untied.Decoder).all().item<bool>());
        Assert.Equal((5, 4), (tied.Dimension, tied.Units));
    }

    [Fact]
    public void TheDrawnWeightsFillTheirRangeAndDependOnTheSeed()
    {
        using var scope = torch.NewDisposeScope();
        using ReluDae a = new(100, 50, 1),
            again = new(100, 50, 1),
            b = new(100, 50, 2);
        Assert.True(a.Encoder.equal(again.Encoder).all().item<bool>());
        Assert.False(a.Encoder.equal(b.Encoder).all().item<bool>());
        Assert.InRange(a.Encoder.max().item<float>(), 0.099, 0.1);
        Assert.InRange(a.Encoder.min().item<float>(), -0.1, -0.099);
        // uniform on ±0.1: variance 0.01/3, over 5,000 draws
        Assert.Equal(0.01 / 3, a.Encoder.square().mean().item<float>(), 0.0003);
    }

    [Fact]
    public void BadShapesAndNumbersAreRefused()
    {
        using var model = new ReluDae(5, 4, 1);
        using var wrong = torch.zeros(3, 6);
        Assert.Contains("(any, 5), was (3, 6)", Assert.Throws<ArgumentException>(() => model.call(wrong)).Message);
        Assert.Contains("(any, 4), was (3, 6)", Assert.Throws<ArgumentException>(() => model.Decode(wrong)).Message);
        Assert.Contains(
            "dimension must be at least 1, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => new ReluDae(0, 4, 1)).Message
        );
        Assert.Contains(
            "units must be at least 1, was -3",
            Assert.Throws<ArgumentOutOfRangeException>(() => new ReluDae(5, -3, 1)).Message
        );
        Assert.Contains(
            "NaN",
            Assert.Throws<ArgumentException>(() => new ReluDae(torch.full(2, 2, float.NaN))).Message
        );
        Assert.Contains(
            "(4, 5), was (3, 6)",
            Assert.Throws<ArgumentException>(() => new ReluDae(torch.zeros(4, 5), wrong)).Message
        );
    }

    [Fact]
    public void NothingLeaksFromAPass()
    {
        using var model = new ReluDae(5, 4, 1);
        using var y = torch.zeros(3, 5);
        model.DenoiseAt(y, 0.2).Dispose();
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 50; i++)
            model.DenoiseAt(y, 0.2).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }
}
