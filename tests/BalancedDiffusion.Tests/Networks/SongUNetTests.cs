using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Runtime;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks;

public class SongUNetTests
{
    private static long Count(SongUNetOptions options)
    {
        using var model = new EdmPreconditioner(options, 0);
        return model.parameters().Sum(p => p.NumberOfElements);
    }

    // Counted by the published code.
    [Fact]
    public void TheParameterCountsAreThePublishedOnes()
    {
        Assert.Equal(55_733_891, Count(SongUNetOptions.DdpmPlusPlus));
        Assert.Equal(55_732_739, Count(SongUNetOptions.DdpmPlusPlus with { AugmentDim = 0 }));
        Assert.Equal(55_735_299, Count(SongUNetOptions.DdpmPlusPlus with { LabelDim = 10 }));
        Assert.Equal(56_397_827, Count(SongUNetOptions.NcsnPlusPlus));
        Assert.Equal(449_091, Count(SongUNetOptions.Tiny));
        Assert.Equal(447_937, Count(SongUNetOptions.Tiny with { Channels = 1 }));
        Assert.Equal(1_754_147, Count(SongUNetOptions.Small));
    }

    [Theory]
    [InlineData("edm-cond-tiny")]
    [InlineData("edm-ncsnpp-nano")]
    [InlineData("edm-skip-nano")]
    public void TheStateDictHasThePublishedNamesAndShapesAndNoOthers(string name)
    {
        using var scope = torch.NewDisposeScope();
        using var file = Safetensors.Read(File($"{name}.safetensors"));
        using var model = new EdmPreconditioner(SongUNetOptions.FromMetadata(file.Metadata), 1);
        Assert.Equal(
            file.OrderBy(t => t.Key).Select(t => $"{t.Key} {string.Join("x", t.Value.shape)}"),
            model.state_dict().OrderBy(t => t.Key).Select(t => $"{t.Key} {string.Join("x", t.Value.shape)}")
        );
    }

