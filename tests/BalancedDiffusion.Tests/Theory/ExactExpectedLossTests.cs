using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Runtime;
using BalancedDiffusion.Theory;
using TorchSharp;

namespace BalancedDiffusion.Tests.Theory;

public class ExactExpectedLossTests
{
    private static torch.Tensor Normal(long seed, params long[] shape)
    {
        using var generator = Seeds.Generator(seed);
        return torch.randn(shape, dtype: torch.ScalarType.Float64, generator: generator);
    }

    /// <summary>Weights of each kind that the formula must survive; columns are rows here. The decoder is null in tied
    /// models.</summary>
    private static (torch.Tensor Encoder, torch.Tensor? Decoder) Weights(string kind)
    {
        var encoder = Normal(1, 5, 4) * 0.5;
        var decoder = Normal(2, 5, 4) * 0.5;
        switch (kind)
        {
            case "untied":
                return (encoder, decoder);
            case "tied":
                return (encoder, null);
            case "duplicate":
                encoder[3] = encoder[1];
                encoder[4] = encoder[1] * 0.3;
                return (encoder, decoder);
            case "duplicate tied":
                encoder[3] = encoder[1];
                return (encoder, null);
            case "antipodal":
                encoder[3] = -encoder[1];
                encoder[4] = encoder[0] * -2;
                return (encoder, decoder);
            case "antipodal tied":
                encoder[3] = -encoder[1];
                return (encoder, null);
            case "nearly duplicate":
                encoder[3] = encoder[1] + 1e-7 * encoder[0];
                encoder[4] = encoder[1] + 0.05 * encoder[0];
                return (encoder, decoder);
            case "nearly antipodal":
                encoder[3] = -encoder[1] + 1e-7 * encoder[0];
                encoder[4] = -encoder[1] + 0.05 * encoder[0];
                return (encoder, decoder);
            case "zero":
                encoder[2] = 0;
                return (encoder, decoder);
            case "zero tied":
                encoder[2] = 0;
                encoder[4] = 0;
                return (encoder, null);
            case "all zero":
                return (torch.zeros_like(encoder), decoder);
            default:
                throw new ArgumentException(kind);
        }
    }

