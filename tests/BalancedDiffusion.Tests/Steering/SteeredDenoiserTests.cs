using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Sampling;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Training;
using FsCheck;
using FsCheck.Fluent;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Steering;

public class SteeredDenoiserTests
{
    /// <summary>One network of each kind with a layer, its width and three noisy samples.</summary>
    private static IEnumerable<(IDenoiser Denoiser, string Layer, int Units, torch.Tensor Noisy)> Kinds()
    {
        yield return (new ReluDae(6, 4, 1), "relu", 4, Normal(2, 3, 6));
        yield return (new ReluDae(6, 4, 1, tied: false), "relu", 4, Normal(2, 3, 6));
        yield return (Diffusion(), "relu", 4, Normal(2, 3, 6));
        yield return (UNet(), Silu, 8, Normal(2, 3, 1, 8, 8));
        yield return (Dit(), Act, 32, Normal(2, 3, 2, 4, 4));
    }

    private static void OnEachKind(Action<IDenoiser, string, int, torch.Tensor> test)
    {
        foreach (var (denoiser, layer, units, noisy) in Kinds())
        {
            using var scope = torch.NewDisposeScope();
            using var network = (torch.nn.Module)denoiser;
            test(denoiser, layer, units, noisy);
        }
    }

    private static SteeringDirection Some(IDenoiser denoiser, string layer, int units) =>
        Direction((torch.nn.Module)denoiser, (layer, Vector(units)));

    [Fact]
    public void StrengthZeroLeavesEveryNetworkAsItIsToTheBit() =>
        OnEachKind(
            (denoiser, layer, units, noisy) =>
            {
                var direction = Some(denoiser, layer, units);
                var plain = denoiser.DenoiseAt(noisy, 0.4);
                Assert.True(
                    Same(
                        plain,
                        new SteeredDenoiser(denoiser, direction, new SteeringOptions { Strength = 0 }).DenoiseAt(
                            noisy,
                            0.4
                        )
                    )
                );
                Assert.True(
                    Same(
                        plain,
                        new SteeredDenoiser(
                            denoiser,
                            direction,
                            new SteeringOptions { LayerWeights = new Dictionary<string, double> { [layer] = 0 } }
                        ).DenoiseAt(noisy, 0.4)
                    )
                );
                Assert.True(Same(plain, new SteeredDenoiser(denoiser, direction.Scaled(0)).DenoiseAt(noisy, 0.4)));
                // With another strength something happens, so that the equality above says something.
                var steered = new SteeredDenoiser(denoiser, direction);
                Assert.True(Difference(steered.DenoiseAt(noisy, 0.4), plain) > 1e-3);
                Assert.Equal(denoiser.SampleShape, steered.SampleShape);
                Assert.Same(direction, steered.Direction);
                Assert.Equal(1, steered.Options.Strength);
            }
        );

    [Fact]
    public void ALevelOutsideTheWindowLeavesItAsItIsToTheBit() =>
        OnEachKind(
            (denoiser, layer, units, noisy) =>
            {
                var steered = new SteeredDenoiser(
                    denoiser,
                    Some(denoiser, layer, units),
                    new SteeringOptions { Window = new SteeringWindow(0.1, 1) }
                );
                foreach (var sigma in new[] { 0.01, 0.09, 1.01, 50 })
                    Assert.True(Same(denoiser.DenoiseAt(noisy, sigma), steered.DenoiseAt(noisy, sigma)), $"{sigma}");
                foreach (var sigma in new[] { 0.1, 0.5, 1 })
                    Assert.False(Same(denoiser.DenoiseAt(noisy, sigma), steered.DenoiseAt(noisy, sigma)), $"{sigma}");
            }
        );

    [Fact]
    public void AReluDaeAnswersByEquation11() =>
        Check.One(
            Config.QuickThrowOnFailure.WithQuietOnSuccess(true),
            Prop.ForAll(
                Gen.Choose(-100, 100).ArrayOf(4).ToArbitrary(),
                Gen.Choose(-50, 50).ToArbitrary(),
                Gen.Elements(true, false).ToArbitrary(),
                (tenths, strength, tied) =>
                {
                    using var scope = torch.NewDisposeScope();
                    using var dae = new ReluDae(6, 4, 1, tied, torch.ScalarType.Float64);
                    double[] v = [.. tenths.Select(t => t / 10.0)];
                    var noisy = Wide(2, 3, 6);
                    var steered = new SteeredDenoiser(
                        dae,
                        Direction(dae, ("relu", v)),
                        new SteeringOptions { Strength = strength / 5.0 }
                    );
                    Assert.True(
                        torch.allclose(
                            steered.DenoiseAt(noisy, 0.2),
                            dae.Decode(dae.Encode(noisy) + strength / 5.0 * torch.tensor(v)),
                            1e-12,
                            1e-12
                        )
                    );
                }
            )
        );

