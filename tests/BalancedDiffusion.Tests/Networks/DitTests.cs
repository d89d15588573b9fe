using BalancedDiffusion.Networks;
using BalancedDiffusion.Noise;
using BalancedDiffusion.Representations;
using BalancedDiffusion.Runtime;
using TorchSharp;

namespace BalancedDiffusion.Tests.Networks;

public class DitTests
{
    private static readonly DitOptions Little = DitFixtures.Little with { MlpRatio = 2 };

    private static torch.Tensor Normal(long seed, params long[] shape) =>
        GaussianNoise.Draw(shape, seed, torch.ScalarType.Float64);

    /// <summary>A network whose zeros are stirred, so that every weight matters.</summary>
    private static Dit Stirred(DitOptions options, torch.ScalarType type = torch.ScalarType.Float64)
    {
        var model = new Dit(options, 1, type);
        using var noGrad = torch.no_grad();
        foreach (var (name, parameter) in model.named_parameters())
            parameter.add_(0.3 * GaussianNoise.Draw(parameter.shape, Seeds.Derive(2, name), type));
        return model;
    }

    [Fact]
    public void OutputsAndActivationsAreTheReferenceImplementations()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = DitGolden.Network();
        using var io = DitGolden.Answers();
        var plain = DitGolden.Difference(model.call(io["x"], io["t"], io["y"]), io["output"]);
        Assert.True(plain < 1e-5, $"output differs by {plain}");