    public static TheoryData<string> Kinds =>
        [
            "untied",
            "tied",
            "duplicate",
            "duplicate tied",
            "antipodal",
            "antipodal tied",
            "nearly duplicate",
            "nearly antipodal",
            "zero",
            "zero tied",
            "all zero",
        ];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void EachSamplesLossLiesWithinThreeStandardErrorsOfAMillionNoiseDraws(string kind)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var samples = Normal(3, 3, 4);
        const double sigma = 0.6;
        var (encoder, decoder) = Weights(kind);
        using var loss = new ExactExpectedLoss(samples, sigma);
        var exact = loss.PerSample(encoder, decoder);
        using var generator = Seeds.Generator(2024);
        for (var i = 0; i < 3; i++)
        {
            var x = samples[i];
            double sum = 0,
                square = 0;
            const int blocks = 10,
                size = 100_000;
            for (var b = 0; b < blocks; b++)
            {
                using var inner = torch.NewDisposeScope();
                var noisy = x + sigma * torch.randn([size, 4], dtype: torch.ScalarType.Float64, generator: generator);
                var errors = (torch.matmul(torch.matmul(noisy, encoder.t()).relu(), decoder ?? encoder) - x)
                    .square()
                    .sum(1);
                sum += errors.sum().item<double>();
                square += errors.square().sum().item<double>();
            }
            const double count = blocks * size;
            var mean = sum / count;
            var standardError = Math.Sqrt(Math.Max(0, square / count - mean * mean) / count);
            Assert.InRange(exact[i], mean - 3 * standardError - 1e-12, mean + 3 * standardError + 1e-12);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void TheGradientMeetsFiniteDifferences(string kind)
    {
        using var scope = torch.NewDisposeScope();
        var (encoder, decoder) = Weights(kind);
        using var loss = new ExactExpectedLoss(Normal(3, 3, 4), 0.6, 0.05, [0.5, 0.2, 0.3]);
        using var gradient = loss.Gradient(encoder, decoder);
        Assert.Equal(loss.Value(encoder, decoder), gradient.Value, 1e-13);
        // A zero column's encoder derivative is the convention 0 (untied) or a true 0 with one-sided curvature (tied):
        // no finite difference meets it to 1e-7.
        var zero = encoder.square().sum(1).data<double>().ToArray().Select(s => s == 0).ToArray();
        const double step = 1e-5;
        foreach (
            var (parameter, derivative, skip) in decoder is null
                ? [(encoder, gradient.Encoder, true)]
                : new[] { (encoder, gradient.Encoder, true), (decoder, gradient.Decoder!, false) }
        )
            for (var j = 0; j < 5; j++)
            for (var c = 0; c < 4; c++)
            {
                var kept = parameter[j, c].item<double>();
                if (skip && zero[j])
                {
                    Assert.Equal(2 * 0.05 * kept, derivative[j, c].item<double>(), 1e-15);
                    continue;
                }
                parameter[j, c] = kept + step;
                var above = loss.Value(encoder, decoder);
                parameter[j, c] = kept - step;
                var below = loss.Value(encoder, decoder);
                parameter[j, c] = kept;
                Assert.Equal((above - below) / (2 * step), derivative[j, c].item<double>(), 2e-7);
            }
    }

    [Fact]
    public void OneUnitAlwaysOnFollowsTheLinearFormula()
    {
        // With x = 30 sigma along w, relu never cuts: f = w wᵀ y and the loss is (1-s)²‖x‖² + s² sigma², s =
        // ‖w‖².
        using var scope = torch.NewDisposeScope();
        var x = torch.tensor(new[] { 3.0, 0, 0 }, [1, 3]);
        var w = torch.tensor(new[] { 0.8, 0, 0 }, [1, 3]);
        using var loss = new ExactExpectedLoss(x, 0.1, 0.25);
        var s = 0.64;
        Assert.Equal((1 - s) * (1 - s) * 9 + s * s * 0.01 + 0.25 * 2 * s, loss.Value(w), 1e-13);
    }

    [Fact]
    public void OneUnitInOneDimensionMeetsQuadrature()
    {
        using var scope = torch.NewDisposeScope();
        double x = 0.4,
            w = -0.9,
            v = 1.3,
            sigma = 0.7;
        using var loss = new ExactExpectedLoss(torch.tensor(new[] { x }, [1, 1]), sigma);
        double Density(double u) => Math.Exp(-u * u / 2) / Math.Sqrt(2 * Math.PI);
        double Error(double u) => Math.Pow(v * Math.Max(0, w * (x + sigma * u)) - x, 2) * Density(u);
        var kink = -x / sigma;
        var truth =
            MathNet.Numerics.Integration.GaussLegendreRule.Integrate(Error, -12, kink, 512)
            + MathNet.Numerics.Integration.GaussLegendreRule.Integrate(Error, kink, 12, 512);
        Assert.Equal(truth, loss.Value(torch.tensor(new[] { w }, [1, 1]), torch.tensor(new[] { v }, [1, 1])), 1e-12);
    }

    [Fact]
    public void SplittingAColumnAndPermutingColumnsChangeNeitherLossNorPenalty()
    {
        using var scope = torch.NewDisposeScope();
        using var loss = new ExactExpectedLoss(Normal(5, 4, 6), 0.5, 0.1);
        var encoder = Normal(6, 4, 6);
        encoder[3] = 0;
        var value = loss.Value(encoder);
        var split = encoder.clone();
        split[3] = encoder[0] * Math.Sin(0.6);
        split[0] = encoder[0] * Math.Cos(0.6);
        Assert.Equal(value, loss.Value(split), 1e-12);
        Assert.Equal(value, loss.Value(encoder.flip(0)), 1e-12);
    }

    [Fact]
    public void WeightsCountDuplicates()
    {
        using var scope = torch.NewDisposeScope();
        var two = Normal(5, 2, 6);
        var five = two.index_select(0, torch.tensor(new long[] { 0, 1, 1, 1, 1 }));
        using var weighted = new ExactExpectedLoss(two, 0.5, 0.1, [0.2, 0.8]);
        using var duplicated = new ExactExpectedLoss(five, 0.5, 0.1);
        var encoder = Normal(6, 4, 6);
        Assert.Equal(duplicated.Value(encoder), weighted.Value(encoder), 1e-12);
    }

    [Fact]
    public void AFloat32ModelIsReadAndTheSameNumberComesOutOnEveryCall()
    {
        using var scope = torch.NewDisposeScope();
        using var loss = new ExactExpectedLoss(Normal(5, 40, 6), 0.5, 0.1);
        using var model = new ReluDae(6, 30, seed: 4, tied: false);
        var value = loss.Value(model);
        Assert.Equal(value, loss.Value(model));
        Assert.Equal(value, loss.Value(model.Encoder, model.Decoder));
        Assert.NotEqual(value, loss.Value(model.Encoder));
    }

    [Fact]
    public void NothingLeaksOverRepeatedCalls()
    {
        using var samples = Normal(5, 4, 6);
        using var encoder = Normal(6, 4, 6);
        using var loss = new ExactExpectedLoss(samples, 0.5);
        loss.Gradient(encoder).Dispose();
        var before = torch.Tensor.TotalCount;
        for (var i = 0; i < 50; i++)
            loss.Gradient(encoder).Dispose();
        Assert.True(
            torch.Tensor.TotalCount - before < 50,
            $"{torch.Tensor.TotalCount - before} tensors were left behind by 50 calls"
        );
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        var samples = Normal(5, 2, 3);
        Assert.StartsWith(
            "sigma must be positive and finite, was 0",
            Assert.Throws<ArgumentOutOfRangeException>(() => new ExactExpectedLoss(samples, 0)).Message
        );
        Assert.StartsWith(
            "lambda must be zero or more and finite, was -1",
            Assert.Throws<ArgumentOutOfRangeException>(() => new ExactExpectedLoss(samples, 1, -1)).Message
        );
        Assert.StartsWith(
            "weights must sum to 1, was 0.9",
            Assert.Throws<ArgumentException>(() => new ExactExpectedLoss(samples, 1, 0, [0.4, 0.5])).Message
        );
        Assert.StartsWith(
            "2 samples need as many weights, was 1",
            Assert.Throws<ArgumentException>(() => new ExactExpectedLoss(samples, 1, 0, [1])).Message
        );
        using var loss = new ExactExpectedLoss(samples, 1);
        Assert.StartsWith(
            "encoder must have shape (any, 3), was (2, 4)",
            Assert.Throws<ArgumentException>(() => loss.Value(torch.zeros(2, 4))).Message
        );
        Assert.StartsWith(
            "encoder holds NaN",
            Assert.Throws<ArgumentException>(() => loss.Value(torch.full([2, 3], double.NaN))).Message
        );
        Assert.StartsWith(
            "samples must hold at least one row",
            Assert.Throws<ArgumentException>(() => new ExactExpectedLoss(torch.zeros(0, 3), 1)).Message
        );
    }
}