    [Fact]
    public void AReluDiffusionAnswersByEquation11BeforeItsGains()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Diffusion();
        var (noisy, v) = (Normal(2, 3, 6), Vector(4));
        var steered = new SteeredDenoiser(
            model,
            Direction(model, ("relu", v)),
            new SteeringOptions { Strength = -1.7 }
        );
        foreach (var sigma in new[] { torch.tensor(0.3f), torch.tensor([0.1f, 1, 7]) })
            Assert.True(
                Difference(
                    steered.Denoise(noisy, sigma),
                    model.Decode(model.Encode(noisy) - 1.7 * torch.tensor(v, torch.float32), noisy, sigma)
                ) < 1e-6
            );
    }

    [Fact]
    public void OneNumberAChannelAfterAConvolutionIsAnotherBias()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using EdmPreconditioner unet = UNet(type: torch.ScalarType.Float64),
            biased = UNet(type: torch.ScalarType.Float64);
        var (noisy, v) = (Wide(2, 3, 1, 8, 8), Vector(8));
        Parameter(biased, $"{Conv}.bias").add_(torch.tensor(v), 0.7);
        var steered = new SteeredDenoiser(unet, Direction(unet, (Conv, v)), new SteeringOptions { Strength = 0.7 });
        Assert.True(Difference(steered.DenoiseAt(noisy, 0.4), biased.DenoiseAt(noisy, 0.4)) < 1e-12);
        Assert.True(Difference(unet.DenoiseAt(noisy, 0.4), biased.DenoiseAt(noisy, 0.4)) > 1e-3);
    }

    [Fact]
    public void OneNumberAUnitInsideATransformerIsAnotherBiasOfTheNextLayer()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using DitDenoiser dit = Dit(type: torch.ScalarType.Float64),
            biased = Dit(type: torch.ScalarType.Float64);
        var (noisy, v) = (Wide(2, 3, 2, 4, 4), Vector(32));
        // W2 (h + a v) + b = W2 h + (b + a W2 v), at every token.
        var weight = Parameter(biased, "network.blocks.0.mlp.fc2.weight");
        Parameter(biased, "network.blocks.0.mlp.fc2.bias").add_(torch.matmul(weight, torch.tensor(v)), -2.5);
        var steered = new SteeredDenoiser(dit, Direction(dit, (Act, v)), new SteeringOptions { Strength = -2.5 });
        Assert.True(Difference(steered.DenoiseAt(noisy, 0.4), biased.DenoiseAt(noisy, 0.4)) < 1e-12);
        Assert.True(Difference(dit.DenoiseAt(noisy, 0.4), biased.DenoiseAt(noisy, 0.4)) > 1e-3);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void OneNumberAPlaceIsAddedWhereItBelongs(bool transformer)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var (denoiser, layer, shape, noisy) = transformer
            ? ((IDenoiser)Dit(), Act, new long[] { 4, 32 }, Normal(2, 3, 2, 4, 4))
            : (UNet(), Silu, [8, 8, 8], Normal(2, 3, 1, 8, 8));
        using var network = (torch.nn.Module)denoiser;
        var v = Vector((int)shape.Aggregate(1L, (a, b) => a * b));
        var steered = new SteeredDenoiser(
            denoiser,
            Direction(network, (layer, v)),
            new SteeringOptions { Strength = 0.5 }
        ).DenoiseAt(noisy, 0.4);
        // Row-major by hand: the last axis runs fastest.
        var position = 0;
        var places = torch.zeros(shape);
        if (transformer)
            for (var token = 0; token < 4; token++)
            for (var unit = 0; unit < 32; unit++)
                places[token, unit] = (float)v[position++];
        else
            for (var c = 0; c < 8; c++)
            for (var y = 0; y < 8; y++)
            for (var x = 0; x < 8; x++)
                places[c, y, x] = (float)v[position++];
        var remove = Hook(network, layer, h => h + 0.5 * places);
        var expected = denoiser.DenoiseAt(noisy, 0.4);
        remove();
        Assert.True(Difference(steered, expected) < 1e-5);
        Assert.True(Difference(denoiser.DenoiseAt(noisy, 0.4), expected) > 1e-3);
    }

    [Fact]
    public void ARecorderThatWasThereBeforeSeesTheLayerUnsteeredAndWhatFollowsSteered()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var dit = Dit(type: torch.ScalarType.Float64);
        var (noisy, v) = (Wide(2, 3, 2, 4, 4), Vector(32));
        using var recorder = new ActivationRecorder(dit, [Act, "network.blocks.0.mlp.fc2"]);
        dit.DenoiseAt(noisy, 0.4);
        var (h, next) = (recorder.Last(Act), recorder.Last("network.blocks.0.mlp.fc2"));
        new SteeredDenoiser(dit, Direction(dit, (Act, v)), new SteeringOptions { Strength = 3 }).DenoiseAt(noisy, 0.4);
        Assert.True(Same(h, recorder.Last(Act)));
        var shift = 3 * torch.matmul(Parameter(dit, "network.blocks.0.mlp.fc2.weight"), torch.tensor(v));
        Assert.True(torch.allclose(next + shift, recorder.Last("network.blocks.0.mlp.fc2"), 1e-10, 1e-10));
    }

    [Fact]
    public void LayerWeightsScaleTheLayersNamedAndNoOthers()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using DitDenoiser dit = Dit(type: torch.ScalarType.Float64),
            biased = Dit(type: torch.ScalarType.Float64);
        var noisy = Wide(2, 3, 2, 4, 4);
        const string secondLayer = "network.blocks.1.mlp.act";
        double[] first = Vector(32, 5),
            second = Vector(32, 6);
        foreach (var (block, v, factor) in new[] { (0, first, 2 * -0.3), (1, second, 2.0) })
            Parameter(biased, $"network.blocks.{block}.mlp.fc2.bias")
                .add_(
                    torch.matmul(Parameter(biased, $"network.blocks.{block}.mlp.fc2.weight"), torch.tensor(v)),
                    factor
                );
        var steered = new SteeredDenoiser(
            dit,
            Direction(dit, (Act, first), (secondLayer, second)),
            new SteeringOptions
            {
                Strength = 2,
                LayerWeights = new Dictionary<string, double> { [Act] = -0.3 },
            }
        );
        Assert.True(Difference(steered.DenoiseAt(noisy, 0.4), biased.DenoiseAt(noisy, 0.4)) < 1e-11);
    }

    [Fact]
    public void PixelsAreSteeredInTheEstimate()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var dit = Dit(type: torch.ScalarType.Float64);
        var (noisy, concept) = (Wide(2, 3, 2, 4, 4), Wide(7, 5, 2, 4, 4));
        var steered = new SteeredDenoiser(
            dit,
            SteeringDirection.FromPixels(dit, concept),
            new SteeringOptions { Strength = 0.3, Window = new SteeringWindow(0, 1) }
        );
        var sigma = torch.tensor([0.5, 2, 0.9]);
        var expected = dit.Denoise(noisy, sigma) + torch.tensor([0.3, 0, 0.3]).reshape(3, 1, 1, 1) * concept.mean([0L]);
        Assert.True(torch.allclose(expected, steered.Denoise(noisy, sigma), 1e-12, 1e-12));
    }

    [Fact]
    public void OnlySamplesWhoseLevelIsInTheWindowChange() =>
        OnEachKind(
            (denoiser, layer, units, noisy) =>
            {
                using var noGrad = torch.no_grad();
                var direction = Some(denoiser, layer, units);
                var sigma = torch.tensor([5f, 0.5f, 0.05f]);
                var plain = denoiser.Denoise(noisy, sigma);
                var everywhere = new SteeredDenoiser(denoiser, direction).Denoise(noisy, sigma);
                var within = new SteeredDenoiser(
                    denoiser,
                    direction,
                    new SteeringOptions { Window = new SteeringWindow(0.1, 1) }
                ).Denoise(noisy, sigma);
                Assert.True(Same(plain[0], within[0]) && Same(plain[2], within[2]));
                Assert.True(Difference(within.narrow(0, 1, 1), everywhere.narrow(0, 1, 1)) < 1e-6);
                for (var i = 0; i < 3; i++)
                    Assert.False(Same(plain[i], everywhere[i]), $"{i}");
            }
        );

    [Fact]
    public void ARowOfABatchIsTheRowAlone() =>
        OnEachKind(
            (denoiser, layer, units, noisy) =>
            {
                using var noGrad = torch.no_grad();
                var steered = new SteeredDenoiser(
                    denoiser,
                    Some(denoiser, layer, units),
                    new SteeringOptions { Strength = 0.8, Window = new SteeringWindow(0.1, 10) }
                );
                var sigma = torch.tensor([5f, 0.5f, 0.05f]);
                var together = steered.Denoise(noisy, sigma);
                for (var i = 0; i < 3; i++)
                {
                    Assert.True(
                        Difference(
                            steered.Denoise(noisy.narrow(0, i, 1), sigma.narrow(0, i, 1)),
                            together.narrow(0, i, 1)
                        ) < 1e-5
                    );
                    Assert.True(
                        Difference(steered.Denoise(noisy.narrow(0, i, 1), sigma[i]), together.narrow(0, i, 1)) < 1e-5
                    );
                }
            }
        );

    [Fact]
    public void ASampleIsTheSameAloneAndInAnyBatchThroughASampler() =>
        OnEachKind(
            (denoiser, layer, units, _) =>
            {
                var levels = new GeometricSchedule(3, 0.1).Levels(6);
                var steered = new SteeredDenoiser(
                    denoiser,
                    Some(denoiser, layer, units),
                    new SteeringOptions { Strength = 0.3, Window = SteeringWindow.OfSteps(levels, 1, 4) }
                );
                var all = new DpmSolverSampler().Draw(steered, 4, levels, seed: 3);
                Assert.True(Difference(new DpmSolverSampler().Draw(steered, 4, levels, seed: 3, batch: 3), all) < 1e-5);
                for (var i = 0; i < 4; i++)
                    Assert.True(
                        Difference(
                            new DpmSolverSampler().Draw(steered, 1, levels, seed: 3, firstIndex: i),
                            all.narrow(0, i, 1)
                        ) < 1e-5,
                        $"{i}"
                    );
                Assert.True(Difference(new DpmSolverSampler().Draw(denoiser, 4, levels, seed: 3), all) > 1e-3);
            }
        );

    /// <summary>Asks one denoiser at some calls and another at the rest.</summary>
    private sealed class Switch(IDenoiser steered, IDenoiser plain, int first, int last) : IDenoiser
    {
        private int calls;

        public IReadOnlyList<long> SampleShape => plain.SampleShape;

        public torch.Tensor Denoise(torch.Tensor noisy, torch.Tensor sigma) =>
            (calls++ is var call && call >= first && call <= last ? steered : plain).Denoise(noisy, sigma);
    }

    [Fact]
    public void AWindowOfStepsSteersThoseStepsOfASampler()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Diffusion();
        var direction = Some(model, "relu", 4);
        var levels = new KarrasSchedule(10, 0.02).Levels(12);
        foreach (var (first, last) in new[] { (0, 11), (3, 7), (5, 5), (11, 11) })
        {
            var windowed = new SteeredDenoiser(
                model,
                direction,
                new SteeringOptions { Window = SteeringWindow.OfSteps(levels, first, last) }
            );
            var byHand = new Switch(new SteeredDenoiser(model, direction), model, first, last);
            Assert.True(
                Same(
                    new DpmSolverSampler().Draw(byHand, 3, levels, seed: 1),
                    new DpmSolverSampler().Draw(windowed, 3, levels, seed: 1)
                ),
                $"{first} to {last}"
            );
        }
    }

    [Fact]
    public void NothingStaysBehindAfterACall() =>
        OnEachKind(
            (denoiser, layer, units, noisy) =>
            {
                var network = (torch.nn.Module)denoiser;
                var plain = denoiser.DenoiseAt(noisy, 0.4);
                var steered = new SteeredDenoiser(denoiser, Some(denoiser, layer, units));
                var first = steered.DenoiseAt(noisy, 0.4);
                Assert.True(Same(plain, denoiser.DenoiseAt(noisy, 0.4)));
                // Neither does a second call add twice.
                Assert.True(Same(first, steered.DenoiseAt(noisy, 0.4)));

                // Wrong shape: the network throws before its layer or in it.
                Assert.ThrowsAny<Exception>(() =>
                    steered.DenoiseAt(noisy.narrow(1, 0, 1).flatten(1).narrow(1, 0, 5), 0.4)
                );
                Assert.True(Same(plain, denoiser.DenoiseAt(noisy, 0.4)));

                // Wrong width: the hook itself throws.
                var wide = new SteeredDenoiser(denoiser, Direction(network, (layer, Vector(units + 1))));
                Refused<InvalidOperationException>(
                    $"and the direction has {units + 1} units there; make the direction on this network, with "
                        + "the same image size",
                    () => wide.DenoiseAt(noisy, 0.4)
                );
                Assert.True(Same(plain, denoiser.DenoiseAt(noisy, 0.4)));

                // The network throws after its layer was steered.
                var failing = true;
                var remove = Hook(
                    network,
                    layer,
                    h => failing ? throw new OperationCanceledException("in the middle") : h
                );
                Assert.Throws<OperationCanceledException>(() => steered.DenoiseAt(noisy, 0.4));
                failing = false;
                Assert.True(Same(plain, denoiser.DenoiseAt(noisy, 0.4)));
                remove();
            }
        );

    [Fact]
    public void NothingStaysBehindWhereALaterModuleThrows()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit();
        var noisy = Normal(2, 3, 2, 4, 4);
        var plain = dit.DenoiseAt(noisy, 0.4);
        var steered = new SteeredDenoiser(dit, Some(dit, Act, 32));
        // Its vector stays.
        steered.DenoiseAt(noisy, 0.4).Dispose();
        var remove = Hook(dit, "network.blocks.1.mlp.act", _ => throw new OperationCanceledException("in the middle"));
        var before = Live;
        Assert.Throws<OperationCanceledException>(() => steered.DenoiseAt(noisy, 0.4));
        remove();
        Assert.Equal(before, Live);
        Assert.True(Same(plain, dit.DenoiseAt(noisy, 0.4)));
    }

    [Fact]
    public void NothingStaysBehindWhereASamplerIsStoppedInTheMiddle() =>
        OnEachKind(
            (denoiser, layer, units, noisy) =>
            {
                var plain = denoiser.DenoiseAt(noisy, 0.4);
                var steered = new SteeredDenoiser(
                    denoiser,
                    Some(denoiser, layer, units),
                    new SteeringOptions { Strength = 0.3 }
                );
                using var source = new CancellationTokenSource();
                var levels = new GeometricSchedule(3, 0.1).Levels(6);
                // Its vector stays.
                steered.DenoiseAt(noisy, 0.4).Dispose();
                var before = Live;
                Assert.ThrowsAny<OperationCanceledException>(() =>
                    new DpmSolverSampler().Draw(
                        steered,
                        2,
                        levels,
                        seed: 3,
                        progress: new CallbackProgress<int>(step =>
                        {
                            if (step == 3)
                                source.Cancel();
                        }),
                        cancellation: source.Token
                    )
                );
                Assert.Equal(before, Live);
                Assert.True(Same(plain, denoiser.DenoiseAt(noisy, 0.4)));
            }
        );

    [Fact]
    public void TwoSteeringsOfOneLayerAdd()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1, tied: false);
        var noisy = Normal(2, 3, 6);
        // Powers of two and short numbers, so that the sums are exact in any order.
        double[] v = [1, -2, 0.5, 4],
            u = [8, 0, -0.25, 1];
        var inner = new SteeredDenoiser(dae, Direction(dae, ("relu", v)), new SteeringOptions { Strength = 2 });
        var outer = new SteeredDenoiser(
            inner,
            Direction(dae, ("relu", u)),
            new SteeringOptions { Strength = -1, Network = dae }
        );
        var both = outer.DenoiseAt(noisy, 0.2);
        var sum = SteeringDirection.Combine((inner.Direction, 2), (outer.Direction, -1));
        Assert.True(
            torch.allclose(both, dae.Decode(dae.Encode(noisy) + torch.tensor([-6f, -4, 1.25f, 7])), 1e-5, 1e-5)
        );
        Assert.True(torch.allclose(both, new SteeredDenoiser(dae, sum).DenoiseAt(noisy, 0.2), 1e-5, 1e-5));
        var wide = dae.Encode(noisy);
        using (var exact = new ReluDae(torch.eye(4), torch.eye(4)))
        {
            // Through identities, with representations on a grid, nothing is rounded at all.
            var grid = torch.tensor([1f, 0, 3, 0.5f, 0, 2, 0.25f, 1]).reshape(2, 4);
            var first = new SteeredDenoiser(exact, Direction(exact, ("relu", v)), new SteeringOptions { Strength = 2 });
            var second = new SteeredDenoiser(
                first,
                Direction(exact, ("relu", u)),
                new SteeringOptions { Strength = -1, Network = exact }
            );
            Assert.Equal([-5, -4, 4.25, 7.5, -6, -2, 1.5, 8], Numbers(second.DenoiseAt(grid, 0.2)));
            Assert.Equal(Numbers(grid), Numbers(exact.DenoiseAt(grid, 0.2)));
        }
        Assert.True(Same(wide, dae.Encode(noisy)));
    }

    [Theory]
    [InlineData(3.5)]
    [InlineData(-1)]
    [InlineData(1)]
    public void UnderGuidanceInOneRunTheConditionalHalfAloneIsSteered(double guidance)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var dit = Dit(type: torch.ScalarType.Float64);
        var noisy = Wide(2, 3, 2, 4, 4);
        var direction = Direction(dit, (Act, Vector(32)), ("network.blocks.1", Vector(8, 6)));
        foreach (
            var options in new[]
            {
                new SteeringOptions { Network = dit, Strength = 0.7 },
                new SteeringOptions { Network = dit, Window = new SteeringWindow(0.1, 1) },
            }
        )
        foreach (var sigma in new[] { torch.tensor(0.5), torch.tensor([0.5, 3, 0.2]) })
        {
            var expected = new GuidedDenoiser(
                new SteeredDenoiser(dit.WithLabel(2), direction, options),
                dit.WithLabel(dit.Classes),
                guidance
            ).Denoise(noisy, sigma);
            var found = new SteeredDenoiser(dit.WithLabel(2, guidance), direction, options).Denoise(noisy, sigma);
            Assert.True(Difference(found, expected) < 1e-11);
            Assert.True(Difference(dit.WithLabel(2, guidance).Denoise(noisy, sigma), expected) > 1e-3);
        }
    }

    [Fact]
    public void UnderGuidanceOfTwoDenoisersTheOneThatIsGivenIsSteered()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        var options = Nano with { LabelDim = 3 };
        using EdmPreconditioner unet = UNet(type: torch.ScalarType.Float64, options: options),
            biased = UNet(type: torch.ScalarType.Float64, options: options);
        var (noisy, v) = (Wide(2, 3, 1, 8, 8), Vector(8));
        Parameter(biased, $"{Conv}.bias").add_(torch.tensor(v));
        var conditional = new SteeredDenoiser(
            unet.WithLabels(1),
            Direction(unet, (Conv, v)),
            new SteeringOptions { Network = unet }
        );
        var found = new GuidedDenoiser(conditional, unet.WithoutLabels(), 3.5).DenoiseAt(noisy, 0.5);
        // The steered network is one with another bias; the empty one is the network itself.
        var (with, without) = (biased.WithLabels(1).DenoiseAt(noisy, 0.5), unet.WithoutLabels().DenoiseAt(noisy, 0.5));
        Assert.True(Difference(found, without + 3.5 * (with - without)) < 1e-11);
        Assert.True(Difference(found, biased.WithoutLabels().DenoiseAt(noisy, 0.5) * -2.5 + 3.5 * with) > 1e-3);
    }

    [Fact]
    public void AGradientPassesThroughIt()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(torch.eye(4, dtype: torch.float64) * 2, torch.eye(4, dtype: torch.float64) * 3);
        var noisy = torch.tensor([1.0, -1, 2, -2]).reshape(1, 4).requires_grad_();
        var steered = new SteeredDenoiser(dae, Direction(dae, ("relu", [1, 1, 1, 1])));
        var estimate = steered.Denoise(noisy, torch.tensor(0.2));
        Assert.Equal([9, 3, 15, 3], Numbers(estimate));
        estimate.sum().backward();
        Assert.Equal([6, 0, 6, 0], Numbers(noisy.grad!));
    }

    [Fact]
    public void AThousandSteeredCallsLeaveNoTensorBehind()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var dae = new ReluDae(6, 4, 1);
        using var dit = Dit();
        var (vectors, images) = (Normal(2, 2, 6), Normal(2, 2, 2, 4, 4));
        using torch.Tensor mixed = torch.tensor([0.5f, 5]),
            one = torch.tensor(0.4f);
        var window = new SteeringWindow(0, 1);
        var onDae = new SteeredDenoiser(
            dae,
            Direction(dae, ("relu", Vector(4)), (SteeringDirection.Output, Vector(6))),
            new SteeringOptions { Window = window }
        );
        var onDit = new SteeredDenoiser(
            dit.WithLabel(1, 3),
            Direction(dit, (Act, Vector(32))),
            new SteeringOptions { Window = window, Network = dit }
        );
        var fresh = Live;
        onDae.Denoise(vectors, mixed).Dispose();
        onDit.Denoise(images, mixed).Dispose();
        // Its vectors stay: one a layer.
        var before = Live;
        Assert.Equal(fresh + 3, before);
        for (var i = 0; i < 1000; i++)
        {
            onDae.Denoise(vectors, mixed).Dispose();
            onDae.Denoise(vectors, one).Dispose();
        }
        for (var i = 0; i < 100; i++)
            onDit.Denoise(images, mixed).Dispose();
        Assert.Equal(before, Live);
        using var kept = onDae.Denoise(vectors, one);
        Assert.Equal(before + 1, Live);
        onDae.Dispose();
        onDit.Dispose();
        Assert.Equal(fresh + 1, Live);
    }

    [Fact]
    public void AVectorIsMadeOnceForATypeAndUsedAgain()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        using var steered = new SteeredDenoiser(dae, Direction(dae, ("relu", Vector(4))));
        var noisy = Normal(2, 3, 6);
        long Made(torch.Tensor batch)
        {
            using var inner = torch.NewDisposeScope();
            var before = DisposeScopeManager.Statistics.TensorStatistics.CreatedInScopeCount;
            steered.DenoiseAt(batch, 0.3);
            return DisposeScopeManager.Statistics.TensorStatistics.CreatedInScopeCount - before;
        }
        var (first, second, third) = (Made(noisy), Made(noisy), Made(noisy));
        Assert.True(first > second, $"{first}, {second}");
        Assert.Equal(second, third);
        // Moved to another type, the network is steered in that type.
        dae.to(torch.float64);
        var wide = noisy.to_type(torch.float64);
        var (moved, again) = (Made(wide), Made(wide));
        Assert.True(moved > again, $"{moved}, {again}");
        Assert.Equal(again, Made(wide));
        var expected = dae.Decode(dae.Encode(wide) + torch.tensor(Vector(4)));
        Assert.True(Same(expected, steered.DenoiseAt(wide, 0.3)));
        // Freed, it makes them anew.
        steered.Dispose();
        Assert.True(Same(expected, steered.DenoiseAt(wide, 0.3)));
    }

    [Fact]
    public void TheAnswerOutlivesAScopeOfTheCallers()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        var steered = new SteeredDenoiser(
            dae,
            Some(dae, "relu", 4),
            new SteeringOptions { Window = new SteeringWindow(0, 1) }
        );
        foreach (var sigma in new[] { 0.5, 5 })
        {
            torch.Tensor kept;
            using (torch.NewDisposeScope())
                kept = steered.DenoiseAt(Normal(2, 3, 6), sigma).MoveToOuterDisposeScope();
            Assert.Equal(18, Numbers(kept).Length);
        }
    }

    [Fact]
    public void ADirectionOfAnotherNetworkIsRefusedUnlessItIsMeant()
    {
        using var scope = torch.NewDisposeScope();
        using ReluDae dae = new(6, 4, 1),
            twin = new(6, 4, 1),
            other = new(6, 4, 2),
            wide = new(6, 5, 1);
        var direction = Direction(other, ("relu", [1, 2, 3, 4]));
        Refused<ArgumentException>(
            "the direction was made on another network (ReluDae with 24 weights, checksum",
            () => _ = new SteeredDenoiser(dae, direction)
        );
        var noisy = Normal(2, 3, 6);
        var expected = dae.Decode(dae.Encode(noisy) + torch.tensor([1f, 2, 3, 4]));
        Assert.True(
            torch.allclose(
                expected,
                new SteeredDenoiser(dae, direction, new SteeringOptions { AnyModel = true }).DenoiseAt(noisy, 0.2),
                1e-5,
                1e-5
            )
        );
        // A twin, weight by weight, is the same network.
        Assert.True(
            torch.allclose(
                expected,
                new SteeredDenoiser(dae, Direction(twin, ("relu", [1, 2, 3, 4]))).DenoiseAt(noisy, 0.2),
                1e-5,
                1e-5
            )
        );
        // Even where it is meant, layers must be there and be as wide.
        Refused<InvalidOperationException>(
            "the module 'relu' gives (3, 5), and the direction has 4 units there",
            () => new SteeredDenoiser(wide, direction, new SteeringOptions { AnyModel = true }).DenoiseAt(noisy, 0.2)
        );
        using var dit = Dit();
        Refused<ArgumentException>(
            "the model has no module 'relu' that can be steered; it has",
            () => _ = new SteeredDenoiser(dit, direction, new SteeringOptions { AnyModel = true })
        );
    }

    [Fact]
    public void WhatCannotBeSteeredIsRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        using var dit = Dit();
        using var unet = UNet(options: Nano with { AugmentDim = 9 });
        var direction = Direction(dae, ("relu", [1, 2, 3, 4]));
        foreach (var strength in new[] { double.NaN, double.PositiveInfinity, double.NegativeInfinity })
            Refused<ArgumentOutOfRangeException>(
                $"Strength must be finite, was {strength}",
                () => _ = new SteeringOptions { Strength = strength }
            );
        SteeringOptions Weighing(string layer, double weight) =>
            new() { LayerWeights = new Dictionary<string, double> { [layer] = weight } };
        Refused<ArgumentException>(
            "LayerWeights must hold finite weights of the direction's layers, had 'gelu' with 1; the layers are 'relu'",
            () => _ = new SteeredDenoiser(dae, direction, Weighing("gelu", 1))
        );
        Refused<ArgumentException>(
            "had 'relu' with NaN",
            () => _ = new SteeredDenoiser(dae, direction, Weighing("relu", double.NaN))
        );
        Refused<ArgumentException>(
            "is no network with modules; name the network that it asks as Network in the options",
            () =>
                _ = new SteeredDenoiser(new GuidedDenoiser(dit.WithLabel(1), dit, 2), Direction(dit, (Act, Vector(32))))
        );
        Assert.Throws<ArgumentNullException>(() => new SteeredDenoiser(null!, direction));
        Assert.Throws<ArgumentNullException>(() => new SteeredDenoiser(dae, null!));
        Assert.Throws<ArgumentNullException>(() => _ = new SteeringOptions { LayerWeights = null! });
        Assert.Throws<ArgumentNullException>(() => _ = new SteeringOptions { Window = null! });

        var images = Normal(2, 3, 1, 8, 8);
        var plain = unet.DenoiseAt(images, 0.4);
        Refused<InvalidOperationException>(
            "the module 'model.map_augment' did not run, so it cannot be steered",
            () => new SteeredDenoiser(unet, Direction(unet, ("model.map_augment", Vector(8)))).DenoiseAt(images, 0.4)
        );
        Refused<InvalidOperationException>(
            "the module 'model.map_layer0' gives (1, 32) for a batch of 3, which is not one representation a "
                + "sample; choose another module",
            () => new SteeredDenoiser(unet, Direction(unet, ("model.map_layer0", Vector(32)))).DenoiseAt(images, 0.4)
        );
        Assert.True(Same(plain, unet.DenoiseAt(images, 0.4)));
        // Another network than the one that is asked: its modules never run.
        using var idle = new ReluDae(6, 4, 1);
        Refused<InvalidOperationException>(
            "the module 'relu' did not run",
            () =>
                new SteeredDenoiser(dae, direction, new SteeringOptions { Network = idle }).DenoiseAt(
                    Normal(2, 3, 6),
                    0.2
                )
        );
    }

    [Fact]
    public void AsManyLevelsAsSamplesOrOneAreAskedForAlsoWhereTheNetworkDoesNotLookAtThem()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        var steered = new SteeredDenoiser(
            dae,
            Some(dae, "relu", 4),
            new SteeringOptions { Window = new SteeringWindow(0, 1) }
        );
        var plain = dae.DenoiseAt(Normal(2, 3, 6), 1);
        Refused<ArgumentException>(
            "sigma must have shape () or (3), was (2)",
            () => steered.Denoise(Normal(2, 3, 6), torch.tensor([0.5f, 5]))
        );
        Refused<ArgumentException>(
            "sigma must have shape () or (3), was (4)",
            () => steered.Denoise(Normal(2, 3, 6), torch.tensor([0.5f, 5, 5, 5]))
        );
        Assert.Throws<ArgumentNullException>(() => steered.Denoise(null!, torch.tensor(1f)));
        Assert.Throws<ArgumentNullException>(() => steered.Denoise(Normal(2, 3, 6), null!));
        Assert.True(Same(plain, dae.DenoiseAt(Normal(2, 3, 6), 1)));
    }
}
