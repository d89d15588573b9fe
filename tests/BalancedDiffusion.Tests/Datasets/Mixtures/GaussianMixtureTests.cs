using BalancedDiffusion.Datasets.Mixtures;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Datasets.Mixtures;

public class GaussianMixtureTests
{
    private static torch.Tensor Vector(params double[] values) => torch.tensor(values);

    private static GaussianMixture OneDimensional() =>
        new(
            GaussianComponent.LowRank(1, Vector(-1), torch.ones(1, 1), Vector(0.09), 0),
            GaussianComponent.LowRank(3, Vector(2), torch.zeros(1, 0), torch.zeros(0), 0.25)
        );

    private static GaussianMixture Plane() =>
        new(
            GaussianComponent.Full(
                0.4,
                Vector(1, -1),
                torch.tensor(
                    new[,]
                    {
                        { 0.5, 0.3 },
                        { 0.3, 0.4 },
                    }
                )
            ),
            GaussianComponent.LowRank(
                0.6,
                Vector(-1, 0.5),
                torch.tensor(
                    new[,]
                    {
                        { 3.0 },
                        { 4.0 },
                    }
                ),
                Vector(0.02),
                0.05
            )
        );

    [Theory]
    [InlineData(0.1)]
    [InlineData(1)]
    [InlineData(5)]
    public void InOneDimensionDensityAndPosteriorMeanAreThoseOfQuadrature(double sigma)
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = OneDimensional();
        static double Normal(double x, double mean, double variance) =>
            Math.Exp(-(x - mean) * (x - mean) / (2 * variance)) / Math.Sqrt(2 * Math.PI * variance);
        foreach (var y in new[] { -2.0, -0.3, 0.4, 1.1, 4 })
        {
            double mass = 0,
                first = 0;
            for (var x = -6.0; x <= 8; x += 1e-3)
            {
                var joint =
                    (0.25 * Normal(x, -1, 0.09) + 0.75 * Normal(x, 2, 0.25)) * Normal(y, x, sigma * sigma) * 1e-3;
                mass += joint;
                first += x * joint;
            }
            var point = torch.tensor(
                new[,]
                {
                    { y },
                }
            );
            Assert.Equal(Math.Log(mass), mixture.LogDensity(point, sigma).item<double>(), 1e-8);
            Assert.Equal(first / mass, mixture.PosteriorMean(point, sigma).item<double>(), 1e-8);
            Assert.Equal(
                Math.Log(0.25 * Normal(y, -1, 0.09) + 0.75 * Normal(y, 2, 0.25)),
                mixture.LogDensity(point).item<double>(),
                1e-10
            );
        }
    }

    [Fact]
    public void InThePlaneTheDensityIntegratesToOneAndTheScoreIsItsGradient()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Plane();
        var axis = torch.linspace(-8, 8, 401, dtype: torch.float64);
        var grid = torch.cartesian_prod([axis, axis]);
        Assert.Equal(1, mixture.LogDensity(grid, 0.3).exp().sum().item<double>() * 0.04 * 0.04, 1e-8);
        var y = torch.tensor(
            new[,]
            {
                { 0.2, 0.1 },
                { 1.5, -1.2 },
                { -3, 2 },
            }
        );
        var score = mixture.Score(y, 0.3);
        for (var j = 0; j < 2; j++)
        {
            var step = torch.zeros(1, 2, dtype: torch.float64);
            step[0, j] = 1e-5;
            var slope = (mixture.LogDensity(y + step, 0.3) - mixture.LogDensity(y - step, 0.3)) / 2e-5;
            Assert.True(torch.allclose(slope, score.narrow(1, j, 1).squeeze(1), 1e-7, 1e-7));
        }
        Assert.True(torch.allclose((mixture.PosteriorMean(y, 0.3) - y) / 0.09, score, 1e-9, 1e-9));
        Assert.True(
            torch.allclose(mixture.Responsibilities(y, 0.3).sum(1L), torch.ones(3, dtype: torch.float64), 1e-12, 1e-12)
        );
    }

    [Fact]
    public void LowRankAndFullDescriptionsAgree()
    {
        using var scope = torch.NewDisposeScope();
        using var generator = Seeds.Generator(3);
        torch.Tensor Normal(params long[] shape) => torch.randn(shape, dtype: torch.float64, generator: generator);
        var parts = Enumerable
            .Range(0, 3)
            .Select(k => (Mean: Normal(12), Factor: Normal(12, 3), Variances: Normal(3).square(), Floor: 0.1 * (k + 1)))
            .ToArray();
        using var low = new GaussianMixture([
            .. parts.Select(p => GaussianComponent.LowRank(1, p.Mean, p.Factor, p.Variances, p.Floor)),
        ]);
        using var full = new GaussianMixture([
            .. parts.Select(p =>
                GaussianComponent.Full(
                    1,
                    p.Mean,
                    (p.Factor * p.Variances).matmul(p.Factor.t()) + p.Floor * torch.eye(12, dtype: torch.float64)
                )
            ),
        ]);
        var y = Normal(6, 12) * 2;
        foreach (
            var (a, b) in new[]
            {
                (low.LogDensity(y), full.LogDensity(y)),
                (low.LogDensity(y, 0.7), full.LogDensity(y, 0.7)),
                (low.Score(y, 0.7), full.Score(y, 0.7)),
                (low.PosteriorMean(y, 0.01), full.PosteriorMean(y, 0.01)),
                (low.Covariance(), full.Covariance()),
                (low.Mean(), full.Mean()),
                (low.Components[2].SecondMoment(), full.Components[2].SecondMoment()),
            }
        )
            Assert.True(torch.allclose(a, b, 1e-9, 1e-9));
    }

    [Fact]
    public void MomentsOfSamplesAreThoseOfTheDistribution()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Plane();
        var draw = mixture.Draw(200_000, 5, torch.float64);
        Assert.Equal(0.6, draw.Labels.to_type(torch.float64).mean().item<double>(), 0.005);
        Assert.True(torch.allclose(draw.Samples.mean([0L]), mixture.Mean(), 0, 0.015));
        Assert.True(torch.allclose(draw.Samples.t().cov(), mixture.Covariance(), 0, 0.03));
        for (var k = 0; k < 2; k++)
        {
            var rows = draw.Samples.index_select(0, draw.Labels.eq(k).nonzero().flatten());
            Assert.True(
                torch.allclose(rows.t().matmul(rows) / rows.shape[0], mixture.Components[k].SecondMoment(), 0, 0.03)
            );
        }
        Assert.True(mixture.Draw(200, 5).Samples.eq(mixture.Draw(200, 5).Samples).all().item<bool>());
        Assert.False(mixture.Draw(200, 5).Samples.eq(mixture.Draw(200, 6).Samples).any().item<bool>());
    }

    [Fact]
    public void SeparatedMeansFormASimplexAndLargeDimensionsNeedNoSquareMatrix()
    {
        using var scope = torch.NewDisposeScope();
        foreach (var (dimension, modes) in new[] { (4096, 5), (3, 4), (1, 2), (2, 1) })
        {
            using var mixture = GaussianMixture.SeparatedLowRank(
                dimension,
                modes,
                Math.Min(8, dimension),
                1,
                meanNorm: 3,
                floor: 1e-4
            );
            var means = torch.stack(mixture.Components.Select(c => c.Mean));
            var gram = means.matmul(means.t()).div(9).data<double>().ToArray();
            for (var i = 0; i < modes; i++)
            for (var j = 0; j < modes; j++)
                Assert.Equal(i == j ? 1 : -1.0 / (modes - 1), gram[i * modes + j], 1e-10);
            using var draw = mixture.Draw(3, 2);
            Assert.True(torch.isfinite(new MixtureDenoiser(mixture).Denoise(draw.Samples, 0.1)).all().item<bool>());
        }
        Assert.StartsWith(
            "modes must be at most dimension + 1 = 3",
            Assert.ThrowsAny<ArgumentException>(() => GaussianMixture.SeparatedLowRank(2, 4, 1, 1)).Message
        );
    }

    [Fact]
    public void TheDenoiserTakesALevelARowAndKeepsTheType()
    {
        using var scope = torch.NewDisposeScope();
        using var mixture = Plane();
        var y = torch.tensor(
            new[,]
            {
                { 0.2f, 0.1f },
                { 1.5f, -1.2f },
            }
        );
        var clean = new MixtureDenoiser(mixture).Denoise(y, torch.tensor([0.3, 2]));
        Assert.Equal(torch.float32, clean.dtype);
        Assert.True(torch.allclose(clean[0], mixture.PosteriorMean(y, 0.3)[0].to_type(torch.float32), 1e-6, 1e-6));
        Assert.True(torch.allclose(clean[1], mixture.PosteriorMean(y, 2)[1].to_type(torch.float32), 1e-6, 1e-6));
    }

    [Fact]
    public void BadInputIsNamed()
    {
        using var scope = torch.NewDisposeScope();
        string Of(Action make) => Assert.ThrowsAny<ArgumentException>(make).Message;
        Assert.StartsWith(
            "covariance must be symmetric",
            Of(() =>
                GaussianComponent.Full(
                    1,
                    Vector(0, 0),
                    torch.tensor(
                        new[,]
                        {
                            { 1.0, 2 },
                            { 0, 1 },
                        }
                    )
                )
            )
        );
        Assert.StartsWith(
            "covariance must be positive semidefinite",
            Of(() =>
                GaussianComponent.Full(
                    1,
                    Vector(0, 0),
                    torch.tensor(
                        new[,]
                        {
                            { 1.0, 2 },
                            { 2, 1 },
                        }
                    )
                )
            )
        );
        Assert.StartsWith("weight must be positive", Of(() => GaussianComponent.Full(0, Vector(0), torch.ones(1, 1))));
        Assert.StartsWith(
            "variances must be zero or more, was -1",
            Of(() => GaussianComponent.LowRank(1, Vector(0), torch.ones(1, 1), Vector(-1), 0))
        );
        Assert.StartsWith("a mixture needs at least one component", Of(() => _ = new GaussianMixture()));
        using var flat = GaussianMixture.SeparatedLowRank(3, 2, 1, 1);
        Assert.StartsWith(
            "component 0 has a singular covariance",
            Assert.Throws<InvalidOperationException>(() => flat.LogDensity(torch.zeros(1, 3))).Message
        );
        Assert.StartsWith("sigma must be positive and finite, was -1", Of(() => flat.Score(torch.zeros(1, 3), -1)));
        Assert.StartsWith("points must have shape (any, 3), was (1, 2)", Of(() => flat.Score(torch.zeros(1, 2), 1)));
    }
}
