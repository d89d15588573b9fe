using BalancedDiffusion.Checkpoints;
using BalancedDiffusion.Networks.StableDiffusion;
using BalancedDiffusion.Representations;
using TorchSharp;
using static BalancedDiffusion.Tests.Networks.StableDiffusion.StableDiffusionGolden;
using static BalancedDiffusion.Tests.Networks.UNetFixtures;

namespace BalancedDiffusion.Tests.Networks.StableDiffusion;

public class ConditionalUNetTests
{
    private const string Activation = "activation.";

    private static (torch.Tensor Sample, torch.Tensor Times, torch.Tensor Text) Inputs(int height = 4, int width = 4) =>
        (Normal(3, 2, 4, height, width), torch.tensor([10L, 500]), Normal(4, 2, 3, 6));

    [Fact]
    public void TheOutputAndEveryActivationAreThoseOfTheReference() =>
        MeetsTheReference(Shared("sd-unet-tiny"), Shared("sd-unet-tiny-io"), torch.float32, Tolerance, 4);

    [Fact]
    public void TheOutputAndEveryActivationOfANanoNetworkAreThoseOfAPlainComputation() =>
        MeetsTheReference(
            File("sd-unet-nano.safetensors"),
            File("sd-unet-nano-io.safetensors"),
            torch.float64,
            FineTolerance,
            6
        );

    private static void MeetsTheReference(
        string weights,
        string answers,
        torch.ScalarType type,
        double tolerance,
        int activations
    )
    {
        using var scope = torch.NewDisposeScope();
        using var tensors = Safetensors.Read(weights);
        using var io = Safetensors.Read(answers);
        using var model = new ConditionalUNet(ConditionalUNetOptions.FromMetadata(tensors.Metadata), tensors, type);
        var names = io
            .Keys.Where(k => k.StartsWith(Activation, StringComparison.Ordinal))
            .Select(k => k[Activation.Length..])
            .ToList();
        Assert.Equal(activations, names.Count);
        using var recorder = new ActivationRecorder(model, names);
        Close(
            "output",
            model.call(io["sample"].to_type(type), io["timestep"], io["encoder_hidden_states"]),
            io["output"],
            tolerance
        );
        foreach (var name in names)
            Close(name, recorder.Last(name), io[Activation + name], tolerance);
    }

