using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Denoisers;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Steering;
using BalancedDiffusion.Tests.Checkpoints;
using FsCheck;
using FsCheck.Fluent;
using MathNet.Numerics.Distributions;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;
using static BalancedDiffusion.Tests.Steering.SteeringLab;

namespace BalancedDiffusion.Tests.Steering;

public class SteeringDirectionTests
{
    private static readonly Config Quiet = Config.QuickThrowOnFailure.WithQuietOnSuccess(true);

    /// <summary>So little noise that a float64 network does not see it at the accuracy asked for here.</summary>
    private static readonly SteeringReferences Noiseless = new() { Sigmas = [1e-9] };

    private static void Near(IReadOnlyList<double> expected, IReadOnlyList<double> actual, double within = 1e-7)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (var i = 0; i < expected.Count; i++)
            Assert.Equal(expected[i], actual[i], within);
    }

    /// <summary>Two layers of the ReLU diffusion with numbers of the property's choice.</summary>
    private static Gen<(double[] Relu, double[] Times)> TwoLayers =>
        Gen.Choose(-1000, 1000)
            .ArrayOf(7)
            .Select(n => (n.Take(4).Select(v => v / 10.0).ToArray(), n.Skip(4).Select(v => v / 7.0).ToArray()));

    private static SteeringDirection Of(torch.nn.Module network, (double[] Relu, double[] Times) vectors) =>
        Direction(network, ("relu", vectors.Relu), ("time_mlp.0", vectors.Times));

    [Fact]
    public void FromPositiveReferencesAloneItIsTheirMeanRepresentation()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1, dtype: torch.ScalarType.Float64);
        var (positive, negative) = (Wide(2, 9, 6), Wide(3, 5, 6));
        var mean = SteeringDirection.FromReferences(dae, ["relu"], positive, references: Noiseless);
        Assert.Equal(["relu"], mean.Layers);
        Assert.Equal(ModelFingerprint.Of(dae), mean.Model);
        Near(Numbers(dae.Encode(positive).mean([0L])), mean["relu"]);
        Assert.Equal(Numbers(dae.Encode(positive).mean([0L]).norm())[0], mean.Norm, 1e-7);

        var difference = SteeringDirection.FromReferences(dae, ["relu"], positive, negative, Noiseless);
        Near(Numbers(dae.Encode(positive).mean([0L]) - dae.Encode(negative).mean([0L])), difference["relu"]);
        // The same images on both sides leave nothing, noise included.
        Assert.Equal(
            0,
            SteeringDirection
                .FromReferences(dae, ["relu"], positive, positive, new SteeringReferences { Sigmas = [0.7] })
                .Norm
        );
    }

    [Theory]
    [InlineData(1, 0.4)]
    [InlineData(1, 0.4, 2.0)]
    [InlineData(3, 0.4, 2.0)]
    public void NoisedReferencesHaveTheMeanOfARectifiedGaussianAveragedOverLevelsAndDraws(
        int draws,
        params double[] sigmas
    )
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        const int rows = 4000;
        var image = Normal(2, 1, 6);
        var found = SteeringDirection.FromReferences(
            dae,
            ["relu"],
            image.expand(rows, 6),
            references: new SteeringReferences
            {
                Sigmas = sigmas,
                Draws = draws,
                Seed = 3,
                BatchSize = 1500,
            }
        )["relu"];
        // w·(x + sigma eps) is N(m, s²) with s = sigma ‖w‖, and E relu of that is m Φ(m/s) + s φ(m/s).
        var (middles, lengths) = (Numbers(torch.matmul(image, dae.Encoder.t())), Numbers(dae.Encoder.norm(1)));
        for (var unit = 0; unit < 4; unit++)
        {
            var m = middles[unit];
            var expected = sigmas.Average(sigma =>
                m * Normal01.CumulativeDistribution(m / (sigma * lengths[unit]))
                + sigma * lengths[unit] * Normal01.Density(m / (sigma * lengths[unit]))
            );
            Assert.Equal(expected, found[unit], 5 * sigmas.Max() * lengths[unit] / Math.Sqrt(rows * draws));
        }
    }

    private static Normal Normal01 { get; } = new(0, 1);

    [Fact]
    public void BatchSizeDoesNotMatterAndSeedAndDrawsDo()
    {
        using var scope = torch.NewDisposeScope();
        using var unet = UNet();
        var images = Normal(2, 7, 1, 8, 8);
        double[] Made(SteeringReferences references) =>
            [.. SteeringDirection.FromReferences(unet, [Silu], images, references: references)[Silu]];
        var defaults = new SteeringReferences
        {
            Sigmas = [0.3, 1],
            Draws = 2,
            Seed = 4,
        };
        var whole = Made(defaults);
        Assert.Equal(whole, Made(defaults));
        foreach (var batch in new[] { 1, 3, 7 })
            Near(whole, Made(defaults with { BatchSize = batch }), 1e-6);
        foreach (
            var other in new[]
            {
                defaults with
                {
                    Seed = 5,
                },
                defaults with
                {
                    Draws = 1,
                },
                defaults with
                {
                    Sigmas = [0.3],
                },
            }
        )
            Assert.True(Made(other).Zip(whole, (a, b) => Math.Abs(a - b)).Max() > 1e-4, $"{other}");
    }

    [Fact]
    public void ByDefaultPlacesAndTokensAreAveragedAndFlattenKeepsThem()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var unet = UNet(type: torch.ScalarType.Float64);
        using var dit = Dit(type: torch.ScalarType.Float64);
        foreach (
            var (denoiser, name, images) in new (IDenoiser, string, torch.Tensor)[]
            {
                (unet, Silu, Wide(2, 3, 1, 8, 8)),
                (dit, Act, Wide(3, 3, 2, 4, 4)),
            }
        )
        {
            using var recorder = new ActivationRecorder((torch.nn.Module)denoiser, [name]);
            denoiser.DenoiseAt(images, 1e-9);
            // (units, …) over the images.
            var activation = recorder.Last(name).mean([0L]);
            var pooled = activation.dim() == 3 ? activation.mean([1L, 2L]) : activation.mean([0L]);
            Near(
                Numbers(pooled),
                SteeringDirection.FromReferences(denoiser, [name], images, references: Noiseless)[name],
                1e-6
            );
            Near(
                Numbers(activation),
                SteeringDirection.FromReferences(
                    denoiser,
                    [name],
                    images,
                    references: Noiseless with
                    {
                        Pooling = Pooling.Flatten,
                    }
                )[name],
                1e-6
            );
        }
        var greatest = SteeringDirection.FromReferences(
            unet,
            [Silu],
            Wide(2, 3, 1, 8, 8),
            references: Noiseless with
            {
                Pooling = Pooling.SpatialMax,
            }
        );
        using var again = new ActivationRecorder(unet, [Silu]);
        unet.DenoiseAt(Wide(2, 3, 1, 8, 8), 1e-9);
        Near(Numbers(again.Last(Silu).amax([2L, 3L]).mean([0L])), greatest[Silu], 1e-6);
    }

    [Fact]
    public void SeveralLayersAreReadInOneRunAndOneCanBeChosen()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit();
        var images = Normal(3, 3, 2, 4, 4);
        var runs = 0;
        var counted = Hook(
            dit,
            "network.x_embedder",
            output =>
            {
                runs++;
                return output;
            }
        );
        var both = SteeringDirection.FromReferences(dit, ["network.blocks.1.mlp.act", Act, Act], images);
        counted();
        Assert.Equal(1, runs);
        Assert.Equal(["network.blocks.1.mlp.act", Act], both.Layers);
        var one = SteeringDirection.FromReferences(dit, [Act], images);
        Assert.Equal(one[Act], both.Only(Act)[Act]);
        Assert.Equal([Act], both.Only(Act).Layers);
        Assert.Equal(
            both.Norm * both.Norm,
            Math.Pow(both.Only(Act).Norm, 2) + Math.Pow(both.Only("network.blocks.1.mlp.act").Norm, 2),
            1e-9
        );
        Assert.Contains("32 units", one.ToString());
        Refused<ArgumentException>("the direction has no layer 'relu'; it has", () => both.Only("relu"));
        Refused<ArgumentException>("names must hold at least one layer", () => both.Only());
    }

    [Fact]
    public void LabelledReferencesAreReadUnderTheirLabelAlsoWhereGuidanceDoublesTheBatch()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit(type: torch.ScalarType.Float64);
        var images = Wide(3, 5, 2, 4, 4);
        var references = new SteeringReferences { Network = dit, BatchSize = 2 };
        double[] Made(IDenoiser denoiser) =>
            [.. SteeringDirection.FromReferences(denoiser, [Act], images, references: references)[Act]];
        Near(Made(dit.WithLabel(2)), Made(dit.WithLabel(2, 3.5)), 1e-12);
        Assert.True(Made(dit.WithLabel(2)).Zip(Made(dit.WithLabel(0)), (a, b) => Math.Abs(a - b)).Max() > 1e-4);
    }

    [Fact]
    public void OfPixelsIsTheDifferenceOfTheMeanImages()
    {
        using var scope = torch.NewDisposeScope();
        using var dit = Dit();
        var (a, b) = (torch.stack([torch.zeros(2, 4, 4), torch.ones(2, 4, 4)]), torch.full([3, 2, 4, 4], 0.25f));
        var mean = SteeringDirection.FromPixels(dit, a);
        Assert.Equal([SteeringDirection.Output], mean.Layers);
        Assert.Equal(Enumerable.Repeat(0.5, 32), mean[SteeringDirection.Output]);
        Assert.Equal(Enumerable.Repeat(0.25, 32), SteeringDirection.FromPixels(dit, a, b)[SteeringDirection.Output]);
        Assert.Equal(ModelFingerprint.Of(dit), SteeringDirection.FromPixels(dit.WithLabel(1), a).Model);
        Refused<ArgumentException>(
            "positive must hold at least one image",
            () => SteeringDirection.FromPixels(dit, torch.zeros(0, 2, 4, 4))
        );
        Refused<ArgumentException>(
            "negative holds NaN",
            () => SteeringDirection.FromPixels(dit, a, torch.full([1, 2, 4, 4], float.NaN))
        );
        Refused<ArgumentException>(
            "is no network with modules",
            () => SteeringDirection.FromPixels(new GuidedDenoiser(dit, dit, 2), a)
        );
    }

    [Fact]
    public void ItDoesNotChangeWithTheNumbersItWasMadeOf()
    {
        using var dae = new ReluDae(6, 4, 1);
        double[] vector = [1, 2, 3, 4];
        var direction = Direction(dae, ("relu", vector));
        vector[0] = 9;
        Assert.Equal([1, 2, 3, 4], direction["relu"]);
        Assert.False(direction["relu"] is double[]);
    }

    [Fact]
    public void LengthsAreScaledLayerByLayer()
    {
        using var model = Diffusion();
        var direction = Of(model, ([3, 0, -4, 0], [0, 0, 0]));
        Assert.Equal(5, direction.Norm);
        Assert.Equal([0.6, 0, -0.8, 0], direction.Normalized()["relu"]);
        Assert.Equal([0, 0, 0], direction.Normalized()["time_mlp.0"]);
        Assert.Equal([-6, 0, 8, 0], direction.Scaled(-2)["relu"]);
        Assert.Equal([1, 1, 1], Of(model, ([3, 0, -4, 0], [5, 5, 5])).Scaled(0.2)["time_mlp.0"]);
        Assert.Equal(0, direction.Scaled(0).Norm);
        var mixed = SteeringDirection.Combine((direction, 2), (Of(model, ([1, 1, 1, 1], [1, 2, 3])), -1));
        Assert.Equal([5, -1, -9, -1], mixed["relu"]);
        Assert.Equal([-1, -2, -3], mixed["time_mlp.0"]);
        Assert.Equal(ModelFingerprint.Of(model), mixed.Model);
    }

    [Fact]
    public void ADirectionIsItsPartAlongAnotherAndTheRest() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                TwoLayers.Two().ToArbitrary(),
                pair =>
                {
                    using var model = Diffusion();
                    var (v, u) = (Of(model, pair.Item1), Of(model, pair.Item2));
                    SteeringDirection along = v.Onto(u),
                        rest = v.Without(u);
                    var sum = SteeringDirection.Combine((along, 1), (rest, 1));
                    foreach (var layer in v.Layers)
                    {
                        Near(v[layer], sum[layer], 1e-9);
                        Assert.Equal(0, rest[layer].Zip(u[layer], (a, b) => a * b).Sum(), 1e-8);
                        // The part along u is a multiple of u: Cauchy and Schwarz meet.
                        var (dot, a2, u2) = (
                            along[layer].Zip(u[layer], (a, b) => a * b).Sum(),
                            along[layer].Sum(a => a * a),
                            u[layer].Sum(b => b * b)
                        );
                        Assert.Equal(dot * dot, a2 * u2, 1e-9 * (1 + a2 * u2));
                    }
                    if (u.Norm > 0 && v.Norm > 0)
                    {
                        Assert.InRange(v.Cosine(u), -1 - 1e-12, 1 + 1e-12);
                        Assert.Equal(v.Cosine(u), u.Cosine(v), 1e-12);
                        Assert.Equal(v.Cosine(u), v.Scaled(3).Cosine(u.Scaled(0.1)), 1e-12);
                        Assert.Equal(-1, v.Cosine(v.Scaled(-2)), 1e-12);
                    }
                }
            )
        );

    [Fact]
    public void CosineIsOverAllLayersAndNothingIsAlongZero()
    {
        using var model = Diffusion();
        var (v, u, zero) = (
            Of(model, ([3, 0, 0, 0], [4, 0, 0])),
            Of(model, ([0, 1, 0, 0], [1, 0, 0])),
            Of(model, (new double[4], new double[3]))
        );
        Assert.Equal(4 / (5 * Math.Sqrt(2)), v.Cosine(u), 1e-12);
        Assert.Equal(double.NaN, v.Cosine(zero));
        Assert.Equal(0, v.Onto(zero).Norm);
        Assert.Equal(v["relu"], v.Without(zero)["relu"]);
    }

    [Fact]
    public void ARandomDirectionIsAsLongInEveryLayerAndHangsOnItsSeed() =>
        Check.One(
            Quiet,
            Prop.ForAll(
                TwoLayers.ToArbitrary(),
                Gen.Choose(0, 10_000).ToArbitrary(),
                (vectors, seed) =>
                {
                    using var model = Diffusion();
                    var v = Of(model, vectors);
                    var random = v.RandomLike(seed);
                    foreach (var layer in v.Layers)
                        Assert.Equal(v.Only(layer).Norm, random.Only(layer).Norm, 1e-9);
                    Assert.Equal(random["relu"], v.RandomLike(seed)["relu"]);
                    if (v.Only("relu").Norm > 0)
                        Assert.NotEqual(random["relu"], v.RandomLike(seed + 1)["relu"]);
                }
            )
        );

    [Fact]
    public void RandomDirectionsPointEverywhereAlike()
    {
        using var dae = new ReluDae(6, 4, 1);
        var v = Direction(dae, ("relu", [2, 0, 0, 0]));
        var cosines = Enumerable.Range(0, 4000).Select(seed => v.Cosine(v.RandomLike(seed))).ToArray();
        // In d = 4 a coordinate of a uniform unit vector has mean 0 and mean square 1/4, mean fourth power 3/(d(d + 2))
        // = 1/8.
        Assert.Equal(0, cosines.Average(), 5 * Math.Sqrt(0.25 / 4000));
        Assert.Equal(0.25, cosines.Average(c => c * c), 5 * Math.Sqrt((0.125 - 0.0625) / 4000));
        // Two layers of one width are not given one vector.
        using var dit = Dit();
        var two = Direction(dit, (Act, Vector(32)), ("network.blocks.1.mlp.act", Vector(32))).RandomLike(1);
        Assert.NotEqual(two[Act], two["network.blocks.1.mlp.act"]);
    }

    [Fact]
    public void DirectionsThatDoNotMatchAreRefused()
    {
        using var model = Diffusion();
        using var other = Diffusion(2);
        var v = Of(model, ([1, 2, 3, 4], [1, 2, 3]));
        foreach (
            var with in new Action<SteeringDirection>[]
            {
                u => v.Onto(u),
                u => v.Without(u),
                u => v.Cosine(u),
                u => SteeringDirection.Combine((v, 1), (u, 1)),
            }
        )
        {
            Refused<ArgumentException>(
                "the two directions belong to different networks, ReluDiffusion with",
                () => with(Of(other, ([1, 2, 3, 4], [1, 2, 3])))
            );
            Refused<ArgumentException>(
                "the two directions have different layers, 'relu', 'time_mlp.0' and 'relu'; choose common "
                    + "ones with Only",
                () => with(v.Only("relu"))
            );
            Refused<ArgumentException>(
                "the two directions have 4 and 8 units in layer 'relu'; make both with one pooling",
                () => with(Of(model, (new double[8], [1, 2, 3])))
            );
        }
        Refused<ArgumentException>("parts must hold at least one direction", () => SteeringDirection.Combine());
        foreach (var weight in new[] { double.NaN, double.PositiveInfinity })
            Refused<ArgumentException>($"a weight must be finite, was {weight}", () => v.Scaled(weight));
    }

    [Fact]
    public void NumbersThatAreNoDirectionAreRefused()
    {
        using var dae = new ReluDae(6, 4, 1);
        Refused<ArgumentException>("vectors must hold at least one layer", () => Direction(dae));
        Refused<ArgumentException>(
            "the model has no module 'gelu' that can be steered; it has",
            () => Direction(dae, ("gelu", [1]))
        );
        foreach (var bad in new double[][] { [], [1, double.NaN], [double.NegativeInfinity] })
            Refused<ArgumentException>(
                "the vector of layer 'relu' must hold at least one number and only finite ones",
                () => Direction(dae, ("relu", bad))
            );
        Refused<ArgumentException>("the vector of layer 'relu'", () => Direction(dae, ("relu", null!)));
        Refused<ArgumentException>(
            "the direction has no layer 'x'; it has 'relu'",
            () => _ = Direction(dae, ("relu", [1]))["x"]
        );
        Refused<ArgumentException>("the direction has no layer ''", () => _ = Direction(dae, ("relu", [1]))[null!]);
    }

    [Fact]
    public void ReferencesThatCannotBeReadAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        using var dit = Dit();
        using var unet = UNet(options: Nano with { AugmentDim = 9 });
        var good = Normal(1, 2, 6);
        void No<T>(string words, Action attempt)
            where T : Exception => Refused<T>(words, attempt);
        No<ArgumentException>(
            "positive must hold at least one image, was empty",
            () => SteeringDirection.FromReferences(dae, ["relu"], torch.zeros(0, 6))
        );
        No<ArgumentException>(
            "negative must hold at least one image, was empty",
            () => SteeringDirection.FromReferences(dae, ["relu"], good, torch.zeros(0, 6))
        );
        No<ArgumentException>(
            "positive holds NaN or infinity",
            () => SteeringDirection.FromReferences(dae, ["relu"], torch.full([2, 6], float.NaN))
        );
        No<ArgumentException>(
            "negative holds NaN or infinity",
            () => SteeringDirection.FromReferences(dae, ["relu"], good, torch.full([2, 6], float.PositiveInfinity))
        );
        No<ArgumentException>(
            "positive must have shape (any, 6), was (2, 5)",
            () => SteeringDirection.FromReferences(dae, ["relu"], torch.zeros(2, 5))
        );
        No<ArgumentException>(
            "positive must have shape (any, 6), was (6)",
            () => SteeringDirection.FromReferences(dae, ["relu"], torch.zeros(6))
        );
        No<ArgumentException>(
            "positive must hold floating-point numbers, was Int64",
            () => SteeringDirection.FromReferences(dae, ["relu"], torch.zeros([2, 6], torch.int64))
        );
        No<ArgumentException>(
            "must be Float32 like the model's weights, was Float64",
            () => SteeringDirection.FromReferences(dae, ["relu"], Wide(1, 2, 6))
        );
        No<ArgumentException>(
            "the model has no module 'gelu'",
            () => SteeringDirection.FromReferences(dae, ["relu", "gelu"], good)
        );
        No<ArgumentException>(
            "modules must name at least one module",
            () => SteeringDirection.FromReferences(dae, [], good)
        );
        No<ArgumentException>(
            "for SpatialMean, was (2, 4); choose another pooling",
            () =>
                SteeringDirection.FromReferences(
                    dae,
                    ["relu"],
                    good,
                    references: new SteeringReferences { Pooling = Pooling.SpatialMean }
                )
        );
        No<ArgumentException>(
            "is no network with modules; name the network that it asks as Network",
            () => SteeringDirection.FromReferences(new GuidedDenoiser(dit, dit, 2), [Act], Normal(1, 2, 2, 4, 4))
        );
        No<InvalidOperationException>(
            "the module 'model.map_augment' has not run",
            () => SteeringDirection.FromReferences(unet, ["model.map_augment"], Normal(1, 2, 1, 8, 8))
        );
        // One row for the whole batch: what a U-Net is told of a level that all share.
        No<ArgumentException>(
            "which is not one representation a sample; choose another module",
            () => SteeringDirection.FromReferences(unet, ["model.map_layer0"], Normal(1, 3, 1, 8, 8))
        );
        No<ArgumentException>(
            "Sigmas must hold at least one noise level",
            () => _ = new SteeringReferences { Sigmas = [] }
        );
        No<ArgumentOutOfRangeException>(
            "Sigmas must be positive and finite, was 0",
            () => _ = new SteeringReferences { Sigmas = [1, 0] }
        );
        No<ArgumentOutOfRangeException>(
            "Draws must be at least 1, was 0",
            () => _ = new SteeringReferences { Draws = 0 }
        );
        No<ArgumentOutOfRangeException>(
            "BatchSize must be at least 1, was 0",
            () => _ = new SteeringReferences { BatchSize = 0 }
        );
        No<ArgumentOutOfRangeException>(
            "pooling must be None",
            () => _ = new SteeringReferences { Pooling = (Pooling)9 }
        );
        Assert.Throws<ArgumentNullException>(() => SteeringDirection.FromReferences(dae, ["relu"], null!));
    }

    [Fact]
    public void ItStopsBetweenTwoBatchesAndLeavesNothingBehind()
    {
        using var scope = torch.NewDisposeScope();
        using var dae = new ReluDae(6, 4, 1);
        var (images, plain) = (Normal(1, 10, 6), dae.DenoiseAt(Normal(2, 3, 6), 0.2));
        using var stop = new CancellationTokenSource();
        var runs = 0;
        var counted = Hook(
            dae,
            "relu",
            h =>
            {
                if (++runs == 3)
                    stop.Cancel();
                return h;
            }
        );
        var before = Live;
        Assert.ThrowsAny<OperationCanceledException>(() =>
            SteeringDirection.FromReferences(
                dae,
                ["relu"],
                images,
                references: new SteeringReferences { BatchSize = 1, Cancellation = stop.Token }
            )
        );
        Assert.Equal(3, runs);
        Assert.Equal(before, Live);
        counted();
        for (var i = 0; i < 30; i++)
            SteeringDirection.FromReferences(
                dae,
                ["relu"],
                images,
                images,
                new SteeringReferences
                {
                    BatchSize = 3,
                    Sigmas = [0.1, 0.2],
                    Draws = 2,
                }
            );
        SteeringDirection.FromPixels(dae, images, images);
        Assert.ThrowsAny<ArgumentException>(() =>
            SteeringDirection.FromReferences(
                dae,
                ["relu"],
                images,
                references: new SteeringReferences { Pooling = Pooling.TokenMean }
            )
        );
        Assert.Equal(before, Live);
        Assert.True(Same(plain, dae.DenoiseAt(Normal(2, 3, 6), 0.2)));
    }

    [Fact]
    public void ItComesBackFromAFileAsItWas()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var dit = Dit();
        var awkward = Vector(32);
        (awkward[0], awkward[1], awkward[2], awkward[3]) = (double.Epsilon, -0.0, double.MaxValue, 0.1 + 0.2);
        var saved = Direction(
            dit,
            ("network.blocks.1.mlp.act", Vector(128, 6)),
            (Act, awkward),
            (SteeringDirection.Output, Vector(32, 7))
        );
        var before = Live;
        saved.Save(folder.File("d.safetensors"), new Dictionary<string, string> { ["concept"] = "smile" });
        var back = SteeringDirection.Load(folder.File("d.safetensors"));
        Assert.Equal(before, Live);
        Assert.Equal(saved.Model, back.Model);
        Assert.Equal(saved.Layers.Order(), back.Layers.Order());
        foreach (var layer in saved.Layers)
            Assert.Equal(
                saved[layer].Select(BitConverter.DoubleToInt64Bits),
                back[layer].Select(BitConverter.DoubleToInt64Bits)
            );
        Assert.Equal("smile", Safetensors.ReadMetadata(folder.File("d.safetensors"))["concept"]);
        // What comes back steers as what was saved.
        var noisy = Normal(3, 2, 2, 4, 4);
        SteeringDirection Smaller(SteeringDirection direction) =>
            direction.Only(Act, "network.blocks.1.mlp.act").Normalized();
        Assert.True(
            Same(
                new SteeredDenoiser(dit, Smaller(saved)).DenoiseAt(noisy, 0.4),
                new SteeredDenoiser(dit, Smaller(back)).DenoiseAt(noisy, 0.4)
            )
        );
        Refused<ArgumentException>(
            "leave that key out",
            () => saved.Save(folder.File("e"), new Dictionary<string, string> { ["model"] = "mine" })
        );
        Assert.False(System.IO.File.Exists(folder.File("e")));
    }

    [Fact]
    public void FilesThatHoldNoDirectionAreRefused()
    {
        using var scope = torch.NewDisposeScope();
        using var folder = new TemporaryFolder();
        using var dae = new ReluDae(6, 4, 1);
        var path = folder.File("d.safetensors");
        Direction(dae, ("relu", [1, 2, 3, 4])).Save(path);
        var bytes = System.IO.File.ReadAllBytes(path);
        void Damaged(string words, byte[] content)
        {
            System.IO.File.WriteAllBytes(folder.File("damaged"), content);
            Refused<InvalidDataException>(words, () => SteeringDirection.Load(folder.File("damaged")));
        }
        var before = Live;
        // Cut anywhere, it is told.
        for (var length = 0; length < bytes.Length; length += 7)
            Damaged("", bytes[..length]);
        Damaged("", [.. bytes[..^1]]);
        Damaged("", [.. bytes, 0]);
        Damaged("", [.. Enumerable.Repeat((byte)0xff, 200)]);
        Assert.Equal(before, Live);
        Refused<FileNotFoundException>(
            "there is no checkpoint at",
            () => SteeringDirection.Load(folder.File("nothing"))
        );
        ReluDaeCheckpoint.Save(dae, folder.File("dae"));
        Refused<InvalidDataException>(
            "the file 'dae' does not hold a steering direction; make one with SteeringDirection.Save",
            () => SteeringDirection.Load(folder.File("dae"))
        );
        Refused<InvalidDataException>(
            "does not hold a steering direction",
            () => SteeringDirection.Load(SharedData.Generalizing)
        );

        var metadata = Safetensors.ReadMetadata(path);
        void Holding(string words, torch.Tensor tensor)
        {
            Safetensors.Write(folder.File("odd"), [new("relu", tensor)], metadata);
            Refused<InvalidDataException>(words, () => SteeringDirection.Load(folder.File("odd")));
        }
        Holding(
            "the layer 'relu' in the file 'odd' must hold a vector of finite float64 numbers, was Float32 (4)",
            torch.ones(4)
        );
        Holding("was Float64 (2, 2)", torch.ones([2, 2], torch.float64));
        Holding("was Float64 (0)", torch.ones([0], torch.float64));
        Holding("must hold a vector of finite float64 numbers", torch.tensor([1, double.NaN], torch.float64));
        Safetensors.Write(
            folder.File("odd"),
            [new("relu", torch.ones([4], torch.float64))],
            new Dictionary<string, string> { ["holds"] = "steering direction" }
        );
        Refused<InvalidDataException>(
            "does not hold a steering direction",
            () => SteeringDirection.Load(folder.File("odd"))
        );
    }
}
