using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Theory;
using BalancedDiffusion.Training;
using TorchSharp;

namespace BalancedDiffusion.Tests.Training;

public class ProjectedStepTests
{
    private const double Sigma = 0.4;
    private const long Samples = 6,
        Dimension = 9,
        Units = 5;

    private static torch.Tensor Clean(torch.ScalarType type = torch.ScalarType.Float64) =>
        GaussianNoise.Draw([Samples, Dimension], 1, torch.float64).to_type(type);

    private static double Number(torch.Tensor scalar) => scalar.to_type(torch.float64).item<double>();

    private static double Norm(torch.Tensor tensor) => Number(tensor.norm());

    /// <summary>The mean of a step's gradients over many draws of noise, each with its Monte Carlo error: the root of
    /// the summed variance of the mean's entries; and the mean loss.</summary>
    private static (double Loss, torch.Tensor[] Mean, double[] Error) Average(
        ProjectedStep step,
        torch.Tensor clean,
        torch.Tensor sigma,
        int repeats
    )
    {
        using var noGrad = torch.no_grad();
        step.Clean.copy_(clean);
        var squares = clean.to_type(torch.float64).square().sum(1);
        var perRow = sigma.view(1, -1, 1);
        return Average(
            step.Gradients,
            repeats,
            k =>
            {
                step.Normals.copy_(GaussianNoise.DrawEach(step.Normals.shape, 7, 0, k));
                step.Normals.view(-1, clean.shape[0], step.Normals.shape[1]).mul_(perRow);
                return step.Compute(squares, sigma);
            }
        );
    }

    private static (double Loss, torch.Tensor[] Mean, double[] Error) Average(
        IReadOnlyList<torch.Tensor> gradients,
        int repeats,
        Func<int, torch.Tensor> compute
    )
    {
        var sums = gradients.Select(g => torch.zeros_like(g, dtype: torch.float64)).ToArray();
        var squares = gradients.Select(g => torch.zeros_like(g, dtype: torch.float64)).ToArray();
        var loss = 0.0;
        for (var k = 0; k < repeats; k++)
        {
            using var scope = torch.NewDisposeScope();
            loss += Number(compute(k)) / repeats;
            for (var i = 0; i < sums.Length; i++)
            {
                sums[i].add_(gradients[i], 1.0 / repeats);
                squares[i].add_(gradients[i].to_type(torch.float64).square(), 1.0 / repeats);
            }
        }
        var errors = sums.Zip(squares, (sum, square) => Math.Sqrt(Number((square - sum.square()).sum()) / repeats));
        return (loss, sums, [.. errors]);
    }

    private static torch.Tensor Levels(double sigma = Sigma) => torch.full([Samples], sigma, dtype: torch.float64);

    private static ReluDae Model(bool tied, torch.ScalarType type = torch.ScalarType.Float64)
    {
        using var noGrad = torch.no_grad();
        var model = new ReluDae(Dimension, Units, 3, tied, type);
        model.Encoder.mul_(2);
        return model;
    }