    [Fact]
    public void NamesAreThePublishedOnes()
    {
        using var file = Safetensors.Read(Shared("sd-unet-tiny"));
        using var model = new ConditionalUNet(ConditionalUNetOptions.FromMetadata(file.Metadata), 1);
        Assert.Equal(file.Keys.Order(StringComparer.Ordinal), model.state_dict().Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TheCountIsThePublishedOne()
    {
        Assert.Equal(859_520_964, new ConditionalUNetOptions().ParameterCount);
        using var nano = new ConditionalUNet(NanoUNet, 1);
        Assert.Equal(NanoUNet.ParameterCount, nano.parameters().Sum(p => p.NumberOfElements));
    }

    [Fact]
    public void HooksSeeWhatIsRecomputedFromTheirNeighbours()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Nano();
        var state = model.state_dict();
        const string block = "up_blocks.1.resnets.1",
            attention = "down_blocks.0.attentions.0.transformer_blocks.0.attn2";
        using var recorder = new ActivationRecorder(
            model,
            [
                "time_proj",
                "time_embedding",
                $"{block}.conv1",
                $"{block}.nonlinearity",
                "up_blocks.1",
                "conv_norm_out",
                $"{attention}.to_q",
                $"{attention}.to_k",
                $"{attention}.to_v",
                attention,
            ],
            history: true
        );
        var (sample, times, text) = Inputs();
        var output = model.call(sample, times, text);
        torch.Tensor Group(torch.Tensor x, string name) =>
            torch.nn.functional.group_norm(x, 4, state[$"{name}.weight"], state[$"{name}.bias"], 1e-5);
        torch.Tensor Silu(torch.Tensor x) => x / (1 + torch.exp(-x));
        torch.Tensor Linear(torch.Tensor x, string name) =>
            torch.matmul(x, state[$"{name}.weight"].t()) + state[$"{name}.bias"];
        // The time: cosines, then sines.
        double[] rates = [.. Enumerable.Range(0, 4).Select(i => Math.Pow(10000, -i / 4.0))];
        var waves = torch.tensor(
            [
                .. new[] { 10.0, 500 }.SelectMany(t =>
                    rates.Select(r => Math.Cos(r * t)).Concat(rates.Select(r => Math.Sin(r * t)))
                ),
            ],
            [2, 8],
            dtype: torch.float32
        );
        // 500 in float32 is 3e-5 off in its angle
        Assert.True((recorder.Last("time_proj") - waves).abs().max().item<float>() < 1e-4);
        Assert.True(
            Difference(
                recorder.Last("time_embedding"),
                Linear(Silu(Linear(recorder.Last("time_proj"), "time_embedding.linear_1")), "time_embedding.linear_2")
            ) < 1e-5
        );
        // The representation, once in a pass.
        var conditioned =
            recorder.Last($"{block}.conv1")
            + Linear(Silu(recorder.Last("time_embedding")), $"{block}.time_emb_proj").unsqueeze(-1).unsqueeze(-1);
        Assert.Single(recorder.History($"{block}.nonlinearity"));
        Assert.True(
            Difference(recorder.Last($"{block}.nonlinearity"), Silu(Group(conditioned, $"{block}.norm2"))) < 1e-5
        );
        // Attention to the text, head by head.
        torch.Tensor[] Heads(string name) => recorder.Last($"{attention}.{name}").chunk(2, -1);
        var (q, k, v) = (Heads("to_q"), Heads("to_k"), Heads("to_v"));
        Assert.True(
            Difference(recorder.Last($"{attention}.to_k"), torch.matmul(text, state[$"{attention}.to_k.weight"].t()))
                < 1e-5
        );
        var mixed = torch.cat(
            [
                .. Enumerable
                    .Range(0, 2)
                    .Select(h => torch.matmul(torch.softmax(torch.matmul(q[h], k[h].transpose(1, 2)) / 2, -1), v[h])),
            ],
            -1
        );
        Assert.True(Difference(recorder.Last(attention), Linear(mixed, $"{attention}.to_out.0")) < 1e-5);
        // The end of the network.
        Assert.True(
            Difference(recorder.Last("conv_norm_out"), Group(recorder.Last("up_blocks.1"), "conv_norm_out")) < 1e-5
        );
        var end = torch.nn.functional.conv2d(
            Silu(recorder.Last("conv_norm_out")),
            state["conv_out.weight"],
            state["conv_out.bias"],
            padding: [1, 1]
        );
        Assert.True(Difference(output, end) < 1e-5);
    }

    [Fact]
    public void EveryModuleIsHeardOfInTheOutputAndRunsOnce()
    {
        using var scope = torch.NewDisposeScope();
        using var noGrad = torch.no_grad();
        using var model = Nano();
        var (sample, times, text) = Inputs();
        var before = model.call(sample, times, text);
        foreach (var name in ActivationRecorder.ModulesOf(model).Where(n => n.Length > 0))
        {
            using var step = torch.NewDisposeScope();
            var seen = 0;
            var module = model.named_modules().Single(m => m.name == name).module;
            torch.Tensor Squared(torch.Tensor output)
            {
                seen++;
                return output * output;
            }
            var remove = module switch
            {
                torch.nn.Module<torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                    (_, _, output) => Squared(output)
                ).remove,
                torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                    (_, _, _, output) => Squared(output)
                ).remove,
                torch.nn.Module<torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor> m => m.register_forward_hook(
                    (_, _, _, _, output) => Squared(output)
                ).remove,
                _ => (Action)(() => Assert.Fail(name)),
            };
            var changed = model.call(sample, times, text);
            remove();
            Assert.Equal((name, 1), (name, seen));
            Assert.True((changed - before).abs().max().item<float>() > 1e-6, name);
        }
        Assert.True(model.call(sample, times, text).eq(before).all().item<bool>());
        string[] wanted =
        [
            "conv_in",
            "down_blocks.0",
            "down_blocks.0.attentions.0",
            "down_blocks.0.downsamplers.0.conv",
            "mid_block",
            "mid_block.attentions.0.transformer_blocks.0.ff.net.0",
            "up_blocks.0.upsamplers.0",
            "up_blocks.1.resnets.0.nonlinearity",
            "conv_act",
        ];
        Assert.Empty(wanted.Except(ActivationRecorder.ModulesOf(model)));
    }

    [Fact]
    public void OneSampleIsTheSameAloneAndInABatchAndNothingLeaks()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Nano();
        var (sample, times, text) = Inputs();
        var all = model.call(sample, times, text);
        Assert.True(
            Difference(
                model.call(sample.narrow(0, 1, 1), times.narrow(0, 1, 1), text.narrow(0, 1, 1)),
                all.narrow(0, 1, 1)
            ) < 1e-5
        );
        Assert.True(
            Difference(model.call(sample, times.to_type(torch.float64), text.to_type(torch.float64)), all) < 1e-6
        );
        Assert.True(Difference(model.call(sample, times, text.flip(0)), all) > 1e-3);
        var before = DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount;
        for (var i = 0; i < 10; i++)
            model.call(sample, times, text).Dispose();
        Assert.Equal(before, DisposeScopeManager.Statistics.TensorStatistics.ThreadTotalLiveCount);
    }

    [Theory]
    [InlineData(5, 7)]
    [InlineData(1, 1)]
    [InlineData(8, 3)]
    public void LatentsMayHaveAnySize(int height, int width)
    {
        using var scope = torch.NewDisposeScope();
        using var model = Stirred(
            new ConditionalUNet(NanoUNet with { BlockChannels = [8, 16, 16], Attends = [true, false, true] }, 1)
        );
        var (sample, times, text) = Inputs(height, width);
        var output = model.call(sample, times, text);
        Assert.Equal([2, 4, height, width], output.shape);
        Assert.True(torch.isfinite(output).all().item<bool>());
    }

    [Fact]
    public void ACallThatFailsLeavesTheNextAsItWas()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Nano();
        var (sample, times, text) = Inputs();
        var before = model.call(sample, times, text);
        var hook = (
            (torch.nn.Module<torch.Tensor, torch.Tensor>)
                model.named_modules().Single(m => m.name == "up_blocks.0.upsamplers.0").module
        ).register_forward_hook((_, _, _) => throw new InvalidOperationException("stop"));
        Assert.Throws<InvalidOperationException>(() => model.call(sample, times, text));
        hook.remove();
        Assert.True(model.call(sample, times, text).eq(before).all().item<bool>());
    }

    [Fact]
    public void ItComputesInTheTypeOfItsWeights()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Nano();
        var tensors = model.state_dict();
        var (sample, times, text) = Inputs();
        var expected = model.call(sample, times, text);
        using var wide = new ConditionalUNet(NanoUNet, tensors, torch.float64);
        Assert.True(Difference(expected, wide.call(sample.to_type(torch.float64), times, text)) < 1e-5);
        // bfloat16 has eight bits: a relative error of 1/256 in each of about twenty layers.
        using var narrow = new ConditionalUNet(NanoUNet, tensors, torch.bfloat16);
        Assert.Equal(torch.bfloat16, narrow.Type);
        Assert.True(Difference(narrow.call(sample.to_type(torch.bfloat16), times, text), expected) < 20.0 / 256);
        // Weights of the type wanted are shared, not copied, and live on without the dictionary.
        using var same = new ConditionalUNet(NanoUNet, tensors);
        Assert.Equal(tensors["conv_in.weight"].data<float>()[0], same.state_dict()["conv_in.weight"].data<float>()[0]);
        using (torch.no_grad())
            tensors["conv_in.weight"].zero_();
        Assert.True(same.state_dict()["conv_in.weight"].eq(0).all().item<bool>());
        Assert.All(same.parameters(), p => Assert.False(p.requires_grad));
    }

    [Fact]
    public void BadInputIsNamedInOneSentence()
    {
        using var scope = torch.NewDisposeScope();
        using var model = new ConditionalUNet(NanoUNet, 1);
        var (sample, times, text) = Inputs();
        Refused(
            "sample must have shape (any, 4, any, any), was (2, 3, 4, 4)",
            () => model.call(torch.zeros(2, 3, 4, 4), times, text)
        );
        Refused(
            "sample must have at least one place, was 0 by 4",
            () => model.call(torch.zeros(2, 4, 0, 4), times, text)
        );
        Refused(
            "sample must be Float32 like the network's weights, was Float64",
            () => model.call(sample.to_type(torch.float64), times, text)
        );
        Refused(
            "sample lies on meta, the network on cpu; move one of them",
            () => model.call(torch.zeros([2, 4, 4, 4], device: torch.META), times, text)
        );
        Refused("timestep must have shape (2), was ()", () => model.call(sample, torch.tensor(3), text));
        Refused(
            "text must have shape (2, any, 6), was (2, 3, 7)",
            () => model.call(sample, times, torch.zeros(2, 3, 7))
        );
        Refused(
            "text must hold the text encoder's floating-point vectors, was Int64",
            () => model.call(sample, times, text.to_type(torch.int64))
        );
        Refused(
            "BlockChannels must be multiples of Groups = 3, was 8",
            () => new ConditionalUNet(NanoUNet with { Groups = 3 }, 1)
        );
        Refused(
            "BlockChannels must be multiples of Heads = 3 where a level attends, was 8",
            () => new ConditionalUNet(NanoUNet with { Heads = 3 }, 1)
        );
        Refused(
            "Attends must say for each of the 2 levels",
            () => new ConditionalUNet(NanoUNet with { Attends = [true] }, 1)
        );
        Refused(
            "BlockChannels must begin with an even number",
            () => new ConditionalUNet(NanoUNet with { BlockChannels = [9, 9], Groups = 3, Heads = 3 }, 1)
        );
        Refused("BlockChannels must name at least one level", () => NanoUNet with { BlockChannels = [] });
        Refused("NormEpsilon must be positive and finite, was 0", () => NanoUNet with { NormEpsilon = 0 });
    }
}
