using BalancedDiffusion.Noise;
using BalancedDiffusion.Sampling;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;

namespace BalancedDiffusion.Tests.Sampling;

public class SamplerPropertyTests
{
    private static readonly Config Quiet = Config.QuickThrowOnFailure.WithQuietOnSuccess(true).WithMaxTest(60);

    private static Gen<ISampler> AnySampler =>
        Gen.Elements<ISampler>([.. SamplerLab.All, new HeunSampler(50, 0.1, 3, 1.05), new DdimSampler(1)]);

    /// <summary>Levels with random gaps, ending at 0 or above it.</summary>
    private static Gen<double[]> Levels =>
        Gen.Choose(1, 1000)
            .ArrayOf(6)
            .Zip(Gen.Choose(2, 6))
            .Zip(Gen.Elements(true, false))
            .Select(p =>
            {
                var levels = new List<double> { 0.02 };
                foreach (var gap in p.Item1.Item1.Take(p.Item1.Item2))
                    levels.Insert(0, levels[0] + gap / 200.0);
                if (p.Item2)
                    levels.Add(0);
                return levels.ToArray();
            });

    private static readonly SamplerLab.From Bimodal = new(
        3,
        (y, s) => (y / (0.2 + s * s)).tanh() * (1 / (1 + s * s)) + y * (0.2 / (0.2 + s * s))
    );

    [Fact]
    public void ASampleIsTheSameAloneAndInAnyBatch() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                AnySampler.ToArbitrary(),
                Levels.ToArbitrary(),
                Gen.Choose(1, 12).Two().Zip(Gen.Choose(0, 10_000)).ToArbitrary(),
                (sampler, levels, sizes) =>
                {
                    using var scope = torch.NewDisposeScope();
                    var ((count, batch), seed) = sizes;
                    var options = new SamplingOptions
                    {
                        Seed = seed,
                        FirstIndex = seed % 7,
                        BatchSize = batch,
                    };
                    var all = sampler.Draw(Bimodal, count, levels, options);
                    Assert.Equal([count, 3L], all.shape);
                    for (var i = 0; i < count; i++)
                        Assert.True(
                            torch.allclose(
                                all[i],
                                sampler.Draw(Bimodal, 1, levels, options with { FirstIndex = options.FirstIndex + i })[
                                    0
                                ],
                                1e-5,
                                1e-5
                            ),
                            $"{sampler}, sample {i} of {count}"
                        );
                }
            )
        );

    [Fact]
    public void BothPrecisionsTakeTheSamePath() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                AnySampler.ToArbitrary(),
                Levels.ToArbitrary(),
                Gen.Choose(0, 10_000).ToArbitrary(),
                (sampler, levels, seed) =>
                {
                    using var scope = torch.NewDisposeScope();
                    var narrow = sampler.Draw(Bimodal, 3, levels, new SamplingOptions { Seed = seed });
                    var wide = sampler.Draw(
                        Bimodal,
                        3,
                        levels,
                        new SamplingOptions { Seed = seed, Type = torch.ScalarType.Float64 }
                    );
                    Assert.Equal((torch.float32, torch.float64), (narrow.dtype, wide.dtype));
                    Assert.True(torch.allclose(narrow.to_type(torch.float64), wide, 1e-3, 1e-3), $"{sampler}");
                }
            )
        );

    [Fact]
    public void APointMassIsReachedExactlyInOneStepOrMany() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                AnySampler.ToArbitrary(),
                Levels.Where(l => l[^1] == 0).ToArbitrary(),
                Gen.Choose(-50, 50).ToArbitrary(),
                (sampler, levels, tenths) =>
                {
                    using var scope = torch.NewDisposeScope();
                    var point = new SamplerLab.From(3, (y, _) => torch.full_like(y, tenths / 10.0));
                    var ends = sampler.Draw(point, 4, levels, seed: 1).data<float>().ToArray();
                    Assert.All(ends, x => Assert.Equal(tenths / 10f, x));
                }
            )
        );

    [Fact]
    public void AFlatWorldGivesBackItsNoise() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                Gen.Elements(SamplerLab.Deterministic).ToArbitrary(),
                Levels.Where(l => l[^1] > 0).ToArbitrary(),
                (sampler, levels) =>
                {
                    // All data at 0: the flow scales every start by the ratio of the levels, exactly, for every
                    // deterministic method.
                    using var scope = torch.NewDisposeScope();
                    var zero = new SamplerLab.From(3, (y, _) => torch.zeros_like(y));
                    var start = GaussianNoise.Draw([4, 3], 1, torch.float64);
                    Assert.True(
                        torch.allclose(
                            start * (levels[^1] / levels[0]),
                            sampler.Sample(zero, start, levels),
                            1e-9,
                            1e-12
                        ),
                        $"{sampler}"
                    );
                }
            )
        );

    [Fact]
    public void ScalingTheWorldScalesTheSamples() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                AnySampler.Where(s => s is not HeunSampler { ChurnMin: > 0 }).ToArbitrary(),
                Levels.ToArbitrary(),
                Gen.Choose(1, 400).ToArbitrary(),
                (sampler, levels, percent) =>
                {
                    // If all lengths grow by a, so do the samples: f_a(y, s) = a f(y/a, s/a).
                    using var scope = torch.NewDisposeScope();
                    var a = percent / 100.0;
                    var scaled = new SamplerLab.From(3, (y, s) => Bimodal.Denoise(y / a, torch.tensor(s / a)) * a);
                    var start = GaussianNoise.Draw([4, 3], 1, torch.float64);
                    var plain = sampler.Sample(Bimodal, start, levels, seed: 3);
                    Assert.True(
                        torch.allclose(
                            plain * a,
                            sampler.Sample(scaled, start * a, [.. levels.Select(s => s * a)], seed: 3),
                            1e-6,
                            1e-6 * a
                        ),
                        $"{sampler}"
                    );
                }
            )
        );

    [Fact]
    public void ADenoiserThatReturnsItsInputLeavesDeterministicSamplersWhereTheyAre() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                Gen.Elements(SamplerLab.Deterministic).ToArbitrary(),
                Levels.ToArbitrary(),
                (sampler, levels) =>
                {
                    using var scope = torch.NewDisposeScope();
                    var start = GaussianNoise.Draw([4, 3], 1, torch.float64);
                    foreach (
                        var same in new[]
                        {
                            new SamplerLab.From(3, (y, _) => y),
                            new SamplerLab.From(3, (y, _) => y.alias()),
                        }
                    )
                        Assert.True(
                            torch.allclose(start, sampler.Sample(same, start, levels), 1e-9, 1e-12),
                            $"{sampler}"
                        );
                }
            )
        );
}