    [Theory]
    [InlineData(true, 1), InlineData(true, 2), InlineData(true, 6)]
    [InlineData(false, 1), InlineData(false, 2), InlineData(false, 6)]
    public void TheMeanGradientIsThatOfTheExactExpectedLoss(bool tied, int draws)
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model(tied);
        using var step = new ProjectedStep(model, Samples, draws);
        var (loss, mean, error) = Average(step, Clean(), Levels(), 4000);
        using var exact = new ExactExpectedLoss(Clean(), Sigma);
        using var gradient = exact.Gradient(model.Encoder, tied ? null : model.Decoder);
        Assert.Equal(exact.Value(model) / Dimension, loss, 0.02);
        foreach (var (index, truth) in new[] { gradient.Encoder, gradient.Decoder }.Take(mean.Length).Index())
        {
            // A mean of 4,000 lies within five of its errors; without a part of the formula it would lie a hundred off.
            Assert.InRange(Norm(mean[index] - truth! / Dimension), 0, 5 * error[index]);
            Assert.True(error[index] < 0.02 * Norm(truth! / Dimension));
        }
    }

    [Theory]
    [InlineData(true), InlineData(false)]
    public void TheVarianceIsNotLargerThanThatOfTheSampledStep(bool tied)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Model(tied);
        var clean = Clean();
        using var sampled = new ReluDaeStep(model, Samples);
        var plain = Average(
            sampled.Gradients,
            4000,
            k =>
            {
                sampled.Noisy.copy_(clean + Sigma * GaussianNoise.DrawEach(clean.shape, 9, 0, k));
                return sampled.Compute(clean);
            }
        );
        var before = plain.Error;
        foreach (var draws in new[] { 1, 2, 4 })
        {
            using var step = new ProjectedStep(model, Samples, draws);
            var found = Average(step, clean, Levels(), 4000);
            for (var i = 0; i < before.Length; i++)
            {
                var together = double.Hypot(plain.Error[i], found.Error[i]);
                Assert.InRange(Norm(found.Mean[i] - plain.Mean[i]), 0, 5 * together);
                Assert.True(found.Error[i] < before[i], $"{draws} draws: {found.Error[i]} for {before[i]}");
            }
            before = found.Error;
        }
    }

    [Theory]
    [InlineData(1), InlineData(2), InlineData(4)]
    public void ATimeConditionedModelsMeanGradientIsThatOfItsPlainLoss(int draws)
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ReluDiffusion(Dimension, Units, 3, width: 4, dtype: torch.float64);
        using (torch.no_grad())
        {
            model.Skip.fill_(0.3);
            foreach (var (name, parameter) in model.named_parameters())
                if (name.StartsWith("time_mlp.2", StringComparison.Ordinal))
                    parameter.add_(0.3 * GaussianNoise.Draw(parameter.shape, 8, torch.float64));
        }
        var clean = Clean();
        var sigma = torch.tensor(new[] { 0.1, 0.2, 0.4, 0.8, 1.2, 2.0 });
        var parameters = model.named_parameters().Select(p => p.parameter).ToArray();
        var buffers = parameters.Select(p => torch.zeros_like(p).detach()).ToArray();
        var plain = Average(
            buffers,
            6000,
            k =>
            {
                model.zero_grad();
                var noisy = clean + sigma.view(-1, 1) * GaussianNoise.DrawEach(clean.shape, 9, 0, k, torch.float64);
                var loss = (model.Denoise(noisy, sigma) - clean).square().mean();
                loss.backward();
                for (var i = 0; i < buffers.Length; i++)
                    buffers[i].copy_(parameters[i].grad!);
                return loss.detach();
            }
        );
        using var step = new ProjectedStep(model, Samples, draws);
        var found = Average(step, clean, sigma, 3000);
        Assert.Equal(plain.Loss, found.Loss, 0.03 * plain.Loss);
        for (var i = 0; i < buffers.Length; i++)
        {
            var together = double.Hypot(plain.Error[i], found.Error[i]);
            Assert.InRange(Norm(found.Mean[i] - plain.Mean[i]), 0, 5 * together);
            Assert.True(found.Error[i] * Math.Sqrt(3000) <= 1.1 * plain.Error[i] * Math.Sqrt(6000));
            Assert.True(together < 0.3 * Norm(plain.Mean[i]), $"parameter {i} tells nothing");
        }
    }

    [Theory]
    [
        InlineData("zero"),
        InlineData("equal"),
        InlineData("opposite"),
        InlineData("nearly equal"),
        InlineData("all equal")
    ]
    public void ColumnsThatVanishOrCoincideChangeNothing(string what)
    {
        foreach (var type in new[] { torch.float64, torch.float32 })
        {
            using var scope = torch.NewDisposeScope();
            using var model = Model(tied: true, type);
            using (torch.no_grad())
            {
                var rows = model.Encoder;
                if (what == "zero")
                    rows[1].zero_();
                if (what == "vanishing")
                    rows.narrow(0, 1, 2).mul_(torch.tensor(new[] { 1e-13, 1e-21 }).to_type(type).unsqueeze(1));
                if (what == "equal")
                    rows[1].copy_(rows[0]);
                if (what == "opposite")
                    rows[1].copy_(-rows[0]);
                if (what == "nearly equal")
                    rows[1].copy_(rows[0] + 1e-5 * rows[2]);
                if (what == "all equal")
                    rows.copy_(rows[0].clone().unsqueeze(0).expand(Units, -1));
            }
            using var step = new ProjectedStep(model, Samples, 2);
            var (loss, mean, error) = Average(step, Clean(type), Levels().to_type(type), 4000);
            using var exact = new ExactExpectedLoss(Clean(), Sigma);
            using var gradient = exact.Gradient(model.Encoder);
            Assert.Equal(exact.Value(model) / Dimension, loss, 0.02);
            Assert.InRange(Norm(mean[0] - gradient.Encoder / Dimension), 0, 5 * error[0]);
            Assert.InRange(step.Jitter, 1e-12, 1e-5);
            if (what == "zero")
                Assert.Equal(0, Norm(mean[0][1]));
            if (what is "equal" or "all equal")
                Assert.InRange(Norm(mean[0][0] - mean[0][1]), 0, 5 * error[0]);
        }
    }

    [Theory]
    [InlineData(true, 1), InlineData(true, 4), InlineData(false, 2)]
    public void Float32AndWholeTensorsGiveTheNumbersOfFloat64(bool tied, int draws)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Model(tied);
        using var single = new ReluDae(
            model.Encoder.to_type(torch.float32),
            tied ? null : model.Decoder.to_type(torch.float32)
        );
        using var one = new ProjectedStep(model, Samples, draws);
        using var two = new ProjectedStep(single, Samples, draws);
        foreach (var step in new[] { one, two })
        {
            step.Clean.copy_(Clean());
            step.Normals.copy_(Sigma * GaussianNoise.DrawEach(step.Normals.shape, 7));
        }
        var squares = Clean().square().sum(1);
        Assert.Equal(Number(one.Compute(squares)), Number(two.Compute(squares)), 1e-5);
        foreach (var (a, b) in one.Gradients.Zip(two.Gradients))
            Assert.InRange(Norm(a - b.to_type(torch.float64)), 0, 2e-5 * Norm(a));
    }

    [Fact]
    public void AModelWithoutGainsAndSkipIsThePlainOne()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Model(tied: true);
        using var diffusion = new ReluDiffusion(Dimension, Units, 3, width: 4, dtype: torch.float64);
        diffusion.Encoder.copy_(model.Encoder);
        foreach (var draws in new[] { 1, 2, 4 })
        {
            using var plain = new ProjectedStep(model, Samples, draws);
            using var conditioned = new ProjectedStep(diffusion, Samples, draws);
            foreach (var step in new[] { plain, conditioned })
            {
                step.Clean.copy_(Clean());
                step.Normals.copy_(Sigma * GaussianNoise.DrawEach(step.Normals.shape, 7));
            }
            var squares = Clean().square().sum(1);
            // One passes over spans, the other is made of torch's operations.
            Assert.Equal(Number(plain.Compute(squares)), Number(conditioned.Compute(squares, Levels())), 1e-12);
            var names = diffusion.named_parameters().Select(p => p.name).ToList();
            var encoder = conditioned.Gradients[names.IndexOf("encoder.weight")];
            Assert.InRange(Norm(plain.Gradients[0] - encoder), 0, 1e-12);
        }
    }

    [Fact]
    public void WeightsThatAreNotFiniteGiveALossThatIsNot()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        foreach (var bad in new[] { double.NaN, double.PositiveInfinity })
        {
            using var model = Model(tied: true);
            using var step = new ProjectedStep(model, Samples, 2);
            step.Clean.copy_(Clean());
            step.Normals.copy_(Sigma * GaussianNoise.DrawEach(step.Normals.shape, 7));
            model.Encoder[1, 2] = torch.tensor(bad);
            Assert.False(double.IsFinite(Number(step.Compute(Clean().square().sum(1)))));
        }
    }

    [Fact]
    public void BadNumbersAreNamed()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Model(tied: true);
        Assert.Contains(
            "even",
            Assert.Throws<ArgumentOutOfRangeException>(() => new ProjectedStep(model, 4, 3)).Message,
            StringComparison.Ordinal
        );
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProjectedStep(model, 4, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ProjectedStep(model, 0));
        using var step = new ProjectedStep(model, 4);
        Assert.Throws<ArgumentException>(() => step.Compute(torch.zeros(5)));
        using var diffusion = new ReluDiffusion(Dimension, Units, 3, width: 4);
        using var conditioned = new ProjectedStep(diffusion, 4);
        Assert.ThrowsAny<ArgumentException>(() => conditioned.Compute(torch.zeros(4)));
    }
}