    [Fact]
    public void TheFirstWeightsAreGlorotUniformWithTheLastLayersOfBranchesNearZero()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new SongUNet(SongUNetOptions.Tiny with { LabelDim = 10, AugmentDim = 9 }, 3);
        foreach (var (name, p) in model.named_parameters())
        {
            if (p.dim() < 2)
            {
                Assert.True(p.eq(name.Contains("norm") && name.EndsWith("weight") ? 1 : 0).all().item<bool>(), name);
                continue;
            }
            var area = p.dim() == 4 ? p.shape[2] * p.shape[3] : 1;
            var deviation =
                Math.Sqrt(2.0 / (area * (p.shape[0] + p.shape[1])))
                * (
                    name.Contains("qkv") ? Math.Sqrt(0.2)
                    : name.Contains("conv1") || name.Contains("proj") || name.Contains("aux_conv") ? 1e-5
                    : 1
                );
            // The standard error of a uniform distribution's standard deviation over n draws is √0.2/√n of it.
            Assert.InRange(
                p.std().item<float>() / deviation,
                1 - 3 / Math.Sqrt(p.NumberOfElements),
                1 + 3 / Math.Sqrt(p.NumberOfElements)
            );
            Assert.InRange(p.abs().max().item<float>() / deviation, 1.5, Math.Sqrt(3) + 1e-5);
        }
    }

    [Fact]
    public void TheSeedAloneDecidesTheWeightsAndTorchsGlobalGeneratorIsLeftAlone()
    {
        using var scope = torch.NewDisposeScope();
        var options = SongUNetOptions.NcsnPlusPlus with
        {
            Resolution = 8,
            ModelChannels = 8,
            Blocks = 1,
            ChannelMultipliers = [1, 2],
            AttentionResolutions = [4],
        };
        var before = torch.get_rng_state();
        using var first = new SongUNet(options, 7);
        using var second = new SongUNet(options, 7);
        using var other = new SongUNet(options, 8);
        Assert.True(torch.get_rng_state().eq(before).all().item<bool>());
        foreach (var (name, value) in first.state_dict())
            Assert.True(second.state_dict()[name].eq(value).all().item<bool>(), name);
        foreach (
            var (name, value) in first
                .state_dict()
                .Where(t => t.Value.dim() >= 2 && !t.Key.Contains("filter") || t.Key.Contains("freqs"))
        )
            Assert.False(other.state_dict()[name].eq(value).any().item<bool>(), name);
        // No two layers share a stream.
        var firsts = first
            .named_parameters()
            .Where(p => p.parameter.dim() >= 2)
            .Select(p => (p.parameter.flatten()[0] / p.parameter.abs().max()).item<float>())
            .ToList();
        Assert.Equal(firsts.Count, firsts.Distinct().Count());
    }

    // Drawn here in another way: into the finished parameter, each from the stream of its name.
    [Theory]
    [InlineData(torch.ScalarType.Float32)]
    [InlineData(torch.ScalarType.Float64)]
    public void EveryWeightIsTheFirstDrawOfTheStreamOfItsName(torch.ScalarType type)
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = new SongUNet(
            Nano with
            {
                LabelDim = 3,
                AugmentDim = 9,
                Embedding = SongUNetEmbedding.Fourier,
                Encoder = SongUNetEncoder.Residual,
                Decoder = SongUNetDecoder.Skip,
                ResampleFilter = [1, 3, 3, 1],
            },
            11,
            type
        );
        var filter = torch.tensor(new[] { 1.0, 3, 3, 1 }, dtype: type) / 8;
        foreach (var (name, weight) in model.state_dict())
        {
            using var generator = new torch.Generator((ulong)Seeds.Derive(11, name), torch.CPU);
            var expected = weight.clone();
            if (name == "map_noise.freqs")
                expected = torch.randn(expected.shape, dtype: type, generator: generator) * 16;
            else if (name.EndsWith("resample_filter"))
                expected = torch.outer(filter, filter).view(1, 1, 4, 4);
            else if (expected.dim() < 2)
                expected.fill_(name.Contains("norm") && name.EndsWith("weight") ? 1 : 0);
            else
            {
                var gain =
                    name.Contains("qkv") ? Math.Sqrt(0.2)
                    : name.Contains("conv1") || name.Contains("proj") || name.Contains("aux_conv") ? 1e-5
                    : 1;
                var area = expected.dim() == 4 ? expected.shape[2] * expected.shape[3] : 1;
                var bound = gain * Math.Sqrt(6.0 / ((expected.shape[0] + expected.shape[1]) * area));
                expected.uniform_(-bound, bound, generator);
            }
            Assert.True(weight.eq(expected).all().item<bool>(), name);
        }
    }

    [Fact]
    public void EveryNamedModuleButTheTwoHalvesCanBeHookedAndIsReached()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        foreach (var name in new[] { "edm-cond-tiny", "edm-ncsnpp-nano", "edm-skip-nano" })
        {
            using var model = EdmCheckpoint.Load(File($"{name}.safetensors"));
            var names = model
                .Network.named_modules()
                .Select(m => m.name)
                .Where(n => n.Length > 0 && n is not ("enc" or "dec" or "map_augment"))
                .ToList();
            var labels = model.Options.LabelDim == 0 ? null : torch.zeros(1, model.Options.LabelDim);
            var seen = Record(
                model.Network,
                names,
                () => model.call(Normal(1, [2, .. model.SampleShape]), torch.tensor(0.4f), labels)
            );
            Assert.Equal(names.Order(), seen.Keys.Order());
            foreach (var tensor in seen.Values)
                tensor.Dispose();
        }
    }

    [Fact]
    public void AHookMayReplaceWhatAModuleReturns()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano, 1);
        var x = Normal(2, 3, 1, 8, 8);
        var plain = model.DenoiseAt(x, 0.5);
        var modules = model.named_modules().ToDictionary(m => m.name, m => m.module);
        foreach (var name in modules.Keys.Where(n => n.Contains('.')).Except(["model.enc", "model.dec"]))
        {
            var replaced = Replace(modules[name]);
            Assert.True(Difference(model.DenoiseAt(x, 0.5), plain) > 1e-6, name);
            replaced();
        }
        Assert.True(model.DenoiseAt(x, 0.5).eq(plain).all().item<bool>());
        // The answer itself: with F = 0 only the skip c_skip y = s²/(sigma² + s²) y is left.
        var last = (torch.nn.Module<torch.Tensor, torch.Tensor>)modules["model.dec.8x8_aux_conv"];
        var zero = last.register_forward_hook((_, _, output) => torch.zeros_like(output));
        Assert.True(Difference(model.DenoiseAt(x, 0.5), x / 2) < 1e-6);
        zero.remove();

        // A bump in one place, since a shift of everything can vanish in a normalization.
        static torch.Tensor Bump(torch.Tensor output)
        {
            var bumped = output.clone();
            bumped.view(-1)[0] += 3;
            return bumped;
        }

        static Action Replace(torch.nn.Module module)
        {
            if (module is torch.nn.Module<torch.Tensor, torch.Tensor> one)
                return one.register_forward_hook((_, _, output) => Bump(output)).remove;
            return ((torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor>)module)
                .register_forward_hook((_, _, _, output) => Bump(output))
                .remove;
        }
    }

    [Fact]
    public void WhatAHookSawIsNotChangedLaterOn()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano, 1);
        var pairs = new List<(torch.Tensor Kept, torch.Tensor Copy)>();
        foreach (var (_, module) in model.Network.named_modules())
            if (module is torch.nn.Module<torch.Tensor, torch.Tensor> one)
                one.register_forward_hook(
                    (_, _, output) =>
                    {
                        pairs.Add((output.alias().DetachFromDisposeScope(), output.clone().DetachFromDisposeScope()));
                        return output;
                    }
                );
        model.DenoiseAt(Normal(2, 2, 1, 8, 8), 0.5);
        Assert.True(pairs.Count > 40);
        foreach (var (kept, copy) in pairs)
        {
            Assert.True(kept.eq(copy).all().item<bool>());
            kept.Dispose();
            copy.Dispose();
        }
    }

    [Fact]
    public void GradientsAgreeWithFiniteDifferences()
    {
        using var scope = torch.NewDisposeScope();
        foreach (
            var options in new[]
            {
                Nano with
                {
                    LabelDim = 3,
                },
                Nano with
                {
                    Embedding = SongUNetEmbedding.Fourier,
                    NoiseMultiplier = 2,
                    Encoder = SongUNetEncoder.Residual,
                    ResampleFilter = [1, 3, 3, 1],
                },
                Nano with
                {
                    Encoder = SongUNetEncoder.Skip,
                    Decoder = SongUNetDecoder.Skip,
                },
            }
        )
        {
            using var model = Shaken(options, 5, torch.float64);
            var x = GaussianNoise.Draw([2, 1, 8, 8], 6, torch.float64).requires_grad_();
            var towards = GaussianNoise.Draw([2, 1, 8, 8], 7, torch.float64);
            var sigma = torch.tensor([0.2, 1.5]);
            var labels =
                options.LabelDim == 0
                    ? null
                    : torch.tensor(
                        new[,]
                        {
                            { 1.0, 0, 0 },
                            { 0, 0.3, 0.7 },
                        }
                    );
            torch.Tensor Loss() => (model.call(x, sigma, labels) * towards).sum();
            Loss().backward();
            using var noGrad = torch.no_grad();
            foreach (
                var (name, p) in model
                    .named_parameters()
                    .Select(p => (p.name, (torch.Tensor)p.parameter))
                    .Append(("input", x))
            )
            {
                Assert.True(p.grad is not null, name);
                var direction = GaussianNoise.Draw(p.shape, 8, torch.float64);
                var predicted = (p.grad! * direction).sum().item<double>();
                p.add_(direction, 1e-5);
                var up = Loss().item<double>();
                p.add_(direction, -2e-5);
                var down = Loss().item<double>();
                p.add_(direction, 1e-5);
                Assert.True(
                    Math.Abs((up - down) / 2e-5 - predicted) < 1e-6 * Math.Max(1, Math.Abs(predicted)),
                    $"{name}: {(up - down) / 2e-5} against {predicted}"
                );
                Assert.True(p.grad!.abs().max().item<double>() > 0, name);
            }
        }
    }

    [Fact]
    public void ItMovesToAnotherTypeWithItsBuffers()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano with { Embedding = SongUNetEmbedding.Fourier }, 1);
        var x = Normal(2, 2, 1, 8, 8);
        var single = model.DenoiseAt(x, 0.5);
        model.to(torch.float64);
        var twice = model.DenoiseAt(x.to(torch.float64), 0.5);
        Assert.Equal(torch.float64, twice.dtype);
        Assert.InRange(Difference(single, twice), 1e-9, 1e-5);
        model.to(torch.float32);
        Assert.True(Difference(model.DenoiseAt(x, 0.5), single) < 1e-6);
    }

    [Fact]
    public void HowAnImageLiesInMemoryDoesNotMatter()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano with { Channels = 3 }, 1);
        var x = Normal(2, 2, 3, 8, 8);
        var channelsLast = x.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2);
        Assert.False(channelsLast.is_contiguous());
        Assert.True(Difference(model.DenoiseAt(channelsLast, 0.5), model.DenoiseAt(x, 0.5)) < 1e-6);
        Assert.True(model.DenoiseAt(x[..1], 0.5).is_contiguous());
    }

    [Fact]
    public void DropoutActsInTrainingOnly()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano with { Dropout = 0.5 }, 1);
        using var without = Shaken(Nano, 1);
        var x = Normal(2, 2, 1, 8, 8);
        Assert.True(model.DenoiseAt(x, 0.5).eq(without.DenoiseAt(x, 0.5)).all().item<bool>());
        model.train();
        Assert.True(Difference(model.DenoiseAt(x, 0.5), model.DenoiseAt(x, 0.5)) > 1e-3);
    }

    [Fact]
    public void LabelDropoutReplacesLabelsByNoneInTrainingOnly()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Shaken(Nano with { LabelDim = 2, LabelDropout = 0.5 }, 1);
        var x = Normal(2, 1, 1, 8, 8).expand(64, 1, 8, 8);
        var (with, none) = (model.WithLabels(1).DenoiseAt(x, 0.5), model.WithoutLabels().DenoiseAt(x, 0.5));
        model.train();
        var mixed = model.WithLabels([.. Enumerable.Repeat(1, 64)]).DenoiseAt(x, 0.5);
        var isWith = (mixed - with).abs().flatten(1).amax(1).lt(1e-5);
        var isNone = (mixed - none).abs().flatten(1).amax(1).lt(1e-5);
        Assert.True(isWith.logical_xor(isNone).all().item<bool>());
        // 64 tosses of a fair coin stay within 4.5 deviations of 4.
        Assert.InRange(isNone.sum().item<long>(), 14, 50);
    }

    [Fact]
    public void ForwardAndBackwardPassesLeaveNothingBehind()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Shaken(Nano with { LabelDim = 2 }, 1);
        var denoiser = model.WithLabels(1);
        var x = Normal(2, 2, 1, 8, 8);
        denoiser.DenoiseAt(x, 0.5).Dispose();
        // Of this thread: the collection of other tests' tensors must not count.
        static long Live() => DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        var before = Live();
        for (var i = 0; i < 20; i++)
            denoiser.DenoiseAt(x, 0.5).Dispose();
        Assert.Equal(before, Live());
        for (var i = 0; i < 5; i++)
        {
            using var step = torch.NewDisposeScope();
            denoiser.Denoise(x, torch.tensor(0.5f)).sum().backward();
            model.zero_grad();
        }
        Assert.True(
            Live() <= before + model.parameters().Count(),
            $"{Live() - before} tensors were left behind by 5 steps"
        );
    }

    [Fact]
    public void TheWeightsOutliveTheScopeTheyWereMadeInAndGoWithTheModel()
    {
        using var outer = torch.NewDisposeScope();
        EdmPreconditioner model;
        using (torch.NewDisposeScope())
            model = new EdmPreconditioner(Nano, 1);
        using var answer = model.DenoiseAt(Normal(2, 1, 1, 8, 8), 1);
        Assert.False(model.parameters().First().IsInvalid);
        var weight = model.parameters().First();
        model.Dispose();
        Assert.True(weight.IsInvalid);
    }

    [Fact]
    public void BadInputsAreRefusedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new SongUNet(Nano, 1);
        var x = torch.zeros(2, 1, 8, 8);
        string Refusal(Action action) => Assert.ThrowsAny<ArgumentException>(action).Message;
        Assert.Contains(
            "image must have shape (any, 1, 8, 8), was (2, 1, 8, 9)",
            Refusal(() => model.call(torch.zeros(2, 1, 8, 9), torch.zeros(1), null))
        );
        Assert.Contains(
            "image must be Float32 like the network's weights, was Float64",
            Refusal(() => model.call(x.to(torch.float64), torch.zeros(1), null))
        );
        Assert.Contains(
            "noise must have shape (1) or (2), was (3)",
            Refusal(() => model.call(x, torch.zeros(3), null))
        );
        Assert.Contains("knows no classes", Refusal(() => model.call(x, torch.zeros(1), torch.zeros(2, 3))));
        Assert.Contains(
            "dtype must be Float32 or Float64, was Float16",
            Refusal(() => new SongUNet(Nano, 1, torch.float16))
        );
        Assert.Contains(
            "a layer of 132 channels cannot be normalized in 32 equal groups",
            Refusal(() => new SongUNet(Nano with { ModelChannels = 132 }, 1))
        );
    }
}