        // The reference's guided run: the first two samples at times 50 and 999, doubled; labels first, then none.
        using var recorder = new ActivationRecorder(model, ["blocks.1.mlp.act"]);
        var (x, t, y) = (io["x"].narrow(0, 0, 2), io["t"].narrow(0, 1, 2), io["y"].narrow(0, 0, 2));
        var guided = model.Guided(x, t, y, 4, guidedChannels: 3);
        var difference = DitGolden.Difference(
            guided.narrow(1, 0, 3),
            io["output_cfg4"].narrow(0, 0, 2).narrow(1, 0, 3)
        );
        Assert.True(difference < 1e-5, $"guided output differs by {difference}");
        difference = DitGolden.Difference(guided, io["output_cfg4"].narrow(0, 0, 2));
        Assert.True(difference < 1e-5, $"guided output and rest differ by {difference}");
        difference = DitGolden.Difference(recorder.Last("blocks.1.mlp.act"), io["activation.blocks.1.mlp.act"]);
        Assert.True(difference < 1e-5, $"activation differs by {difference}");
    }

    [Fact]
    public void ThePositionEmbeddingOfAFreshNetworkIsTheReferences()
    {
        using var scope = torch.NewDisposeScope();
        using var reference = DitGolden.Network();
        using var fresh = new Dit(reference.Options, 5);
        Assert.True(DitGolden.Difference(fresh.state_dict()["pos_embed"], reference.state_dict()["pos_embed"]) < 1e-6);
        Assert.DoesNotContain("pos_embed", fresh.named_parameters().Select(p => p.name));
    }

    [Theory]
    [InlineData("XL", 2, 675_129_632)]
    [InlineData("L", 4, 458_053_760)]
    [InlineData("S", 8, 33_148_160)]
    public void CountsArePublishedOnes(string size, long patch, long count) =>
        Assert.Equal(count, DitOptions.Published(size, patch).ParameterCount);

    [Fact]
    public void ANetworkHoldsAsManyWeightsAsItsOptionsSay()
    {
        DitOptions[] options =
        [
            Little,
            Little with
            {
                Classes = 0,
                LearnSigma = false,
            },
            Little with
            {
                ClassDropout = 0,
                MlpRatio = 1.5,
                Depth = 3,
            },
            DitOptions.Tiny,
            DitOptions.Small,
            DitOptions.Published("S", 8),
        ];
        foreach (var o in options)
        {
            using var model = new Dit(o, 1);
            Assert.Equal(o.ParameterCount, model.state_dict().Values.Sum(t => t.NumberOfElements));
        }
        Assert.InRange(DitOptions.Tiny.ParameterCount, 400_000, 600_000);
        Assert.InRange(DitOptions.Small.ParameterCount, 3_500_000, 5_000_000);
    }

    [Fact]
    public void NamesArePublishedOnes()
    {
        using var reference = DitGolden.Network();
        using var fresh = new Dit(reference.Options, 1);
        using var file = BalancedDiffusion.Checkpoints.Safetensors.Read(DitGolden.File("dit-tiny.safetensors"));
        Assert.Equal(file.Keys.Order(StringComparer.Ordinal), fresh.state_dict().Keys.Order(StringComparer.Ordinal));
        Assert.Equal(
            reference.Options,
            new DitOptions
            {
                InputSize = 8,
                HiddenSize = 48,
                Depth = 3,
                Heads = 4,
                Classes = 10,
            }
        );
    }

    [Fact]
    public void AFreshNetworkAnswersExactlyZeroAndIsDrawnFromItsSeedAlone()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Dit(DitOptions.Tiny, 7);
        var x = GaussianNoise.Draw([2, 3, 32, 32], 1);
        Assert.True(model.call(x, torch.tensor(new[] { 3f, 999f }), null).eq(0).all().item<bool>());

        torch.manual_seed(1);
        using var again = new Dit(DitOptions.Tiny, 7);
        var after = torch.rand(1).item<float>();
        torch.manual_seed(1);
        Assert.Equal(torch.rand(1).item<float>(), after);
        using var other = new Dit(DitOptions.Tiny, 8);
        var (a, b, c) = (model.state_dict(), again.state_dict(), other.state_dict());
        Assert.All(a, pair => Assert.True(pair.Value.eq(b[pair.Key]).all().item<bool>()));
        Assert.False(a["blocks.0.attn.qkv.weight"].eq(c["blocks.0.attn.qkv.weight"]).any().item<bool>());
        Assert.False(a["blocks.0.attn.proj.weight"].eq(a["blocks.1.attn.proj.weight"]).any().item<bool>());
    }

    [Fact]
    public void TheStartHasThePublishedSpreads()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Dit(DitOptions.Published("S", 8) with { Depth = 1 }, 3);
        var state = model.state_dict();
        void Uniform(string name, double bound)
        {
            Assert.InRange(state[name].abs().max().item<float>(), 0.99 * bound, bound);
            Assert.InRange(state[name].std().item<float>(), 0.98 * bound / Math.Sqrt(3), 1.02 * bound / Math.Sqrt(3));
        }
        Uniform("blocks.0.attn.qkv.weight", Math.Sqrt(6.0 / (4 * 384)));
        Uniform("blocks.0.mlp.fc2.weight", Math.Sqrt(6.0 / (5 * 384)));
        Uniform("x_embedder.proj.weight", Math.Sqrt(6.0 / (384 + 4 * 64)));
        foreach (
            var name in new[]
            {
                "t_embedder.mlp.0.weight",
                "t_embedder.mlp.2.weight",
                "y_embedder.embedding_table.weight",
            }
        )
            Assert.InRange(state[name].std().item<float>(), 0.0195, 0.0205);
        foreach (
            var name in new[]
            {
                "blocks.0.adaLN_modulation.1.weight",
                "final_layer.adaLN_modulation.1.weight",
                "final_layer.linear.weight",
                "blocks.0.mlp.fc1.bias",
                "x_embedder.proj.bias",
            }
        )
            Assert.True(state[name].eq(0).all().item<bool>(), name);
    }

    [Fact]
    public void ItsGradientAgreesWithFiniteDifferences()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Stirred(Little);
        var (x, t, y, weights) = (
            Normal(3, 3, 2, 4, 4),
            torch.tensor([0.0, 17.5, 999]),
            torch.tensor([0L, 2, 3]),
            Normal(4, 3, 4, 4, 4)
        );
        torch.Tensor Loss() => (model.call(x, t, y) * weights).sum();
        x.requires_grad_(true);
        Loss().backward();
        Check("x", x, x.grad!);
        var count = 0;
        foreach (var (name, parameter) in model.named_parameters())
        {
            Assert.True(parameter.grad!.abs().max().item<double>() > 0, name);
            Check(name, parameter, parameter.grad!);
            count++;
        }
        Assert.Equal(7 + 2 * 10 + 4, count);

        void Check(string name, torch.Tensor values, torch.Tensor gradient)
        {
            using var noGrad = torch.no_grad();
            var direction = Normal(Seeds.Derive(9, name), values.shape);
            var predicted = (gradient * direction).sum().item<double>();
            const double h = 1e-6;
            values.add_(direction, h);
            var up = Loss().item<double>();
            values.add_(direction, -2 * h);
            var down = Loss().item<double>();
            values.add_(direction, h);
            var measured = (up - down) / (2 * h);
            Assert.True(
                Math.Abs(measured - predicted) < 1e-6 * Math.Max(1, Math.Abs(predicted)),
                $"{name}: {measured} against {predicted}"
            );
        }
    }

    [Fact]
    public void AHookOnAnyModuleReadsAndChangesWhatItGives()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(Little);
        var (x, t, y) = (Normal(3, 3, 2, 4, 4), torch.tensor([0.0, 17.5, 999]), torch.tensor([0L, 2, 3]));
        var before = model.call(x, t, y);
        var seen = 0;
        foreach (var (name, module) in model.named_modules().ToList())
        {
            torch.Tensor Squared(torch.Tensor output)
            {
                seen++;
                return output * output; // not a factor alone, which the normalization after the last block would undo
            }
            Action? remove = module switch
            {
                torch.nn.Module<torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                    (_, _, output) => Squared(output)
                ).remove,
                torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                    (_, _, _, output) => Squared(output)
                ).remove,
                _ => null,
            };
            if (remove is null)
                continue;
            var changed = model.call(x, t, y);
            remove();
            Assert.True((changed - before).abs().max().item<double>() > 1e-6, name);
            Assert.Equal(1, seen);
            seen = 0;
        }
        Assert.True(model.call(x, t, y).eq(before).all().item<bool>());
    }

    [Fact]
    public void TokensOfLittleVarianceAreNormalizedWithThePublishedFloor()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(Little);
        // Only the position is left of the tokens, at a variance about that of the floor, 1e-6.
        model.state_dict()["pos_embed"].mul_(1e-3);
        model.state_dict()["x_embedder.proj.bias"].zero_();
        using var recorder = new ActivationRecorder(model, ["blocks.0.norm1"]);
        model.call(torch.zeros([1, 2, 4, 4], dtype: torch.float64), torch.tensor([1.0]), null);
        var tokens = model.state_dict()["pos_embed"];
        var expected =
            (tokens - tokens.mean([2L], keepdim: true)) / (tokens.var(2, unbiased: false, keepdim: true) + 1e-6).sqrt();
        Assert.True((recorder.Last("blocks.0.norm1") - expected).abs().max().item<double>() < 1e-9);
    }

    [Fact]
    public void NoLabelIsTheEmptyLabelAndGuidanceMixesTheTwoAnswers()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(Little);
        var (x, t, y) = (Normal(3, 2, 2, 4, 4), torch.tensor([5.0, 800]), torch.tensor([0L, 2]));
        var (labelled, empty) = (model.call(x, t, y), model.call(x, t, torch.tensor([3L, 3])));
        Assert.True(model.call(x, t, null).eq(empty).all().item<bool>());
        var guided = model.Guided(x, t, y, 2.5);
        var expected = torch
            .cat([empty + 2.5 * (labelled - empty), labelled], 1)
            .index_select(1, torch.tensor([0L, 1, 6, 7]));
        Assert.True((guided - expected).abs().max().item<double>() < 1e-12);
    }

    [Fact]
    public void OneSampleIsTheSameAloneAndInABatchAndNothingLeaks()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(Little);
        var (x, t, y) = (Normal(3, 4, 2, 4, 4), torch.tensor([5.0, 800, 3, 9]), torch.tensor([0L, 2, 1, 0]));
        var all = model.call(x, t, y);
        Assert.True(
            (model.call(x.narrow(0, 2, 1), t.narrow(0, 2, 1), y.narrow(0, 2, 1)) - all.narrow(0, 2, 1))
                .abs()
                .max()
                .item<double>() < 1e-12
        );
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 20; i++)
        {
            model.call(x, t, y).Dispose();
            model.Guided(x, t, y, 3).Dispose();
        }
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void ItMovesToAnotherTypeWhole()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Stirred(Little);
        var (x, t, y) = (Normal(3, 2, 2, 4, 4), torch.tensor([5.0, 800]), torch.tensor([0L, 2]));
        var expected = model.call(x, t, y);
        var names = model.state_dict().Keys.ToList();
        model.to(torch.float32);
        Assert.Equal(names, model.state_dict().Keys);
        Assert.All(model.state_dict().Values, tensor => Assert.Equal(torch.float32, tensor.dtype));
        Assert.All(model.parameters(), p => Assert.True(p.requires_grad));
        Assert.True(
            DitGolden.Difference(model.call(x.to_type(torch.float32), t, y), expected.to_type(torch.float32)) < 1e-5
        );
    }

    [Fact]
    public void OptionsGoThroughMetadata()
    {
        foreach (
            var options in new[]
            {
                Little,
                DitOptions.Tiny,
                DitOptions.Published("B", 4, 64) with
                {
                    MlpRatio = 1.0 / 3,
                    ClassDropout = 0,
                },
            }
        )
            Assert.Equal(options, DitOptions.From(options.ToMetadata()));
        string Refusal(string config) =>
            Assert
                .Throws<InvalidDataException>(() =>
                    DitOptions.From(new Dictionary<string, string> { ["config"] = config })
                )
                .Message;
        var good = Little.ToMetadata()["config"];
        Assert.Contains("missing 'depth'; unexpected 'deep'", Refusal(good.Replace("depth", "deep")));
        Assert.Contains(
            "must be a multiple of PatchSize = 3, was 4",
            Refusal(good.Replace("\"patch_size\": 2", "\"patch_size\": 3"))
        );
        Assert.Contains("Depth must be at least 1, was -2", Refusal(good.Replace("\"depth\": 2", "\"depth\": -2")));
        Assert.Contains("does not describe a DiT", Refusal(good.Replace("true", "\"yes\"")));
        Assert.Contains("does not describe a DiT", Refusal("{"));
        Assert.Contains("no JSON object", Refusal("3"));
        Assert.Contains(
            "has no 'config'",
            Assert.Throws<InvalidDataException>(() => DitOptions.From(new Dictionary<string, string>())).Message
        );
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new Dit(Little, 1);
        using var free = new Dit(Little with { Classes = 0 }, 1);
        using var always = new Dit(Little with { ClassDropout = 0 }, 1);
        var (x, t, y) = (torch.zeros(2, 2, 4, 4), torch.zeros(2), torch.tensor([0L, 1]));
        void Refused(string words, Func<object> attempt)
        {
            var failure = Record.Exception(attempt);
            Assert.True(failure is ArgumentException or InvalidOperationException, $"{words}: {failure}");
            Assert.Contains(words, failure.Message);
            Assert.DoesNotContain('\n', failure.Message);
        }
        Refused("x must have shape (any, 2, 4, 4), was (2, 3, 4, 4)", () => model.call(torch.zeros(2, 3, 4, 4), t, y));
        Refused(
            "x must be Float32 like the network's weights, was Float64",
            () => model.call(x.to_type(torch.float64), t, y)
        );
        Refused(
            "x lies on meta, the network on cpu; move one of them",
            () => model.call(torch.zeros([2, 2, 4, 4], device: torch.META), t, y)
        );
        Refused("t must have shape (2), was (3)", () => model.call(x, torch.zeros(3), y));
        Refused("labels must have shape (2), was (3)", () => model.call(x, t, torch.tensor([0L, 1, 1])));
        Refused("labels must hold labels from 0 to 3, was 4", () => model.call(x, t, torch.tensor([0L, 4])));
        Refused("labels must hold labels from 0 to 2, was -1", () => always.call(x, t, torch.tensor([0L, -1])));
        Refused("labels must hold whole numbers of type Int64, was Float32", () => model.call(x, t, t));
        Refused("labels must be null, since the network was made without classes", () => free.call(x, t, y));
        Refused("labels must give a label from 0 to 2 to each sample", () => always.call(x, t, null));
        Refused("guidance needs an empty label", () => always.Guided(x, t, y, 2));
        Refused("weight must be finite, was NaN", () => model.Guided(x, t, y, double.NaN));
        Refused("guidedChannels must be from 0 to 4, was 5", () => model.Guided(x, t, y, 2, 5));
        Refused(
            "InputSize must be a multiple of PatchSize = 3, was 4",
            () => new Dit(Little with { PatchSize = 3 }, 1)
        );
        Refused("HiddenSize must be a multiple of Heads = 3, was 8", () => new Dit(Little with { Heads = 3 }, 1));
        Refused(
            "HiddenSize must be a multiple of 4 for its position embedding, was 10",
            () => new Dit(Little with { HiddenSize = 10 }, 1)
        );
        Refused("MlpRatio must leave at least one hidden unit", () => new Dit(Little with { MlpRatio = 0.01 }, 1));
        Refused("ClassDropout must be at least 0 and below 1, was 1", () => Little with { ClassDropout = 1 });
        Refused("Depth must be at least 1, was 0", () => Little with { Depth = 0 });
        Refused("size must be S, B, L or XL, was 'M'", () => DitOptions.Published("M", 2));
        Refused("patchSize must be 2, 4 or 8 in a published DiT, was 3", () => DitOptions.Published("S", 3));
        Refused("dtype must be Float32 or Float64, was Float16", () => new Dit(Little, 1, torch.ScalarType.Float16));
    }
}
